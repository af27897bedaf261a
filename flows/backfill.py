"""The flow `backfill`: an archive, or a range of it, once; its first documents alone. Prefect imports this module by its name."""

import datetime
from typing import Annotated, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from flows.canary import Canary
from flows.scheduled import Task, carry_out, run_name

Order = Literal["listed", "newest", "oldest", "smallest"]


@flow(name="backfill", flow_run_name=run_name, description=__doc__)
def backfill(  # noqa: PLR0913, PLR0917 - the form in Prefect's page has a line for each
    sources: Annotated[list[str], Field(min_length=1, description="Files, folders, globs, @lists or s3:// URLs")],
    document_type: Annotated[str, Field(description="Built-in name, file.py:Class or schema.json")],
    out: Annotated[str, Field(description="The dataset: a folder or an s3:// URL")],
    since: Annotated[
        datetime.date | None, Field(description="Only what was changed on this day (UTC) or later")
    ] = None,
    before: Annotated[datetime.date | None, Field(description="Only what was changed before this day (UTC)")] = None,
    canary: Annotated[int, Field(ge=0, description="So many documents go first; 0: none")] = 50,
    canary_failed: Annotated[float, Field(ge=0, le=1, description="Most of them that may fail, of 1")] = 0.1,
    canary_partial: Annotated[float, Field(ge=0, le=1, description="Most of them that may be partial, of 1")] = 0.5,
    canary_cost_per_page: Annotated[
        float | None, Field(ge=0, description="Most that a page of them may cost, in USD")
    ] = None,
    order: Annotated[Order, Field(description="What is extracted first")] = "listed",
    budget_usd: Annotated[float | None, Field(ge=0, description="Most that it may cost, in USD")] = None,
    limit: Annotated[int | None, Field(ge=1, description="Most documents of one run")] = None,
    model: Annotated[str | None, Field(description="Model, where it is another than PAGEMILL_MODEL says")] = None,
) -> State:
    """Extract an archive, after a canary of its first documents."""
    first = Canary(canary, canary_failed, canary_partial, canary_cost_per_page) if canary else None
    return carry_out(
        Task(
            "backfill", sources, document_type, out, order=order, budget_usd=budget_usd, limit=limit, model=model,
            since=since, before=before, canary=first,
        )
    )  # fmt: skip
