"""Commands that are killed."""

import subprocess
from typing import Any

import psutil

from tests.support.commands import Begun


def kill(process: subprocess.Popen[Any] | Begun) -> bool:
    """Kill a command where it stands, and see that all its children end with it. False when it had ended before."""
    was_running = process.poll() is None
    children = psutil.Process(process.pid).children(recursive=True) if was_running else []
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(children, timeout=60)
    assert alive == []
    return was_running
