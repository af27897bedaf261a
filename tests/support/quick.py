"""The real run without Prefect: its flow, its tasks and its server cost a run 1.2 s of CPU, and a test process 6 s.

`THROUGH` are the modules that call `flows.runs.prefect_flow.through_prefect` by name. Tests of Prefect are marked `through_prefect`;
`pytest --everything` takes all runs through it.
"""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from schemas.errors import RunStoppedError

THROUGH = ("flows.runs.run.through_prefect", "flows.runs.refresh.through_prefect")


def without_prefect(
    engine: Any,
    run_id: str,
    shards: Any,
    work: Any,
    endpoint: Any,
    *,
    gate: Any = None,
    crew: Any = None,
    **_: object,
) -> None:
    """In the place of `flows.runs.prefect_flow.through_prefect`: the same order of things, and the same signals, without a flow."""
    from flows.runs.executor import LocalExecutor
    from flows.runs.prefect_flow import _TOLD_TO_STOP, _stop_on_signals

    async def close() -> None:
        if hasattr(endpoint, "close"):
            await endpoint.close()

    async def one(place: int) -> None:
        await shards[place](f"{run_id}-{place:05d}")

    async def all_shards() -> None:
        carriers = crew or LocalExecutor(one, work, endpoint)
        _stop_on_signals(work, carriers, engine.settings.grace)
        try:
            first = 0 if gate is None else gate.after
            await carriers.begin()
            await carriers.carry_out(0, first)
            if gate is not None:
                gate.judge()
            await carriers.carry_out(first, len(shards))
        finally:
            await close()
            await carriers.end()

    try:
        asyncio.run(all_shards() if shards else close())
    except KeyboardInterrupt:
        work.stopped = RunStoppedError(_TOLD_TO_STOP)


@contextmanager
def quick(runner: Any = without_prefect) -> Iterator[None]:
    """Runs of this process go through `runner` instead of Prefect until the block ends."""
    with ExitStack() as patches:
        for place in THROUGH:
            patches.enter_context(mock.patch(place, runner))
        yield
