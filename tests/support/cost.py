"""The cost of a call in figures that a busy machine hardly changes."""

import cProfile
import pstats
import time
from collections.abc import Callable
from typing import Any


def cpu_seconds(call: Callable[[], Any]) -> float:
    """The least CPU seconds of three calls in this process. Compare them with those of another call."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        call()
        best = min(best, time.process_time() - began)
    return best


def function_calls(call: Callable[[], Any]) -> int:
    """How many functions a call calls: the same each time."""
    with cProfile.Profile() as profile:
        call()
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined] # typeshed does not know it
