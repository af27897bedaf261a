"""The flow `nightly`: what is new, changed, or due again, every night. Prefect imports this module by its name."""

from typing import Annotated, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from flows.scheduled import Task, carry_out, run_name

Order = Literal["listed", "newest", "oldest", "smallest"]


@flow(name="nightly", flow_run_name=run_name, description=__doc__)
def nightly(  # noqa: PLR0913, PLR0917 - the form in Prefect's page has a line for each
    sources: Annotated[list[str], Field(min_length=1, description="Files, folders, globs, @lists or s3:// URLs")],
    document_type: Annotated[str, Field(description="Built-in name, file.py:Class or schema.json")],
    out: Annotated[str, Field(description="The dataset: a folder or an s3:// URL")],
    order: Annotated[Order, Field(description="What is extracted first")] = "newest",
    until: Annotated[
        str | None,
        Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="Begin nothing after this time, such as 07:00"),
    ] = None,
    budget_usd: Annotated[float | None, Field(ge=0, description="Most that a night may cost, in USD")] = None,
    limit: Annotated[int | None, Field(ge=1, description="Most documents of a night")] = None,
    model: Annotated[str | None, Field(description="Model, where it is another than PAGEMILL_MODEL says")] = None,
) -> State:
    """Extract new and changed documents, and failures that are due."""
    return carry_out(
        Task(
            "nightly",
            sources,
            document_type,
            out,
            order=order,
            until=until,
            budget_usd=budget_usd,
            limit=limit,
            model=model,
        )
    )
