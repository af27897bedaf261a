"""Coroutines in a time of their own: where all of them wait, the clock goes on to the next moment that one waits for.

So a wait takes no seconds, and a busy machine changes nothing. Only for what waits on its event loop: no threads, no sockets.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar
from unittest import mock

Result = TypeVar("Result")


class _Loop(asyncio.SelectorEventLoop):
    now = 1_000.0  # seconds

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        waiting = [each.when() for each in self._scheduled if not each.cancelled()]
        if not self._ready and waiting:
            self.now = max(self.now, min(waiting))
        super()._run_once()  # type: ignore[misc] # asyncio's own step


def in_virtual_time(story: Coroutine[Any, Any, Result]) -> Result:
    """The result of `story`, for which `time.monotonic` is the loop's clock, too."""
    loop = _Loop()
    with mock.patch("time.monotonic", loop.time), asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(story)
