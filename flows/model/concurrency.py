"""Number of calls in flight, adapted to the endpoint.

The limit starts at the ceiling, is halved after a window with refused calls, and rises by one after each window of
successes. There are two kinds of trouble. An endpoint that refuses calls (429, 503) with a time to wait, or twice without an
answer in between, pauses all calls. A call that fails (500, a broken connection) waits alone, since its request may be at
fault; the endpoint is at fault only when calls fail one after the other without a success. While an endpoint has never
answered, or is down, one call at a time is sent: the first real request is the probe.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds, doubled with each window of trouble
HEAD_START = 0.25  # seconds of the first request alone: refusals come quickly
_LOOK_AGAIN = 1.0  # seconds after which a waiting call checks again without being woken
DOWN_AFTER = 3  # windows of trouble without a success, after which the endpoint counts as down


@dataclass(frozen=True, slots=True)
class Outage:
    """An endpoint that is down: seconds of the outage, last reason, seconds to the next try."""

    seconds: float
    reason: str
    next_try: float


class Concurrency:
    """Slots of one endpoint, shared by all calls of a process. `on_outage` is called with an outage, and with None at its end."""

    def __init__(
        self,
        ceiling: int,
        first_pause: float = FIRST_PAUSE,
        longest_pause: float = LONGEST_PAUSE,
        on_outage: Callable[[Outage | None], None] = lambda _: None,
    ) -> None:
        self.limit = ceiling
        self.answered = 0  # calls, in total
        self.on_outage = on_outage
        self._ceiling = ceiling
        self._pauses = (first_pause, max(first_pause, longest_pause))
        self._in_flight = 0
        self._successes = 0
        self._waves = 0  # windows of trouble without a success between them
        self._failures = 0  # calls that failed since the last success
        self._resume_at = 0.0
        self._window_ends = 0.0
        self._first_at: float | None = None
        self._failing_since: float | None = None
        self._is_down = False
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold the slot of one call, waiting for a free one and for the end of a pause. First come, first served."""
        async with self._changed:
            while (wait := self._wait()) is not None:
                await self._wait_at_most(wait)
            self._in_flight += 1
            if self._first_at is None:
                self._first_at = time.monotonic()
        try:
            yield
        finally:
            async with self._changed:
                self._in_flight -= 1
                self._changed.notify(max(1, self.limit - self._in_flight))

    def succeeded(self) -> None:
        """Note that a call was answered."""
        self.answered += 1
        self._failing_since = None
        self._waves = self._failures = 0
        self._successes += 1
        if self._successes >= self.limit:
            self._successes = 0
            self.limit = min(self._ceiling, self.limit + 1)
        if self._is_down:
            self._is_down = False
            self.on_outage(None)

    def turned_away(self, retry_after: float | None, reason: str = "") -> float:
        """Note a refusal for want of capacity: all calls pause. Returns seconds of failure at the end of the pause."""
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        backoff = self._backoff(self._waves)
        if now >= self._window_ends:  # refusals of calls in flight together count once
            self._successes = 0
            self.limit = max(1, self.limit // 2)
            self._waves += 1
            least = backoff / 2 if self._waves > DOWN_AFTER else 0.0  # a Retry-After of 0 must not end the backoff
            pause = backoff if retry_after is None else max(retry_after, least)
            self._window_ends = now + pause
            if retry_after is not None or self._waves > 1 or not self.answered:
                self._resume_at = self._window_ends  # otherwise half as many go on, and only refused calls wait
        elif retry_after is not None:
            self._resume_at = max(self._resume_at, now + retry_after)
        failing = self._resume_at - self._failing_since
        if self._waves >= DOWN_AFTER:
            self._is_down = True
            self.on_outage(Outage(failing, reason, max(0.0, self._resume_at - now)))
        return failing

    def failed(self, started: float, reason: str = "") -> float:
        """Note that a call begun at `started` (monotonic) failed. Returns seconds since the last answer to any call."""
        self._failures += 1
        if self._failing_since is None:
            self._failing_since = started
        if self._failures > DOWN_AFTER * max(1, self.limit if self.answered else 1):
            return self.turned_away(None, reason)
        return time.monotonic() - self._failing_since

    def alone(self, failures: int) -> float:
        """Backoff in seconds for one request after `failures` failures."""
        return self._backoff(failures - 1)

    def _backoff(self, times: int) -> float:
        first, longest = self._pauses
        return float(min(longest, first * 2 ** min(times, 16))) * random.uniform(0.75, 1.25)  # noqa: S311 - no secret

    def _wait(self) -> float | None:
        """None when a call may begin now, else seconds to wait at most before the next check."""
        now = time.monotonic()
        if (pause := self._resume_at - now) > 0:
            return pause
        allowed, again = self.limit, _LOOK_AGAIN
        if self._is_down:
            allowed = 1
        elif not self.answered:
            head_start = HEAD_START if self._first_at is None else self._first_at + HEAD_START - now
            if self._failing_since is not None or head_start > 0:
                allowed, again = 1, max(head_start, 0.05)
        return None if self._in_flight < allowed else again

    async def _wait_at_most(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return
