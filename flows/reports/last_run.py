"""Report of the newest run for `pagemill status`: as JSON, and as tables."""

from collections.abc import Mapping
from typing import Any

from flows.reports.run_facts import Row, RunFacts
from flows.ui.terminal import Section
from flows.ui.text import dollars, plain
from schemas.tables import PARTS

_SUM = ("discovered", *PARTS)
_LISTED = 5  # documents of each list
_MOST_BREAKS = 10


def last_run(facts: RunFacts) -> dict[str, Any]:
    """The run as in `status --json`."""
    run = facts.run
    names = ("run_id", "command", "started_at", "finished_at", *_SUM, "cost_usd", "cost_usd_estimated")
    return {
        **{name: run[name] for name in names},
        "failures": [{"stage": reason.stage, "error": reason.error, "count": reason.count} for reason in facts.reasons],
        "slowest": [_document(row, "seconds") for row in facts.slowest],
        "partials": [_document(row, "problem_kinds") for row in facts.partial],
        "problem_kinds": dict(facts.problem_kinds.most_common()),
        "drift": list(facts.drift),
    }


def sections(run: Mapping[str, Any] | None) -> list[Section]:
    """The run of `status` as tables, without empty ones."""
    if run is None:
        return []
    drift = [[plain(line)] for line in run["drift"][:_MOST_BREAKS]]
    if more := len(run["drift"]) - len(drift):
        drift.append([f"and {more:,} more: see the table `quality`"])
    numbers = frozenset({"addresses", "documents", "pages", "seconds"})
    tables = [
        Section(f"{run['command'] or 'run'} {run['run_id']}", ["", "addresses"],
                [[name.replace("_", " "), f"{run[name]:,}"] for name in _SUM], numbers),
        Section("cost", ["", "USD"], [["paid", dollars(run["cost_usd"])], *_estimate(run)], frozenset({"USD"})),
        Section("failures by reason", ["step", "error", "documents"],
                [[fact["stage"], fact["error"], f"{fact['count']:,}"] for fact in run["failures"]], numbers),
        Section("slowest documents", ["document", "pages", "seconds"],
                [[_named(fact), f"{fact['pages']:,}", f"{fact['seconds']:.1f}"] for fact in run["slowest"][:_LISTED]],
                numbers),
        Section("partial documents", ["document", "pages", "kinds of problems"],
                [[_named(fact), f"{fact['pages']:,}", ", ".join(dict.fromkeys(fact["problem_kinds"] or ()))]
                 for fact in run["partials"][:_LISTED]], numbers),
        Section("worse than in the nights before", [""], drift),
    ]  # fmt: skip
    return [entry for entry in tables if entry.rows]


def _document(row: Row, column: str) -> dict[str, Any]:
    names = ("document_id", "file_name", "pages", column)
    return {name: row.get(name) for name in names}


def _estimate(run: Mapping[str, Any]) -> list[list[str]]:
    estimated = run["cost_usd_estimated"]
    return [["estimated", dollars(estimated)]] if estimated else []


def _named(row: Row) -> str:
    return f"{row['document_id'][:12]} {plain(str(row['file_name']))}"
