"""A run as the user asked for it, and as it ended."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flows.runs.canary import Canary
from flows.runs.cost_guard import AskConsent
from flows.sources.selection import Partition, SelectionOrder
from flows.storage.backends.store import Out
from flows.storage.dataset import Dataset
from schemas.document_type import DocumentType
from schemas.errors import PagemillError, exit_code_of


@dataclass(frozen=True, slots=True)
class RunRequest:
    """Run that the user asked for."""

    sources: Sequence[str]
    document_type: DocumentType
    out: Out
    budget_usd: float | None = None
    limit: int | None = None
    allow_empty: bool = False
    rehash: bool = False  # open every address, also those that look unchanged
    allow_gone: bool = False  # what is missing is gone, however much it is
    lender: Dataset | None = None  # another dataset, whose stored answers are taken where requests are equal
    quiet: bool = False
    confirm: AskConsent | None = None  # None where nobody sits
    order: SelectionOrder = "listed"
    deadline: datetime.datetime | None = None  # nothing is begun after it
    since: datetime.datetime | None = None  # only addresses that were changed then or later, and before `before`
    before: datetime.datetime | None = None
    part: Partition | None = None  # only its addresses
    canary: Canary | None = None
    command: str = "run"
    schedule: str | None = None  # of which there is one run at a time: its name is its own


@dataclass(slots=True)
class Outcome:
    """End of a run: the accounting as `--json` has it, and the error that stopped it, if any.

    `live_run` is the run of the same schedule that is still at work; nothing else was then done.
    """

    summary: dict[str, Any]
    stopped: PagemillError | None
    live_run: str | None = None

    @property
    def exit_code(self) -> int:
        """Exit code of the command."""
        return exit_code_of(self.stopped, failed=self.summary["failed"])
