"""The accounting of a run, by address: discovered = already_done + skipped + ok + partial + failed + deferred."""

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from flows.documents.recipe import Recipe
from flows.log import say
from flows.model.budget import Spending
from flows.storage.dataset import Dataset
from flows.storage.publish import end_run
from schemas.errors import DatasetError
from schemas.tables import PARTS


@dataclass
class Accounts:
    """Counts of one run, by address. `deferred` are addresses that were planned and neither done nor failed."""

    discovered: int = 0
    already_done: int = 0
    skipped: int = 0
    ok: int = 0
    partial: int = 0
    failed: int = 0
    deferred: int = 0
    pages: int = 0
    started_at: datetime.datetime = field(default_factory=lambda: datetime.datetime.now(datetime.UTC))

    @property
    def done(self) -> int:
        """Documents that this run has finished with, well or not."""
        return self.ok + self.partial + self.failed

    def enter(self, others: "Accounts") -> None:
        """Add the counts of another process that worked for this run."""
        for name in ("already_done", "skipped", "ok", "partial", "failed", "pages"):
            setattr(self, name, getattr(self, name) + getattr(others, name))

    def check(self) -> None:
        """Raises DatasetError when the sum does not add up."""
        parts = sum(getattr(self, name) for name in PARTS)
        if parts != self.discovered:
            raise DatasetError(
                f"the accounting does not add up: discovered {self.discovered} is not {parts} = already done "
                f"{self.already_done} + skipped {self.skipped} + ok {self.ok} + partial {self.partial} + failed "
                f"{self.failed} + deferred {self.deferred}; this is a fault of Pagemill, please report it"
            )

    def as_row(self) -> dict[str, Any]:
        """The counts, as `runs` and `--json` have them."""
        return {
            name: getattr(self, name)
            for name in ("discovered", "already_done", "skipped", "ok", "partial", "failed", "deferred")
        }


def open_run(
    dataset: Dataset, run_id: str, recipe: Recipe, accounts: Accounts, command: str, schedule: str | None = None
) -> None:
    """Write the run's manifest: facts from which recovery can make its row of `runs` if it is killed, and its schedule.

    Damaged files are told on standard error: what the run publishes is sound, but no reader reads the table any more.
    """
    for message in dataset.damaged():
        say(message)
    facts = {**accounts.as_row(), "run_id": run_id, "started_at": accounts.started_at.isoformat()}
    recipe_row = recipe.row()
    facts |= {"recipe": {**recipe_row, "first_used_at": recipe_row["first_used_at"].isoformat()}}
    about = {"recipe_id": recipe.recipe_id, "version": version("pagemill"), "command": command, "schedule": schedule}
    dataset.note_run(run_id, {**facts, **about})


def close_run(  # noqa: PLR0913 - each is a column of its own
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
    recipe_row = recipe.row() if is_published and accounts.done else None
    end_run(dataset, run_id, row, logs or {}, recipe_row)
