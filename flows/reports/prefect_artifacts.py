"""Artifacts on the page of a flow run in Prefect: its progress, and tables of its results at the end.

They name no documents. Artifacts never fail or delay a run: one update is in flight at a time, for PATIENCE seconds at most,
and a failed update is dropped.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from typing import TYPE_CHECKING
from uuid import UUID

from flows.reports.quality import breaks_of
from flows.reports.run_facts import Reason, Row, reasons_of, run_row
from flows.storage.dataset import Dataset
from flows.ui.progress import RunProgress
from schemas.tables import PARTS

if TYPE_CHECKING:  # Prefect takes seconds to import
    from prefect.client.orchestration import PrefectClient

EVERY = 5.0  # seconds between two updates
PATIENCE = 5.0  # seconds of one update at most
LAST = 2.0  # seconds that the end of a run waits for the last update
_MARKS = "\\`*_{}[]()#+-!|~"


@asynccontextmanager
async def shown_progress(progress: Callable[[], RunProgress] | None) -> AsyncIterator[None]:
    """Show the progress of the present flow run until the block ends; a no-op without a flow run or `progress`."""
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    if context is None or context.flow_run is None or progress is None:
        yield
        return
    ended = asyncio.Event()
    key = f"pagemill-{context.flow.name if context.flow is not None else 'run'}-progress"
    showing = asyncio.create_task(_show(key, context.flow_run.id, progress, ended))
    try:
        yield
    finally:
        ended.set()
        await asyncio.wait({showing}, timeout=LAST)
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)  # the client may not have opened


def tell_report(
    dataset: Dataset, run_id: str, flow_run: UUID | None, reached: Callable[[], AbstractContextManager[None]]
) -> None:
    """Put the tables of a finished run on the page of its flow run; a no-op without a flow run.

    Within `reached()`, Prefect's settings name its server.
    """
    if flow_run is None:
        return
    with suppress(Exception):  # an unreachable server and unreadable tables are reported elsewhere
        run = run_row(dataset, run_id)
        assert run is not None
        drift = [drift_break.text for drift_break in breaks_of(dataset, run_id)]
        key = f"pagemill-{run['command'] or 'run'}-report"
        report = markdown(run, reasons_of(dataset, run_id), drift)
        with reached():
            asyncio.run(asyncio.wait_for(_create(key, report, flow_run), PATIENCE))


def markdown(run: Row, reasons: Sequence[Reason], drift: Sequence[str]) -> str:
    """The tables of a run: its accounting, failures by reason, cost, and drift."""
    estimated = run["cost_usd_estimated"]
    lines = [
        f"## Run {_escaped(run['run_id'])}",
        *_table(
            ("addresses", "count"), [(name.replace("_", " "), f"{run[name]:,}") for name in ("discovered", *PARTS)]
        ),
        *_table(
            ("cost", "USD"),
            [
                ("paid", "unknown" if run["cost_usd"] is None else f"{run['cost_usd']:.4f}"),
                *([("estimated", f"{estimated:.4f}")] if estimated else []),
            ],
        ),
    ]
    if reasons:
        rows = [(reason.stage, reason.error, f"{reason.count:,}") for reason in reasons]
        lines += ["### Failures by reason", *_table(("step", "error", "documents"), rows)]
    if drift:
        lines += ["### Worse than in the nights before", *(f"- {_escaped(line)}" for line in drift)]
    return "\n".join(lines)


async def _show(key: str, flow_run: UUID, progress: Callable[[], RunProgress], ended: asyncio.Event) -> None:
    from prefect.client.orchestration import get_client

    artifact_id: UUID | None = None
    shown: RunProgress | None = None
    async with get_client() as client:  # one for all updates: a new client takes more CPU than an update
        while True:
            is_last = ended.is_set()
            with suppress(Exception):  # another try follows
                now = progress()
                if now != shown:
                    async with asyncio.timeout(PATIENCE):
                        artifact_id = await _put(artifact_id, key, now, client, flow_run)
                    shown = now
            if is_last:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY):
                    await ended.wait()


async def _put(artifact_id: UUID | None, key: str, now: RunProgress, client: "PrefectClient", flow_run: UUID) -> UUID:
    from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate

    if artifact_id is None:
        made = ArtifactCreate(key=key, type="progress", data=now.percent, description=now.text, flow_run_id=flow_run)
        return (await client.create_artifact(made)).id
    await client.update_artifact(artifact_id, ArtifactUpdate(data=now.percent, description=now.text))
    return artifact_id


async def _create(key: str, text: str, flow_run: UUID) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import ArtifactCreate

    async with get_client() as client:
        await client.create_artifact(ArtifactCreate(key=key, type="markdown", data=text, flow_run_id=flow_run))


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [headings, ["---"] * len(headings), *([_escaped(cell) for cell in row] for row in rows)]
    return ["", *(f"| {' | '.join(line)} |" for line in lines), ""]


def _escaped(text: str) -> str:
    """Text escaped for Markdown, so that it is neither markup nor HTML."""
    marked = "".join(f"\\{mark}" if mark in _MARKS else mark for mark in text)
    return marked.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
