"""Killable, memory-limited processes that run split: a crash, a hang or a bomb fails one document and the pool goes on.

The worker reads the spooled file, writes one frame a page to a spool file and returns what it knows of the document; the
parent reads frames lazily, so that memory does not grow with the page count.
"""

import asyncio
import concurrent.futures
import ctypes
import multiprocessing
import os
import pickle
import signal
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from pebble import ProcessExpired, ProcessPool

from extractors.split.split import SplitOptions, split
from flows.settings import Settings
from schemas.errors import DocumentError, SandboxLimitError
from schemas.pipeline import DocumentInfo, Page

RENEW_AFTER = 200  # documents that one worker splits before a fresh one takes over: PyMuPDF's caches never shrink
_FRAME_HEAD = struct.Struct(">Q")
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


SplitWork = Callable[[str, str, str, SplitOptions], DocumentInfo | DocumentError]


class Sandbox:
    """A pool of split processes. `seconds` and `memory` (bytes of address space) are limits for one document.

    `work` is what a worker does with one document: `split_to_frames`, or what a test puts in its place.
    """

    def __init__(self, workers: int, seconds: float, memory: int, work: "SplitWork | None" = None) -> None:
        self._work = work or split_to_frames
        self._seconds = seconds
        self._memory = memory
        self._pool = ProcessPool(
            max_workers=workers,
            max_tasks=RENEW_AFTER,
            initializer=_confine,
            initargs=(memory, os.getpid()),
            context=multiprocessing.get_context("spawn"),  # a bare fork would carry locks and leases along
        )

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.stop()  # type: ignore[no-untyped-call] # pebble does not annotate it
        self._pool.join()

    async def split(self, source: Path, file_name: str, frames: Path, options: SplitOptions) -> DocumentInfo:
        """Split the file at `source` into page frames at `frames`; `read_frames` gives them back.

        Raises DocumentError: the split step's own, or SandboxLimitError for a crash, a time or a memory limit.
        """
        future = self._pool.schedule(
            self._work, args=(str(source), file_name, str(frames), options), timeout=self._seconds
        )
        try:
            outcome = await asyncio.wrap_future(future)
        except (TimeoutError, concurrent.futures.TimeoutError):
            raise SandboxLimitError(
                f"{file_name}: splitting took longer than {self._seconds:g} s; raise PAGEMILL_SPLIT_SECONDS or look at the file"
            ) from None
        except MemoryError:
            raise SandboxLimitError(
                f"{file_name}: splitting needs more than {self._memory >> 20:,} MB; raise PAGEMILL_SPLIT_MEMORY or look at "
                "the file"
            ) from None
        except ProcessExpired as expired:
            raise SandboxLimitError(
                f"{file_name}: the process that split it ended with exit code {expired.exitcode}; the PDF library crashed "
                "on it: repair the file, or leave it out"
            ) from None
        if isinstance(outcome, DocumentError):
            raise outcome
        return outcome


@contextmanager
def workplace(settings: Settings) -> Iterator[tuple[Sandbox, Path]]:
    """A sandbox and a temporary folder, for as long as documents are looked at without a dataset."""
    with (
        tempfile.TemporaryDirectory(prefix="pagemill-") as folder,
        Sandbox(settings.workers, settings.split_seconds, settings.split_memory) as sandbox,
    ):
        yield sandbox, Path(folder)


def read_frames(frames: Path) -> Iterator[Page]:
    """The pages of a frames file, one in memory at a time."""
    with frames.open("rb") as file:
        while head := file.read(_FRAME_HEAD.size):
            page = pickle.loads(file.read(_FRAME_HEAD.unpack(head)[0]))  # noqa: S301 - our own worker wrote it
            assert isinstance(page, Page)
            yield page


def split_to_frames(source: str, file_name: str, frames: str, options: SplitOptions) -> DocumentInfo | DocumentError:
    """Runs in a worker. Errors are returned, so that no traceback of a worker is printed."""
    info: DocumentInfo | None = None
    try:
        data = Path(source).read_bytes()
        with Path(frames).open("wb") as file:
            for item in split(data, file_name, options):
                if isinstance(item, DocumentInfo):
                    info = item
                    continue
                body = pickle.dumps(item, protocol=pickle.HIGHEST_PROTOCOL)
                file.write(_FRAME_HEAD.pack(len(body)))
                file.write(body)
    except DocumentError as error:
        return error
    assert info is not None
    return info


def _confine(memory: int, parent: int) -> None:
    """Limits of a worker: memory, no signals of the terminal, and death with its parent."""
    with suppress(ImportError, ValueError, OSError):  # where there is no such limit, the time limit still holds
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(
        signal.SIGTERM, signal.SIG_DFL
    )  # pebble's handler, run while the interpreter ends, prints a traceback
    with suppress(OSError, AttributeError, TypeError):  # elsewhere than on Linux the watch below must do
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()


def _die_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)
