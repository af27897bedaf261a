"""Commands of Pagemill, each a process of its own that has its imports behind it: forked off one that did them once.

Of the 4 s of CPU that a short run takes, 3 are imports. `tests.conftest.start` starts a command as a shell does.
"""

import atexit
import functools
import gc
import importlib
import itertools
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from tests.support.children import ROOT
from tests.support.quick import quick

MOST_SECONDS = 240
IMPORTED = (  # by name, since nothing here uses them; not DuckDB, which complains of what is frozen when a child ends
    *(
        "prefect",
        "flows.cli",
        "flows.runs.run",
        "flows.runs.refresh",
        "flows.runs.replay",
        "flows.runs.prefect_flow",
        "flows.preview.trial",
        "flows.preview.estimate",
    ),
    *(
        "flows.reports.status",
        "flows.reports.last_run",
        "flows.runs.forget",
        "flows.runs.retry",
        "flows.review.correct",
        "flows.review.why",
    ),
    *(
        "flows.evaluation.evaluate",
        "flows.evaluation.report",
        "flows.evaluation.calibration",
        "flows.evaluation.baseline",
        "flows.evaluation.fine_tuning",
        "flows.reports.csv_xlsx",
    ),
    *(
        "flows.review.export",
        "flows.review.server",
        "flows.runs.recipe_differences",
        "flows.runs.migrate",
        "flows.offline.server",
        "pandas",
    ),
)


class Begun:
    """A command that was begun, with what tests use of `subprocess.Popen`."""

    def __init__(self, commands: "Commands", pid: int, told: Path) -> None:
        self._commands, self.pid, self._told = commands, pid, told

    @property
    def returncode(self) -> int | None:
        return self._commands.codes.get(self.pid)

    @property
    def said(self) -> str:
        """What it has said so far on standard output."""
        path = self._told.with_suffix(".out")
        return path.read_text() if path.exists() else ""

    def poll(self) -> int | None:
        """Its exit code, where it has ended."""
        return self._commands.code_of(self.pid, 0.0)

    def wait(self, timeout: float = MOST_SECONDS) -> int:
        """Its exit code, once it has ended."""
        code = self._commands.code_of(self.pid, timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"command {self.pid}", timeout)
        return code

    def communicate(self, timeout: float = MOST_SECONDS) -> tuple[str, str]:
        """What it has said, once it has ended: standard output and error."""
        self.wait(timeout)
        out, err = (self._told.with_suffix(suffix).read_text() for suffix in (".out", ".err"))
        return out, err

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


class Commands:
    """The process that commands are forked off; it ends with the one that made it."""

    def __init__(self, root: Path) -> None:
        self.codes: dict[int, int] = {}
        self._mutex = threading.Lock()
        self._read = b""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.commands"],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def start(
        self,
        arguments: Sequence[object],
        cwd: Path,
        environment: Mapping[str, str],
        told: Path,
        *,
        is_quick: bool = True,
        is_group: bool = False,
        terminal: str | None = None,
    ) -> Begun:
        """Begin a command, its output to the files `told`.out and `told`.err; `is_quick` without Prefect.

        `is_group`: it leads a process group of its own, as one that an init system starts. `terminal` is the device that it
        asks its questions at.
        """
        task = {
            "arguments": list(map(str, arguments)), "cwd": str(cwd), "environment": dict(environment), "told": str(told),
            "is_quick": is_quick, "is_group": is_group, "terminal": terminal,
        }  # fmt: skip
        assert self._process.stdin is not None
        with self._mutex:
            self._process.stdin.write(json.dumps(task).encode() + b"\n")
            self._process.stdin.flush()
            while (begun := self._next(MOST_SECONDS)) is None or begun[0] != "begun":
                assert begun is not None, "no command could be begun"
        return Begun(self, begun[1], told)

    def code_of(self, pid: int, timeout: float) -> int | None:
        """The exit code of a command, where it ends within so many seconds."""
        end = time.monotonic() + timeout
        with self._mutex:
            while pid not in self.codes:
                if self._next(max(0.0, end - time.monotonic())) is None:
                    return None
        return self.codes[pid]

    def _next(self, timeout: float) -> tuple[str, int] | None:
        """The next word of the process: which command has begun, or (noted) ended; None after so many seconds."""
        assert self._process.stdout is not None
        handle = self._process.stdout.fileno()
        while b"\n" not in self._read:
            if not select.select([handle], [], [], timeout)[0]:
                return None
            more = os.read(handle, 65_536)
            assert more, "the process that commands are forked off has ended"
            self._read += more
        line, _, self._read = self._read.partition(b"\n")
        word, pid, code = line.decode().split()
        if word == "ended":
            self.codes[int(pid)] = int(code)
        return word, int(pid)

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


@functools.cache
def _commands() -> tuple[Commands, Path]:
    """Where the commands of this test process come from, and the folder of what they say."""
    made, folder = Commands(ROOT), Path(tempfile.mkdtemp(prefix="pagemill-commands-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(made.stop)
    return made, folder


_NUMBERS = itertools.count()


def begin_command(
    *arguments: object,
    cwd: Path = ROOT,
    is_quick: bool = True,
    is_group: bool = False,
    terminal: str | None = None,
    **environment: str,
) -> Begun:
    """Begin a command of Pagemill: see `Commands.start`."""
    made, folder = _commands()
    named = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    told = folder / f"{os.getpid()}-{next(_NUMBERS)}"
    return made.start(arguments, cwd, named, told, is_quick=is_quick, is_group=is_group, terminal=terminal)


def _become(task: dict[str, Any]) -> int:
    """Be the command, in the child; its exit code."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if task["is_group"]:
        os.setpgid(0, 0)
    signal.alarm(MOST_SECONDS)
    os.environ.clear()
    os.environ.update(task["environment"])
    os.chdir(task["cwd"])
    sys.argv = ["pagemill", *task["arguments"]]
    sys.path[0] = task["cwd"]
    asks, complains = task.get("terminal") or os.devnull, task.get("terminal") or task["told"] + ".err"
    for place, name in ((0, asks), (1, task["told"] + ".out"), (2, complains)):
        file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOCTTY, 0o600)
        os.dup2(file, place)
        os.close(file)
    from prefect.context import refresh_global_settings_context

    from flows.cli import main

    refresh_global_settings_context()  # Prefect reads the environment when it is imported
    with quick() if task["is_quick"] else nullcontext():
        return main()


def _serve() -> None:
    for name in IMPORTED:
        importlib.import_module(name)
    from extractors.tokens import count_text

    count_text("the vocabulary is loaded by the first count")
    gc.freeze()  # a child that ends looks at its own objects only
    heard, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    asked, children = b"", set[int]()
    while True:
        ready = select.select([0, heard], [], [])[0]
        if heard in ready:
            os.read(heard, 4096)
        for child in tuple(children):
            if (ended := os.waitpid(child, os.WNOHANG))[0]:
                children.remove(child)
                print("ended", child, os.waitstatus_to_exitcode(ended[1]), flush=True)
        if 0 not in ready:
            continue
        more = os.read(0, 1 << 20)
        if not more:
            return
        *tasks, asked = (asked + more).split(b"\n")
        for task in tasks:
            if (child := os.fork()) == 0:
                os.close(heard)
                os.close(wake)
                sys.exit(_become(json.loads(task)))
            children.add(child)
            print("begun", child, 0, flush=True)


if __name__ == "__main__":
    _serve()
