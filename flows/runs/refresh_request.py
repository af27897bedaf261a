"""A refresh as asked for, and its result: for people, and as an event."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from flows.log import note
from flows.review.corrections import Disagreed
from flows.runs.cost_guard import AskConsent
from flows.runs.recipe_differences import Difference, disagreement_lines
from flows.storage.backends.store import Out
from flows.ui.text import dollars
from schemas.document_type import DocumentType


@dataclass(frozen=True, slots=True)
class RefreshRequest:
    """Documents to refresh: those of an older recipe (`is_all`), partial ones, named ones, or a sample.

    A sample publishes nothing but its answers, which a refresh then finds.
    """

    out: Out
    document_type: DocumentType | None = None
    is_all: bool = False
    is_partial: bool = False
    documents: Sequence[str] = ()
    where: str | None = None
    sample: int | None = None
    budget_usd: float | None = None
    confirm: AskConsent | None = None
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """A document that keeps its old rows, and why."""

    document_id: str
    source_uri: str
    reason: str


@dataclass(slots=True)
class Refreshed:
    """Result of a refresh: documents with new rows, those with other values, those that kept old rows, and the cost.

    `differences` are of a sample, field by field, and `disagreements` where it reads something else than people have said.
    `cost_usd` is None where the price is unknown.
    """

    run_id: str
    chosen: int = 0
    refreshed: int = 0
    changed: int = 0
    deferred: int = 0
    kept: list[Kept] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    disagreements: list[Disagreed] = field(default_factory=list)
    requests: int = 0
    cost_usd: float | None = None
    report: str | None = None  # where the page of the run is


def refresh_lines(done: Refreshed, out: Out, *, is_sample: bool) -> list[str]:
    """`refresh` for people."""
    cost = "unknown cost" if done.cost_usd is None else dollars(done.cost_usd)
    what = "looked at, nothing published" if is_sample else "made anew"
    head = f"{out}: {done.refreshed:,} of {done.chosen:,} documents {what}, {done.changed:,} of them with other values"
    lines = [f"{head}; {done.requests:,} requests, {cost}", *kept_lines(done.kept)]
    if done.disagreements:
        lines.append(
            f"{len(done.disagreements):,} corrected values that it reads otherwise; they stay as people have said:"
        )
        lines += disagreement_lines(done.disagreements)
    if done.deferred:
        lines.append(f"{done.deferred:,} documents were not reached; the same command goes on with them")
    if done.report is not None:
        lines.append(f"page of the run: {done.report}")
    return lines


def tell_refreshed(done: Refreshed, out: Out, *, is_sample: bool) -> None:
    """The end of a refresh as an event, where lines are objects."""
    names = ("run_id", "chosen", "refreshed", "changed", "deferred", "requests", "cost_usd", "report")
    figures = {name: getattr(done, name) for name in names}
    note(refresh_lines(done, out, is_sample=is_sample)[0], "end", dataset=str(out), kept=len(done.kept), **figures)


def kept_lines(kept: Sequence[Kept]) -> list[str]:
    """Documents that kept old rows, and why, for people."""
    return [
        f"kept as it was: {entry.source_uri}: {entry.reason.removeprefix(f'{entry.source_uri}: ')}" for entry in kept
    ]
