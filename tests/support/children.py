"""Servers of tests: in a thread of the test's own process, or as a child that prints its port and ends when its input closes."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import HTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
ENDS_WITHIN = 5.0  # seconds that a child gets after its standard input was closed


@contextmanager
def child_server(module: str, *options: object) -> Iterator[int]:
    """The port of `python -m module options`, which ends with the block, and with this process."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *map(str, options)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        try:
            process.communicate(timeout=ENDS_WITHIN)  # closes its standard input
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@contextmanager
def thread_server(server: HTTPServer) -> Iterator[int]:
    """The port of a server that answers in threads of this process until the block ends: no interpreter to start."""
    serving = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    serving.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        serving.join()


def print_port(server: HTTPServer) -> None:
    """What a child does that `child_server` starts: say its port, answer until its standard input closes."""
    threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown()), daemon=True).start()
    print(server.server_port, flush=True)
    server.serve_forever(0.05)
