"""How many calls may be in flight.

The ceiling at first, half of it after a window with refusals, one more after each window of successes. A refusal pauses
everybody, so that an endpoint in trouble hears from us once and not from all.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds, doubled from window to window of refusals


class Pressure:
    """The slots of one endpoint, shared by all calls of a process."""

    def __init__(self, ceiling: int, first_pause: float = FIRST_PAUSE, longest_pause: float = LONGEST_PAUSE) -> None:
        self.limit = ceiling
        self.answered = 0  # calls, ever
        self._ceiling = ceiling
        self._pauses = (first_pause, longest_pause)
        self._in_flight = 0
        self._successes = 0
        self._waves = 0  # windows of refusals without a success between them
        self._resume_at = 0.0
        self._window_ends = 0.0
        self._failing_since: float | None = None
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """One call's place: waits until there is one and until a pause has passed."""
        async with self._changed:
            while self._in_flight >= self.limit or (pause := self._resume_at - time.monotonic()) > 0:
                if self._in_flight >= self.limit:
                    await self._changed.wait()
                else:
                    await self._wait_at_most(pause)
            self._in_flight += 1
        try:
            yield
        finally:
            async with self._changed:
                self._in_flight -= 1
                self._changed.notify_all()

    def succeeded(self) -> None:
        """A call was answered."""
        self.answered += 1
        self._failing_since = None
        self._waves = 0
        self._successes += 1
        if self._successes >= self.limit:
            self._successes = 0
            self.limit = min(self._ceiling, self.limit + 1)

    def refused(self, retry_after: float | None) -> float:
        """A call was turned away or failed; returns how long the endpoint will have failed when the pause is over."""
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        if now >= self._window_ends:  # the calls that were in flight together count as one
            self._successes = 0
            self.limit = max(1, self.limit // 2)
            first, longest = self._pauses
            backoff = min(longest, first * 2 ** min(self._waves, 16)) * random.uniform(0.75, 1.25)  # noqa: S311 - no secret
            self._waves += 1
            self._window_ends = self._resume_at = now + (backoff if retry_after is None else retry_after)
        elif retry_after is not None:
            self._resume_at = max(self._resume_at, now + retry_after)
        return self._resume_at - self._failing_since

    async def _wait_at_most(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return
