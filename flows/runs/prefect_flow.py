"""Shards as Prefect tasks: the flow around them, signals and suspension.

Nothing secret, and no file's name, is a parameter of a flow or a task.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flows.log import flow_run_id
from flows.model.endpoint import Endpoint
from flows.model.outage_notice import OutageNotice
from flows.reports.prefect_artifacts import shown_progress
from flows.runs.executor import Executor, LocalExecutor, Stoppable
from flows.runs.recording import Recording
from flows.runs.resources import Engine
from flows.storage.run_ids import shard_name
from flows.ui.progress import RunProgress
from schemas.errors import PagemillError, RunStoppedError

_TOLD_TO_STOP = "stopped; what was answered is kept, run the same command again to go on"
_SUSPENDED = "suspended; what was answered is kept, resume the run or let the next one go on"


@dataclass(frozen=True, slots=True)
class Gate:
    """After the first so many shards, and before any other: `judge` may stop the work."""

    after: int
    judge: Callable[[], None]


def through_prefect(  # noqa: PLR0913 - what its three callers differ in
    engine: Engine,
    run_id: str,
    shards: Sequence[Callable[[str], Awaitable[None]]],
    work: Stoppable,
    endpoint: Endpoint,
    *,
    gate: Gate | None = None,
    crew: Executor | None = None,
    command: str = "extract",
    progress: Callable[[], RunProgress] | None = None,
) -> UUID | None:
    """Run `shards` as tasks of the flow `command`; each is called with its task's name, or `crew` carries them out.

    Returns the flow run's id.

    Prefect knows of shards and not of documents. Where Prefect itself fails, its error is raised. Without a shard there is no
    flow: a night that finds nothing new starts no server for it. Within a schedule's flow the shards are that flow's tasks.
    Elsewhere they begin while Prefect is imported and its server comes up, which takes seconds, and are recorded beside that.
    """
    if not shards:
        asyncio.run(endpoint.close())
        return flow_run_id()
    run = _Run(engine, run_id, shards, work, endpoint, gate, command, progress)
    if crew is None and engine.settings.global_limit is None and not _is_in_flow():
        asyncio.run(run.beside())
    else:  # a global limit is asked for with each request, and a cluster is the flow's own
        run.within(crew)
    return run.flow_run


@dataclass(slots=True)
class _Run:
    """The shards of one run, with the facts that Prefect shows of it."""

    engine: Engine
    run_id: str
    shards: Sequence[Callable[[str], Awaitable[None]]]
    work: Stoppable
    endpoint: Endpoint
    gate: Gate | None
    command: str
    progress: Callable[[], RunProgress] | None
    crew: Executor | None = None
    flow_run: UUID | None = None

    async def beside(self) -> None:
        """Carry the shards out here, and let Prefect record them in a thread as soon as it can."""

        async def one(index: int) -> None:
            await recording.shard(index, self.shards[index](self._name(index)))

        self.crew = LocalExecutor(one, self.work, self.endpoint)
        recording = Recording(self._record, self._stop_for)
        is_lost = True
        try:
            await self._carry_out(self.crew)
            is_lost = False
        finally:
            failure = await recording.end(is_lost=is_lost)
        if failure is not None and not isinstance(failure, PagemillError):
            raise failure

    def within(self, crew: Executor | None) -> None:
        """Carry the shards out in the flow, each within its task."""
        self.engine.ready()
        from prefect.exceptions import Pause, TerminationSignal

        shard = self._task(lambda index: self.shards[index](self._name(index)))

        async def one(index: int) -> None:
            try:
                await shard(self._name(index), index)
            except Pause:  # at an end of a task; the other shard is let come to its own
                self._suspend()

        async def all_shards(run_id: str) -> None:  # noqa: ARG001 - the flow run is named by it
            self.flow_run = flow_run_id()
            self.crew = crew or LocalExecutor(one, self.work, self.endpoint)
            async with self._shown(self._suspend):
                await self._carry_out(self.crew)
            if self.work.stopped is not None:
                raise self.work.stopped

        with self.engine.reached():
            try:
                asyncio.run((all_shards if _is_in_flow() else self._flow(all_shards))(self.run_id))
            except PagemillError as error:
                if not self._is_told(error):
                    raise
            except (KeyboardInterrupt, TerminationSignal):
                self.work.stopped = RunStoppedError(_TOLD_TO_STOP)

    def _record(self, recording: Recording) -> None:
        """The flow beside the work, in a thread of its own: its tasks end as the shards do."""
        self.engine.ready()
        from prefect.exceptions import Pause

        doing: dict[int, Future[None]] = {}
        shard = self._task(lambda index: asyncio.wrap_future(doing[index]))

        async def one(index: int, done: Future[None]) -> None:
            doing[index] = done
            try:
                await shard(self._name(index), index)
            except Pause:
                recording.call(self._suspend)

        async def all_shards(run_id: str) -> None:  # noqa: ARG001 - the flow run is named by it
            self.flow_run = flow_run_id()
            async with self._shown(lambda: recording.call(self._suspend)):
                await recording.each_shard(one)
            if self.work.stopped is not None:
                raise self.work.stopped

        with self.engine.reached():
            asyncio.run(self._flow(all_shards)(self.run_id))

    async def _carry_out(self, crew: Executor) -> None:
        _stop_on_signals(self.work, crew, self.engine.settings.grace)
        try:
            first = 0 if self.gate is None else self.gate.after
            await crew.begin()
            await crew.carry_out(0, first)
            if self.gate is not None:
                self.gate.judge()
            await crew.carry_out(first, len(self.shards))
        finally:
            await self.endpoint.close()
            await crew.end()

    def _task(self, work: Callable[[int], Awaitable[None]]) -> Callable[[str, int], Awaitable[None]]:
        from prefect import task
        from prefect.cache_policies import NO_CACHE

        async def shard(name: str, index: int) -> None:  # noqa: ARG001 - the task run is named by it
            await work(index)

        return task(name="shard", task_run_name="{name}", cache_policy=NO_CACHE)(shard)

    def _flow(self, body: Callable[[str], Coroutine[Any, Any, None]]) -> Callable[[str], Coroutine[Any, Any, None]]:
        from prefect import flow

        return flow(name=self.command, flow_run_name="{run_id}", validate_parameters=False)(body)

    @asynccontextmanager
    async def _shown(self, suspend: Callable[[], None]) -> AsyncIterator[None]:
        """Within the flow: show how far it is and when the endpoint is down, and heed a suspension."""
        if isinstance(notice := self.endpoint.pressure.on_outage, OutageNotice):
            notice.enter_flow()
        async with shown_progress(self.progress), _heeded_suspension(suspend):
            yield

    def _suspend(self) -> None:
        assert self.crew is not None
        _stop(self.work, self.crew, self.engine.settings.grace, _SUSPENDED)

    def _stop_for(self, failure: BaseException) -> None:
        """Prefect has failed beside the work: calls in flight are answered and published, no more are begun."""
        if self._is_told(failure):
            return
        assert self.crew is not None
        reason = failure if isinstance(failure, PagemillError) else RunStoppedError(f"Prefect failed: {failure}")
        self.work.stopped = self.work.stopped or reason
        self.crew.stop(reason, None)

    def _is_told(self, error: BaseException) -> bool:
        """True when the work has ended for this very reason."""
        return error is self.work.stopped or (isinstance(error, PagemillError) and str(error) == str(self.work.stopped))

    def _name(self, index: int) -> str:
        return shard_name(self.run_id, index)


def _is_in_flow() -> bool:
    """True within the flow of a schedule. Prefect is not imported to find out."""
    if "prefect.context" not in sys.modules:
        return False
    from prefect.context import FlowRunContext

    return FlowRunContext.get() is not None


@asynccontextmanager
async def _heeded_suspension(stop: Callable[[], None]) -> AsyncIterator[None]:
    """Call `stop` once somebody suspends the flow run; Prefect itself says so only where a task begins or ends."""
    from prefect.context import FlowRunContext

    async def watch() -> None:
        context = FlowRunContext.get()
        if context is None:
            return
        while not context.flow_run_suspension_request.is_requested():  # noqa: ASYNC110 - a thread of Prefect's sets it
            await asyncio.sleep(0.5)
        stop()

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()


def _stop(work: Stoppable, crew: Executor, grace: float | None, why: str) -> None:
    """Ask for nothing more. Calls in flight finish, within `grace` seconds where it is given; what is done is published."""
    reason = RunStoppedError(why)
    work.stopped = work.stopped or reason
    crew.stop(reason, grace)


def _stop_on_signals(work: Stoppable, crew: Executor, grace: float) -> None:
    """The first signal lets calls in flight finish and publishes what is done; a second one ends the run at once.

    After SIGTERM they have `grace` seconds: who sends it (a cancellation through Prefect, a machine that goes down) kills soon.
    """
    loop = asyncio.get_running_loop()

    def stop(number: signal.Signals) -> None:
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)
        _stop(work, crew, grace if number == signal.SIGTERM else None, _TOLD_TO_STOP)

    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(ValueError, NotImplementedError):  # not in the main thread: whoever runs us there stops us
            loop.add_signal_handler(number, stop, number)
