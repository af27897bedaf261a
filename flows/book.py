"""The books of a run, a refresh or a replay: its id, its note for recovery, its recipe and its row of `runs`."""

import datetime
import secrets
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

from flows.documents.recipe import Recipe
from flows.log import say
from flows.model.budget import Spending
from flows.runs.accounting import Accounts
from flows.storage.dataset import Dataset, DatasetSpec
from flows.storage.publish import end_run
from schemas.catalog import catalog
from schemas.dictionary import dictionary
from schemas.document_type import DocumentType
from schemas.tables import all_tables, record_tables


def spec_of(document_type: DocumentType) -> DatasetSpec:
    """What a dataset of this type is made of."""
    names = tuple(table.name for table in record_tables(document_type))
    guides = {"README.md": dictionary(document_type), "catalog.sql": catalog(document_type)}
    return DatasetSpec(
        document_type.name, document_type.schema, all_tables(document_type), names, guides, document_type.origin
    )


def new_run_id() -> str:
    """The name of a run: its start in UTC, and a few letters."""
    return f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def open_book(
    dataset: Dataset, run_id: str, recipe: Recipe, accounts: Accounts, command: str, schedule: str | None = None
) -> None:
    """Keep what a `runs` row needs, so that recovery can write it if the run is killed, and the schedule that it is of.

    Damaged files are told on standard error: what the run publishes is sound, but no reader reads the table any more.
    """
    for each in dataset.damaged():
        say(each)
    facts = {**accounts.as_row(), "run_id": run_id, "started_at": accounts.started_at.isoformat()}
    said = recipe.row()
    facts |= {"recipe": {**said, "first_used_at": said["first_used_at"].isoformat()}}
    about = {"recipe_id": recipe.recipe_id, "version": version("pagemill"), "command": command, "schedule": schedule}
    dataset.note_run(run_id, {**facts, **about})


def close_book(  # noqa: PLR0913 - each is a column of its own
    dataset: Dataset,
    run_id: str,
    recipe: Recipe,
    accounts: Accounts,
    spending: Spending,
    logs: Mapping[str, Iterable[Mapping[str, Any]]] | None = None,
    *,
    command: str,
    is_published: bool = True,
) -> None:
    """Publish the run's row, `logs` (rows by table), and a new recipe that something was published with."""
    row = {
        "run_id": run_id,
        "started_at": accounts.started_at,
        "finished_at": datetime.datetime.now(datetime.UTC),
        **accounts.as_row(),
        "cost_usd": spending.spent_nusd / 1e9,
        "recipe_id": recipe.recipe_id,
        "version": version("pagemill"),
        "command": command,
        "requests": spending.requests,
        "prompt_tokens": spending.prompt_tokens,
        "completion_tokens": spending.completion_tokens,
        "cost_usd_estimated": spending.expected_nusd / 1e9 or None,
    }
    told = recipe.row() if is_published and accounts.done else None
    end_run(dataset, run_id, row, logs or {}, told)
