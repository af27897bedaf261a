"""The page of a run: one self-contained web page, made from the dataset's tables at any time.

The page that every run keeps in `_work/reports` names documents by the first digits of their ids, without file names, addresses
and messages; a page that a user requests has these.
"""

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from flows.log import say
from flows.reports.run_facts import Row, RunFacts, calls_of, facts_of, run_row
from flows.storage.backends.layout import REPORTS
from flows.storage.backends.store import Out
from flows.storage.dataset import Dataset
from flows.storage.open import read_dataset
from flows.ui import html
from flows.ui.html import check_outside, check_target, write_page
from schemas.errors import ConfigurationError
from schemas.tables import PARTS


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of a run's answers in USD, paid and estimated; None for an unknown one."""

    paid: float | None
    estimated: float | None

    @property
    def text(self) -> str:
        """The comparison in words."""
        if self.paid is None:
            return "the cost of the answers is unknown: the model has no price"
        if not self.estimated:
            return f"the answers cost ${self.paid:.4f}"
        return (
            f"the answers cost ${self.paid:.4f}, {self.paid / self.estimated - 1:+.0%} against the estimate of "
            f"${self.estimated:.4f}"
        )


def draw_run(out: Out, path: Path, run_id: str | None = None) -> str:
    """Write the page of a run, by default the newest, with the names of its documents; returns the run's id.

    Raises ConfigurationError for an unknown run, and for a `path` that cannot be written.
    """
    dataset = read_dataset(out)
    check_target(path)
    check_outside(dataset, path)
    run = run_row(dataset, run_id)
    if run is None:
        raise ConfigurationError(f"{dataset.location}: no run has ended in this dataset yet; run `pagemill run` first")
    write_page(path, render_run(dataset, run, is_named=True))
    return str(run["run_id"])


def keep_report(dataset: Dataset, run_id: str) -> str | None:
    """Keep the page of a run in the dataset; returns its location. A fault is reported on standard error; then None."""
    key = f"{REPORTS}/{run_id}.html"
    try:
        run = run_row(dataset, run_id)
        assert run is not None
        while True:
            forgotten = dataset.forgotten_ids()
            page = render_run(dataset, run, is_named=False).encode("utf-8", "replace")
            with dataset.locked():
                if forgotten == dataset.forgotten_ids():  # else the page may contain a forgotten document
                    dataset.store.make_folders([REPORTS])  # missing in a dataset of an older version
                    dataset.store.write(key, page)
                    return f"{dataset.location}/{key}"
    except Exception as error:  # noqa: BLE001 - a missing page must not fail a finished run
        say(
            f"the page of the run was not drawn ({type(error).__name__}: {error}); `pagemill status {dataset.location} --html "
            "FILE` draws it",
            "report-failed",
        )
        return None


def render_run(dataset: Dataset, run: Row, *, is_named: bool) -> str:
    """The page's HTML."""
    facts = facts_of(dataset, run, with_texts=is_named)
    calls = calls_of(dataset, facts.run_id)
    paid = pc.sum(calls.column("cost_usd")).as_py()
    cost = Cost(paid, run["cost_usd_estimated"])
    return html.render(
        "run_page.html",
        {"kinds": _kinds},
        run=run,
        facts=facts,
        parts=[(name.replace("_", " "), run[name], name) for name in PARTS],
        pages=pc.sum(facts.measured.column("pages")).as_py() or 0,
        seconds=_seconds(run),
        calls=calls.num_rows,
        cost=cost,
        plots=_plots(facts, calls, cost),
        dataset=dataset.location if is_named else None,
        document_type=dataset.document_type,
        is_named=is_named,
        name=_namer(is_named=is_named),
    )


def _plots(facts: RunFacts, calls: Any, cost: Cost) -> list[Any]:
    from flows.ui import plots

    measured = facts.measured
    when = measured.column("extracted_at"), measured.column("seconds")
    drawn = [
        plots.rate_plot("Pages per second", measured.column("pages"), *when),
        plots.rate_plot("Requests per second", measured.column("requests"), *when),
        plots.distribution("Time to an answer", {"calls": calls.column("seconds")}, "seconds"),
        plots.distribution(
            "Tokens of a call",
            {"read": calls.column("prompt_tokens"), "written": calls.column("completion_tokens")},
            "tokens",
        ),
    ]
    if cost.paid:
        drawn.append(plots.distribution("Cost of a document", {"documents": measured.column("cost_usd")}, "USD"))
    if cost.paid is not None and cost.estimated:
        amounts = {"paid": cost.paid, "estimate": cost.estimated}
        drawn.append(plots.compared("Estimate and cost", amounts, f"{cost.text[0].upper()}{cost.text[1:]}."))
    return [plot for plot in drawn if plot is not None]


def _namer(*, is_named: bool) -> Callable[[Row], str]:
    """Function that names a document: by its file name where names are allowed, else by its id."""

    def name(row: Row) -> str:
        file_name = row.get("file_name") or row.get("source_uri")
        if is_named and file_name:
            return str(file_name)
        return str(row["document_id"])[:12] if row["document_id"] else "could not be read"

    return name


def _kinds(kinds: Sequence[str] | None) -> str:
    """Kinds of problems with their numbers."""
    if kinds is None:
        return "unknown: made by an older version"
    return ", ".join(
        kind if kinds.count(kind) == 1 else f"{kind} × {kinds.count(kind)}"  # noqa: RUF001 - a times sign
        for kind in dict.fromkeys(kinds)
    )


def _seconds(run: Row) -> float | None:
    if run["finished_at"] is None:
        return None
    lasted: datetime.timedelta = run["finished_at"] - run["started_at"]
    return lasted.total_seconds()
