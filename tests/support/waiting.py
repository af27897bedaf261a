"""Waiting for an event, for as long as a busy machine may need: no test waits for seconds to pass."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")
GENEROUS = 180.0  # seconds


def wait_until(look: Callable[[], Found], seconds: float = GENEROUS, every: float = 0.02) -> Found:
    """What `look` finds, once it is true."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"{look} found nothing in {seconds:g} s"
        time.sleep(every)
    return found
