"""Status of a dataset and of a run: the accounting, for people and as JSON."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow.compute as pc

from flows.log import note
from flows.reports.failing import failing_documents, failing_lines
from flows.reports.last_run import last_run
from flows.reports.run_facts import facts_of, run_row
from flows.sources.ignored import ignored_count, ignored_lines
from flows.storage.backends.store import Out
from flows.storage.open import read_dataset

_MOST_BREAKS = 10  # lines on the terminal


def status(out: Out) -> dict[str, Any]:
    """The accounting of a dataset by its newest run, and totals of its documents and calls.

    `last_run` is about the newest run of any command; None where none has ended yet.
    """
    dataset = read_dataset(out)
    documents = dataset.rows("documents", ["document_id", "status"])
    statuses = Counter(
        {row["values"]: row["counts"] for row in pc.value_counts(documents.column("status")).to_pylist()}
    )
    names = ("run_id", "started_at", "discovered", "deferred", "skipped", "command")
    runs = dataset.rows("runs", [name for name in names if name in dataset.tables["runs"].names]).to_pylist()
    # A refresh reads published documents only, so its counts are not those of the sources.
    whole = [run for run in runs if run.get("command") not in {"refresh", "replay"}]
    last = max(whole, key=lambda run: run["started_at"], default=None)
    failures = dataset.rows("failures", ["document_id", "source_uri"])
    failing = pc.unique(pc.coalesce(failures.column("document_id"), failures.column("source_uri")))
    is_published = pc.is_in(failing, value_set=documents.column("document_id").combine_chunks())
    newest = run_row(dataset)
    failing_now = failing_documents(dataset)
    return {
        "discovered": last["discovered"] if last else 0,
        "documents": documents.num_rows,
        "ok": statuses["ok"],
        "partial": statuses["partial"],
        "failed": len(failing) - (pc.sum(is_published).as_py() or 0),
        "deferred": last["deferred"] if last else 0,
        "skipped": last["skipped"] if last else 0,
        "ignored": ignored_count(dataset, last["run_id"]) if last else None,
        "cost_usd": pc.sum(dataset.rows("calls", ["cost_usd"]).column(0)).as_py() or 0.0,
        "runs": len(runs),
        "document_type": dataset.document_type,
        "failing": failing_now.as_rows(),
        "failing_count": failing_now.count,
        "last_run": None if newest is None else last_run(facts_of(dataset, newest)),
    }


def status_lines(figures: Mapping[str, Any], out: Out) -> list[str]:
    """The status as lines, for people."""
    return [
        f"{out}: {figures['documents']:,} documents of type {figures['document_type']} from {figures['runs']:,} runs",
        f"ok {figures['ok']:,}, partial {figures['partial']:,}, failing {figures['failed']:,}",
        f"last run: discovered {figures['discovered']:,}, skipped {figures['skipped']:,}, deferred {figures['deferred']:,}",
        f"spent ${figures['cost_usd']:.4f}",
        *failing_lines(figures, out),
    ]


def run_lines(summary: Mapping[str, Any], out: Out) -> list[str]:
    """A run's summary as lines for people: accounting, calls, cost."""
    cost = "unknown"
    if summary["cost_usd"] is not None:
        cost = f"${summary['cost_usd']:.4f}"
        if summary["cut_calls"]:
            cut = f"${summary['cost_usd_cut']:.4f} for {summary['cut_calls']:,} calls that were cut off"
            cost += f", of it at most {cut}"
        cost += _estimate_error(summary)
    return [
        f"{out}: {sum_line(summary)}",
        f"{summary['requests']:,} requests, {summary['prompt_tokens']:,} tokens in, {summary['completion_tokens']:,} out",
        f"cost {cost}, {summary['seconds']:.1f} s, run {summary['run_id']}",
        *_listing_lines(summary),
        *failing_lines(summary, out),
        *drift_lines(summary["drift"]),
        *([f"page of the run: {summary['report']}"] if summary["report"] else []),
        *ignored_lines(summary),
    ]


def tell_end(summary: Mapping[str, Any], out: Out) -> None:
    """Write the end of a run as a log event; people have it on standard output."""
    if summary:  # empty where another run of the same schedule is at work
        note(sum_line(summary), "end", dataset=str(out), **summary)


def drift_lines(breaks: Sequence[str]) -> list[str]:
    """The first breaks as lines, and the number of the others."""
    lines = [f"worse than in the nights before: {text}" for text in breaks[:_MOST_BREAKS]]
    more = len(breaks) - len(lines)
    return [*lines, f"and {more:,} more: see the table `quality`"] if more else lines


def _listing_lines(summary: Mapping[str, Any]) -> list[str]:
    """Notes about the listing of the sources: faults, and addresses that are gone or missing."""
    lines = [f"{trouble}: its content is unknown, and no address of its source is taken for gone"
             for trouble in summary["not_listed"]]  # fmt: skip
    if summary["gone"]:
        lines.append(f"{summary['gone']:,} addresses are gone: noted in `sources`; their documents stay")
    if summary["not_gone"]:
        lines.append(
            f"{summary['not_gone']:,} addresses are missing, more than 5 % of a source, so none is taken for gone; check "
            "that it is mounted and complete; if they are gone, run once with --allow-gone"
        )
    return lines


def _estimate_error(summary: Mapping[str, Any]) -> str:
    """Difference of the answers' cost from the estimate of their requests, in words."""
    expected = summary["cost_usd_estimated"]
    if not expected:
        return ""
    paid = summary["cost_usd"] - summary["cost_usd_cut"]
    return f" (the answers cost ${paid:.4f}, {paid / expected - 1:+.0%} against the estimate of ${expected:.4f})"


def sum_line(summary: Mapping[str, Any]) -> str:
    """The accounting of a run as a sum."""
    parts = " + ".join(
        f"{summary[name]:,} {name.replace('_', ' ')}"
        for name in ("already_done", "skipped", "ok", "partial", "failed", "deferred")
    )
    return f"{summary['discovered']:,} discovered = {parts}"
