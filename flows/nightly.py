"""The flow `nightly`: what is new, changed, or due again, every night. Prefect imports this module by its name."""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from flows.runs.scheduled import Task, run_name, run_scheduled
from flows.sources.selection import SelectionOrder


@flow(name="nightly", flow_run_name=run_name)
def nightly(  # noqa: PLR0913, PLR0917 - the form on Prefect's page has a line for each, with its text from below
    sources: Annotated[list[str], Field(min_length=1)],
    document_type: str,
    out: str,
    order: SelectionOrder = "newest",
    until: Annotated[str | None, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = None,
    budget_usd: Annotated[float | None, Field(ge=0)] = None,
    limit: Annotated[int | None, Field(ge=1)] = None,
    model: str | None = None,
) -> State[Any]:
    """Extract new and changed documents, and failures that are due.

    Args:
        sources: Files, folders, globs, @lists or s3:// URLs
        document_type: Built-in name, file.py:Class or schema.json
        out: The dataset: a folder or an s3:// URL
        order: What is extracted first
        until: Begin nothing after this time of the worker's day, such as 07:00
        budget_usd: Most that a night may cost, in USD
        limit: Most documents of a night
        model: Model, where it is another than PAGEMILL_MODEL says
    """
    return run_scheduled(
        Task(
            "nightly", sources, document_type, out, order=order, until=until, budget_usd=budget_usd, limit=limit, model=model,
        )
    )  # fmt: skip
