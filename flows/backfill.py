"""The flow `backfill`: an archive, or a range of it, once; its first documents alone. Prefect imports this module by its name."""

import datetime
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from flows.runs.canary import DOCUMENTS, FAILED, PARTIAL, Canary
from flows.runs.scheduled import Task, run_name, run_scheduled
from flows.sources.selection import SelectionOrder


@flow(name="backfill", flow_run_name=run_name)
def backfill(  # noqa: PLR0913, PLR0917 - the form on Prefect's page has a line for each, with its text from below
    sources: Annotated[list[str], Field(min_length=1)],
    document_type: str,
    out: str,
    since: datetime.date | None = None,
    before: datetime.date | None = None,
    part: Annotated[str | None, Field(pattern=r"^[1-9]\d*/[1-9]\d*$")] = None,
    canary: Annotated[int, Field(ge=0)] = DOCUMENTS,
    canary_failed: Annotated[float, Field(ge=0, le=1)] = FAILED,
    canary_partial: Annotated[float, Field(ge=0, le=1)] = PARTIAL,
    canary_cost_per_page: Annotated[float | None, Field(ge=0)] = None,
    order: SelectionOrder = "listed",
    until: Annotated[str | None, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = None,
    budget_usd: Annotated[float | None, Field(ge=0)] = None,
    limit: Annotated[int | None, Field(ge=1)] = None,
    model: str | None = None,
) -> State[Any]:
    """Extract an archive, after a canary of its first documents.

    Args:
        sources: Files, folders, globs, @lists or s3:// URLs
        document_type: Built-in name, file.py:Class or schema.json
        out: The dataset: a folder or an s3:// URL
        since: Only what was changed on this day (UTC) or later
        before: Only what was changed before this day (UTC)
        part: Only this part of the addresses, such as 2/4, so that several workers share the work
        canary: So many documents go first; 0: none
        canary_failed: Share of them that may fail, of 1
        canary_partial: Share of them that may be partial, of 1
        canary_cost_per_page: Most that a page of them may cost, in USD
        order: What is extracted first
        until: Begin nothing after this time of the worker's day, such as 07:00
        budget_usd: Most that it may cost, in USD
        limit: Most documents of one run
        model: Model, where it is another than PAGEMILL_MODEL says
    """
    first = Canary(canary, canary_failed, canary_partial, canary_cost_per_page) if canary else None
    return run_scheduled(
        Task(
            "backfill", sources, document_type, out, order=order, until=until, budget_usd=budget_usd, limit=limit, model=model,
            since=since, before=before, part=part, canary=first,
        )
    )  # fmt: skip
