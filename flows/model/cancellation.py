"""Cancellation of work: calls and splits go on for a limited time after a run is stopped."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from schemas.errors import PagemillError

_Result = TypeVar("_Result")


class Cancellation:
    """Guard of coroutines on one event loop. After `cut` the guarded coroutines end with its reason."""

    def __init__(self) -> None:
        self._reason: PagemillError | None = None
        self._guarded: set[asyncio.Task[Any]] = set()

    @property
    def reason(self) -> PagemillError | None:
        """Reason of the cancellation; None before it."""
        return self._reason

    def cut(self, reason: PagemillError) -> None:
        """End the guarded coroutines, now and from now on."""
        self._reason = reason
        for task in self._guarded:
            task.cancel()

    def release(self) -> None:
        """Exempt the calling coroutine from cancellation: its answer is paid for."""
        current = asyncio.current_task()
        if current is not None:
            self._guarded.discard(current)

    async def guard(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """The result of `work`. Raises the reason of `cut` if that is called first."""
        if (reason := self.reason) is not None:
            work.close()
            raise reason
        task = asyncio.create_task(work)
        self._guarded.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            if (reason := self.reason) is not None and task.cancelled():
                raise reason from None
            raise
        finally:
            self._guarded.discard(task)
