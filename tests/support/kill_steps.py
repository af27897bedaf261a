"""One kill harness for commands of storage: a forked child kills itself at its n-th write, another looks at what is left.

The child is forked off a parent that has the imports behind it, or a hundred kills would be a hundred imports of pyarrow.
"""

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.flows.storage.places import Place
from tests.support.children import ROOT
from tests.support.folder_client import FolderClient

Attempt = Callable[[Place, int], str]
SAMPLE = 5  # one in so many steps is killed
_ON_DISK = ("fsync", "replace", "rename", "unlink", "rmdir", "mkdir", "write")
_ON_OBJECTS = ("put", "put_file", "copy", "delete")  # a kill before a read is one after the write before it


def steps_to_kill(steps: int) -> range:
    """Which of `steps` a test kills: always the same fifth, evenly; each with PAGEMILL_TEST_STEPS=all, as `make test-all` has it."""
    return range(1, steps + 1, 1 if os.environ.get("PAGEMILL_TEST_STEPS") == "all" else SAMPLE)


@contextmanager
def killing_steps(file: str, unwanted: tuple[str, ...] = ("prefect", "pymupdf", "openai")) -> Iterator[Attempt]:
    """Runs `child_steps` of the test module `file` in a process that kills itself at a step (0: never).

    What is returned says `killed`, or how many steps it took. `unwanted` are modules that the command must not import.
    """
    module = ".".join(Path(file).relative_to(ROOT).with_suffix("").parts)
    command = [sys.executable, "-m", "tests.support.kill_steps", module, *unwanted]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        stdin, stdout = parent.stdin, parent.stdout

        def attempt(place: Place, kill_at: int) -> str:
            attempts = attempts_of(place)
            attempts.mkdir(parents=True, exist_ok=True)
            stdin.write(f"{place.kind} {place.root} {kill_at}\n")
            stdin.flush()
            said = stdout.readline().strip()
            (attempts / str(kill_at)).touch()
            assert said == "killed" or said.isdigit(), said
            return said

        yield attempt
        stdin.close()
        parent.wait(timeout=60)


def attempts_of(place: Place) -> Path:
    """A folder beside the dataset with a file for each attempt at it: a command may number its run by them."""
    return place.root.with_name(f"{place.root.name}-attempts")


def _steps_until(module: ModuleType, place: Place, kill_at: int) -> int:
    """How many steps `child_steps` takes, where it is not killed before."""
    calls = 0

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)

        return call

    owner, names = (os, _ON_DISK) if place.kind == "disk" else (FolderClient, _ON_OBJECTS)
    for name in names:
        setattr(owner, name, counted(getattr(owner, name)))
    module.child_steps(place)
    return calls


def _serve(name: str, *unwanted: str) -> None:
    module = importlib.import_module(name)
    assert not {*unwanted} & set(sys.modules)
    for line in sys.stdin:
        kind, rest = line.rstrip("\n").split(" ", 1)
        root, kill_at = rest.rsplit(" ", 1)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            write = os.write
            try:
                write(writing, str(_steps_until(module, Place(kind, Path(root)), int(kill_at))).encode())
            except BaseException as error:
                write(writing, repr(error).encode())
            os._exit(0)
        os.close(writing)
        _, status = os.waitpid(child, 0)
        said = os.read(reading, 10_000).decode()
        os.close(reading)
        print("killed" if os.WIFSIGNALED(status) else said, flush=True)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
