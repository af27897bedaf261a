"""Executors of shards: the interface, and the one of this process."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from flows.model.endpoint import Endpoint
from schemas.errors import PagemillError

SHARDS_IN_FLIGHT = 2  # of one process, so that the tail of one never leaves the endpoint idle


class Stoppable(Protocol):
    """Work that can end early: `stopped` is what ended it, `is_full` says that no further shard is wanted."""

    stopped: PagemillError | None

    @property
    def is_full(self) -> bool:
        """True when no further shard is to be taken up."""


class Executor(Protocol):
    """Executor of shards. `begin` and `carry_out` are called within the run's flow."""

    async def begin(self) -> None:
        """Be ready for shards."""

    async def carry_out(self, first: int, last: int) -> None:
        """Carry out the shards from index `first` to before `last`, as long as the run goes on."""

    def stop(self, reason: PagemillError, grace: float | None) -> None:
        """Let no further call begin. Calls in flight have `grace` seconds; None: as long as they take."""

    async def end(self) -> None:
        """Release the resources."""


@dataclass(frozen=True, slots=True)
class LocalExecutor:
    """Executor in this process. `shard` carries out the shard of an index."""

    shard: Callable[[int], Awaitable[None]]
    work: Stoppable
    endpoint: Endpoint

    async def begin(self) -> None:
        """Nothing is to be made ready."""

    async def carry_out(self, first: int, last: int) -> None:
        """A few at a time."""
        few = asyncio.Semaphore(SHARDS_IN_FLIGHT)

        async def one(index: int) -> None:
            async with few:
                if self.work.stopped is None and not self.work.is_full:
                    await self.shard(index)

        await asyncio.gather(*(one(index) for index in range(first, last)))

    def stop(self, reason: PagemillError, grace: float | None) -> None:
        """The endpoint is this process's own."""
        self.endpoint.stop(reason)
        if grace is not None:
            asyncio.get_running_loop().call_later(grace, self.endpoint.interrupt.cut, reason)

    async def end(self) -> None:
        """Nothing was taken."""
