"""Shards that are at work are recorded by Prefect, whose server may still be coming up: the flow runs beside them, in a thread.

The work is in the loop of the main thread, where signals arrive; the flow has a loop of its own. A shard's task waits for the
shard, and takes over its end. What began before the flow did is recorded when the flow begins.
"""

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any

_LOST = 10.0  # seconds that the flow has to end after work that ended with an error of its own


class Recording:
    """The thread in which the flow runs.

    `flow` makes Prefect ready and runs it there; what goes wrong in it is told to `on_failure`, in the loop of the work.
    """

    def __init__(self, flow: Callable[["Recording"], None], on_failure: Callable[[BaseException], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._begun: queue.SimpleQueue[tuple[int, Future[None]] | None] = queue.SimpleQueue()
        self._ended: asyncio.Future[BaseException | None] = self._loop.create_future()
        self._flow = flow
        self._on_failure = on_failure
        threading.Thread(target=self._run, name="prefect", daemon=True).start()

    async def shard(self, index: int, work: Awaitable[None]) -> None:
        """Do the work of a shard, and let it be recorded."""
        done: Future[None] = Future()
        self._begun.put((index, done))
        try:
            await work
        except BaseException as error:
            done.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
            raise
        done.set_result(None)

    async def end(self, *, is_lost: bool = False) -> BaseException | None:
        """Wait until all shards are recorded; Prefect's error, if any. Lost work (`is_lost`) waits ten seconds at most."""
        self._begun.put(None)
        if is_lost:
            await asyncio.wait({self._ended}, timeout=_LOST)
            return None
        return await self._ended

    async def each_shard(self, record: Callable[[int, Future[None]], Awaitable[None]]) -> None:
        """Within the flow: record each shard, from when it begins, side by side; returns when there will be none more."""
        recorded: set[asyncio.Task[Any]] = set()
        while (begun := await asyncio.to_thread(self._begun.get)) is not None:
            recorded.add(asyncio.ensure_future(record(*begun)))
            recorded -= {entry for entry in recorded if entry.done() and entry.exception() is None}
        await asyncio.gather(*recorded)

    def call(self, function: Callable[[], None]) -> None:
        """Within the flow: call something where the work is."""
        self._loop.call_soon_threadsafe(function)

    def _run(self) -> None:
        failure: BaseException | None = None
        try:
            self._flow(self)
        except BaseException as error:  # noqa: BLE001 - it is told to the thread of the work, whatever it is
            failure = error
        try:
            self._loop.call_soon_threadsafe(self._finish, failure)
        except RuntimeError:
            return  # the work was lost, and its loop is closed

    def _finish(self, failure: BaseException | None) -> None:
        if failure is not None:
            self._on_failure(failure)
        if not self._ended.done():
            self._ended.set_result(failure)
