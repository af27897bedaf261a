"""Killable, memory-limited processes that run split and draw pages: a crash, a hang or a bomb fails one document, no other.

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
from typing import TYPE_CHECKING, Any, TypeVar

from pebble import ProcessExpired, ProcessPool

from extractors.ocr import words_of
from extractors.split.options import SplitOptions
from schemas.errors import DocumentError, PagemillError, SandboxLimitError, UnreadableDocumentError
from schemas.step_data import DocumentInfo, Image, Page, Word

if TYPE_CHECKING:  # a worker needs none
    from flows.settings import Settings

RENEW_AFTER = 200  # documents that one worker splits before a fresh one takes over: PyMuPDF's caches never shrink
FRAME_HEAD = struct.Struct(">Q")
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
# How processes end that somebody tells to: an init system tells a whole group, and the split processes belong to it.
_TOLD = frozenset({-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP})
_KEPT_VARIABLES = frozenset(
    (
        "PATH",
        "HOME",
        "LANG",
        "TMPDIR",
        "TZ",
        "LD_LIBRARY_PATH",
        "PYTHONPATH",
        "PYTHONSAFEPATH",
        "PYTHONDONTWRITEBYTECODE",
    )
)  # of the environment, in a worker
TRIES = 3  # of a document whose processes are told to end, one after the other


SplitWork = Callable[[str, str, str, SplitOptions], DocumentInfo | DocumentError]
LookWork = Callable[[str, str, int, tuple[str, ...]], Page | DocumentError]
SplitOutcome = TypeVar("SplitOutcome")


class Sandbox:
    """A pool of split processes. `seconds` and `memory` (bytes of address space) are limits for one document.

    `work` is what a worker does with one document and `looking` with one page: `split_to_frames` and `page_of`, or what a test
    puts in their place.
    """

    def __init__(
        self,
        workers: int,
        seconds: float,
        memory: int,
        work: "SplitWork | None" = None,
        looking: "LookWork | None" = None,
    ) -> None:
        self._work = work or split_to_frames
        self._looking = looking or page_of
        self._seconds = seconds
        self._memory = memory
        self._workers = workers
        self._mutex = threading.Lock()
        self._replaced: list[ProcessPool] = []
        self._has_ended = False
        self._size = workers  # processes of the pool
        self._is_used = False  # whether they have begun to start
        self._pool = self._new_pool()

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._has_ended = True
        for pool in (*self._replaced, self._pool):
            pool.stop()  # type: ignore[no-untyped-call] # pebble does not annotate it
            pool.join()

    def expect(self, documents: int) -> None:
        """Let no more processes start than so many documents need; each costs its imports."""
        wanted = max(1, min(self._workers, documents))
        with self._mutex:
            if wanted > self._size or (wanted < self._size and not self._is_used):
                self._pool.close()  # type: ignore[no-untyped-call] # its tasks come to their end
                self._replaced.append(self._pool)
                self._size = wanted
                self._pool = self._new_pool()

    def _new_pool(self) -> ProcessPool:
        return ProcessPool(
            max_workers=self._size,
            max_tasks=RENEW_AFTER,
            initializer=_confine,
            initargs=(self._memory, os.getpid()),
            context=multiprocessing.get_context("spawn"),  # a bare fork would carry locks and leases along
        )

    def _replace(self, broken: ProcessPool) -> None:
        """Replace a pool that pebble has given up, as it does when an idle process ends."""
        with self._mutex:
            if self._pool is broken:
                self._replaced.append(broken)
                self._pool = self._new_pool()

    async def split(self, source: Path, file_name: str, frames: Path, options: SplitOptions) -> DocumentInfo:
        """Split the file at `source` into page frames at `frames`; `read_frames` gives them back.

        Raises DocumentError: the split step's own, or SandboxLimitError for a crash, a time or a memory limit. A process that
        is told to end from outside says nothing of the document, which then goes to another one.
        """
        return await self._done(self._work, (str(source), file_name, str(frames), options), "splitting")

    async def look(self, source: Path, file_name: str, number: int, passwords: tuple[str, ...]) -> Page:
        """One page of the file at `source` as people look at it: see `page_view`. Raises DocumentError as `split`."""
        return await self._done(self._looking, (str(source), file_name, number, passwords), f"drawing page {number}")

    async def read_picture(self, image: Image, name: str) -> tuple[Word, ...]:
        """Words of a picture with their boxes: see `extractors.ocr`. Raises DocumentError as `split`, naming `name`."""
        return await self._done(read_words, (image, name), "reading the picture")

    async def _done(
        self, work: Callable[..., SplitOutcome | DocumentError], given: tuple[Any, ...], what: str
    ) -> SplitOutcome:
        """Result of `work` in a worker; the second of `given` is the file's name."""
        file_name = given[1]
        for tried in range(1, TRIES + 1):
            self._is_used = True
            pool = self._pool
            try:
                outcome = await asyncio.wrap_future(pool.schedule(work, args=given, timeout=self._seconds))
                break
            except (TimeoutError, concurrent.futures.TimeoutError):
                raise SandboxLimitError(
                    f"{file_name}: {what} took longer than {self._seconds:g} s; raise PAGEMILL_SPLIT_SECONDS or look at the "
                    "file"
                ) from None
            except MemoryError:
                raise SandboxLimitError(
                    f"{file_name}: {what} needs more than {self._memory >> 20:,} MB; raise PAGEMILL_SPLIT_MEMORY or look at "
                    "the file"
                ) from None
            except ProcessExpired as expired:
                if expired.exitcode not in _TOLD:
                    why = "the PDF library crashed on it: repair the file, or leave it out"
                    raise _died(
                        f"{file_name}: {what} ended its process with exit code {expired.exitcode}; {why}"
                    ) from None
                ended = f"exit code {expired.exitcode}"
            except RuntimeError:  # of a pool that is broken, and of a future of one
                if pool.active or self._has_ended:
                    raise
                self._replace(pool)
                ended = "no task"
            if tried == TRIES:
                raise _died(
                    f"{file_name}: {what} was begun {TRIES} times, and each time its process was ended from outside (the last "
                    f"one with {ended}); see what ends processes on this machine"
                )
        if isinstance(outcome, DocumentError):
            raise outcome
        return outcome


def _died(message: str) -> SandboxLimitError:
    error = SandboxLimitError(message)
    error.has_died = True
    return error


def ended_with_the_run(error: Exception, stopped: PagemillError | None) -> bool:
    """True for a split process that died after its run was told to stop: a signal to the group ends its processes, too."""
    return stopped is not None and isinstance(error, SandboxLimitError) and error.has_died


@contextmanager
def workplace(settings: "Settings", workers: int = 1) -> Iterator[tuple[Sandbox, Path]]:
    """A sandbox and a temporary folder, for as long as documents are looked at without a dataset.

    One document needs one worker: another would still be starting when the command ends, and complain of it.
    """
    with (
        tempfile.TemporaryDirectory(prefix="pagemill-") as folder,
        Sandbox(workers, settings.split_seconds, settings.split_memory) as sandbox,
    ):
        yield sandbox, Path(folder)


def read_frames(frames: Path) -> Iterator[Page]:
    """The pages of a frames file, one in memory at a time."""
    with frames.open("rb") as file:
        while head := file.read(FRAME_HEAD.size):
            page = pickle.loads(file.read(FRAME_HEAD.unpack(head)[0]))  # noqa: S301 - our own worker wrote it
            assert isinstance(page, Page)
            yield page


def split_to_frames(source: str, file_name: str, frames: str, options: SplitOptions) -> DocumentInfo | DocumentError:
    """Runs in a worker. Errors are returned, so that no traceback of a worker is printed."""
    from extractors.split.split import split

    info: DocumentInfo | None = None
    try:
        data = Path(source).read_bytes()
        with Path(frames).open("wb") as file:
            for item in split(data, file_name, options):
                if isinstance(item, DocumentInfo):
                    info = item
                    continue
                body = pickle.dumps(item, protocol=pickle.HIGHEST_PROTOCOL)
                file.write(FRAME_HEAD.pack(len(body)))
                file.write(body)
    except DocumentError as error:
        return error
    assert info is not None
    return info


def page_of(source: str, file_name: str, number: int, passwords: tuple[str, ...]) -> Page | DocumentError:
    """Runs in a worker. Errors are returned, so that no traceback of a worker is printed."""
    from extractors.split.page_view import look_at

    try:
        return look_at(Path(source).read_bytes(), file_name, number, passwords)
    except DocumentError as error:
        return error


def read_words(image: Image, name: str) -> tuple[Word, ...] | DocumentError:
    """Runs in a worker. Errors are returned, so that no traceback of a worker is printed."""
    try:
        return words_of(image)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - a reader of pictures may raise anything on an odd one
        return UnreadableDocumentError(f"{name}: its picture cannot be read ({error}); look at the file")


def _confine(memory: int, parent: int) -> None:
    """Limits of a worker: memory, no signals of the terminal, and death with its parent."""
    with suppress(ImportError, ValueError, OSError):  # where there is no such limit, the time limit still holds
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _forget_secrets()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(
        signal.SIGTERM, signal.SIG_DFL
    )  # pebble's handler, run while the interpreter ends, prints a traceback
    with suppress(OSError, AttributeError, TypeError):  # elsewhere than on Linux the watch below must do
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    import extractors.split.split  # noqa: F401 - PyMuPDF, before the first document comes


def _forget_secrets() -> None:
    """Keep of the environment what Python and its libraries need, and wipe the rest where the kernel has put it.

    A worker that a document has taken over finds no key in it, also not in /proc/self/environ.
    """
    for name in list(os.environ):
        value = os.environ.pop(name)
        if name in _KEPT_VARIABLES or name.startswith("LC_"):
            os.environ[name] = value  # a copy of it, in memory of our own
    with suppress(OSError, ValueError, IndexError):  # elsewhere than on Linux
        fields = Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        start, end = int(fields[47]), int(fields[48])  # env_start and env_end of proc(5), counted from `state`
        if 0 < start < end:
            ctypes.memset(start, 0, end - start)


def _die_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)
