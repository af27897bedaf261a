"""Shards as Prefect tasks: the flow around them, signals and suspension.

`engine` holds what several runs of one process share: the Prefect server (our own child where none is configured), the
split processes and the embedded model. Nothing secret, and no file's name, is a parameter of a flow or a task.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from flows.model.endpoint import Endpoint
from flows.reports.prefect_artifacts import flow_run_id, shown_progress
from flows.runs.executor import Executor, LocalExecutor, Stoppable
from flows.runs.resources import Engine
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
    """
    if not shards:
        asyncio.run(endpoint.close())
        return flow_run_id()
    if engine.server is not None:
        engine.server.start()  # it comes up while Prefect is imported
    from prefect import flow, task
    from prefect.cache_policies import NO_CACHE
    from prefect.context import FlowRunContext
    from prefect.exceptions import Pause, TerminationSignal
    from prefect.settings import PREFECT_API_URL, temporary_settings

    flow_run: UUID | None = None

    @task(name="shard", task_run_name="{name}", cache_policy=NO_CACHE)
    async def shard(name: str, place: int) -> None:
        await shards[place](name)

    @flow(name=command, flow_run_name="{run_id}", validate_parameters=False)
    async def all_shards(run_id: str) -> None:
        nonlocal flow_run
        flow_run = flow_run_id()

        async def one(place: int) -> None:
            try:
                await shard(f"{run_id}-{place:05d}", place)
            except Pause:  # at an end of a task; the other shard is let come to its own
                suspend()

        carriers = crew or LocalExecutor(one, work, endpoint)
        suspend = partial(_stop, work, carriers, engine.settings.grace, _SUSPENDED)
        _stop_on_signals(work, carriers, engine.settings.grace)
        try:
            async with shown_progress(progress), _heeded_suspension(suspend):
                first = 0 if gate is None else gate.after
                await carriers.begin()
                await carriers.carry_out(0, first)
                if gate is not None:
                    gate.judge()
                await carriers.carry_out(first, len(shards))
        finally:
            await endpoint.close()
            await carriers.end()
        if work.stopped is not None:
            raise work.stopped

    if engine.server is not None and engine.prefect_url is None:
        engine.prefect_url = engine.server.url()
    overrides = {PREFECT_API_URL: engine.prefect_url} if engine.prefect_url else {}
    with temporary_settings(overrides):
        try:
            asyncio.run(all_shards(run_id) if FlowRunContext.get() is None else all_shards.fn(run_id))
        except PagemillError as error:
            if error is not work.stopped and str(error) != str(work.stopped):
                raise
        except (KeyboardInterrupt, TerminationSignal):
            work.stopped = RunStoppedError(_TOLD_TO_STOP)
    return flow_run


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
