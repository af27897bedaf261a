"""One run, read from the dataset's tables: its row, its documents and calls as columns, its failures, its drift.

Read are the run's own shards, one at a time, and of these the columns that are asked for. Of a run of a million documents
some tens of megabytes of numbers are kept, and of documents as Python values only the few that are shown.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.reports.quality import breaks_of
from flows.storage.dataset import Dataset
from flows.storage.run_ids import run_of
from schemas.errors import ConfigurationError
from schemas.tables import LOG_TABLES

SHOWN = 12  # documents of each list
_MEASURED = ("extracted_at", "seconds", "pages", "requests", "cost_usd")
_TOLD = ("document_id", "file_name", "seconds", "pages", "cost_usd", "problem_kinds")
_FAILED = ("document_id", "source_uri", "stage", "error", "attempts", "retryable")
_CALLS = ("seconds", "prompt_tokens", "completion_tokens", "cost_usd", "attempts", "run_id")
_REPLACING = frozenset({"refresh", "replay"})  # commands whose documents stand in other runs' shards

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reason:
    """Failures of one kind in one step: how many, and the first of them."""

    stage: str
    error: str
    count: int
    examples: Sequence[Row]


@dataclass(slots=True)
class RunFacts:
    """Facts of a run. `measured` has a row per document of it that is still published, without its name.

    `slowest`, `dearest` and `partial` are rows of `documents`, few; `problem_kinds` counts the problems of all partial ones.
    """

    run: Row
    measured: pa.Table
    reasons: Sequence[Reason] = ()
    slowest: list[Row] = field(default_factory=list)
    dearest: list[Row] = field(default_factory=list)
    partial: list[Row] = field(default_factory=list)
    problem_kinds: Counter[str] = field(default_factory=Counter)
    drift: Sequence[str] = ()

    @property
    def run_id(self) -> str:
        """The run's id."""
        return str(self.run["run_id"])

    @property
    def replaced(self) -> int:
        """Documents that it published and that are not its own any more: made anew, superseded or forgotten since."""
        return max(0, int(self.run["ok"]) + int(self.run["partial"]) - int(self.measured.num_rows))


def run_row(dataset: Dataset, run_id: str | None = None) -> Row | None:
    """The row of `runs` of a run, by default the newest; null where no run has ended yet.

    Raises ConfigurationError for a run that has no row.
    """
    stated = dataset.tables["runs"].names
    runs = dataset.rows("runs", [name for name in LOG_TABLES["runs"].names if name in stated])
    if run_id is not None:
        runs = runs.filter(pc.equal(runs.column("run_id"), run_id))
        if not runs.num_rows:
            raise ConfigurationError(
                f"{dataset.location}: no run {run_id!r} has ended in this dataset; the table `runs` has their names"
            )
    newest = runs.sort_by([("started_at", "descending"), ("run_id", "descending")]).slice(0, 1).to_pylist()
    return {**dict.fromkeys(LOG_TABLES["runs"].names), **newest[0]} if newest else None


def facts_of(dataset: Dataset, run: Row, *, with_texts: bool = False) -> RunFacts:
    """Facts of the run of this row; `with_texts` with the words of problems and failures, which are long."""
    found = RunFacts(run, _measured(dataset).schema.empty_table())
    if measured := [_read_documents(dataset, shard, found, with_texts=with_texts) for shard in _shards(dataset, run)]:
        found.measured = pa.concat_tables(measured)
    found.reasons = reasons_of(dataset, found.run_id, with_texts=with_texts)
    found.drift = [drift_break.text for drift_break in breaks_of(dataset, found.run_id)]
    return found


def calls_of(dataset: Dataset, run_id: str) -> pa.Table:
    """The calls that the run paid for: seconds, tokens and cost."""
    parts = []
    for shard in dataset.files("calls"):
        if run_of(shard) == run_id:
            part = dataset.shard_columns("calls", shard, _CALLS)
            is_its_own = pc.and_(pc.greater(part.column("attempts"), 0), pc.equal(part.column("run_id"), run_id))
            parts.append(part.filter(is_its_own).drop_columns(["attempts", "run_id"]))
    return pa.concat_tables(parts) if parts else dataset.shard_columns("calls", "", _CALLS[:4])


def _shards(dataset: Dataset, run: Row) -> Iterator[str]:
    """The shards in which the run's documents stand."""
    run_id = run["run_id"]
    if run["command"] in _REPLACING:
        for shard, part in dataset.parts("documents", ["run_id"]).items():
            if pc.any(pc.equal(part.column(0), run_id)).as_py():
                yield shard
    else:
        yield from (shard for shard in dataset.files("documents") if run_of(shard) == run_id)


def _measured(dataset: Dataset) -> pa.Table:
    return dataset.shard_columns("documents", "", _MEASURED)


def _read_documents(dataset: Dataset, shard: str, found: RunFacts, *, with_texts: bool) -> pa.Table:
    """One shard of `documents`: its numbers; what of it is to be shown is entered in `found`."""
    wanted = (*_TOLD, "problems") if with_texts else _TOLD
    stated = dataset.tables["documents"].names
    names = [name for name in dict.fromkeys((*_MEASURED, *wanted, "status", "run_id")) if name in stated]
    rows = dataset.shard_columns("documents", shard, names)
    rows = rows.filter(pc.equal(rows.column("run_id"), found.run_id))
    measured = rows.select([name for name in wanted if name in names])
    found.slowest = _first([*found.slowest, *_most(measured, "seconds")], "seconds")
    found.dearest = _first([*found.dearest, *_most(measured, "cost_usd")], "cost_usd")
    partial = measured.filter(pc.equal(rows.column("status"), "partial"))
    if "problem_kinds" in names:  # not in datasets of an older Pagemill
        kinds = pc.value_counts(pc.list_flatten(partial.column("problem_kinds").combine_chunks()))
        found.problem_kinds.update({row["values"]: row["counts"] for row in kinds.to_pylist()})
    found.partial += partial.slice(0, max(0, SHOWN - len(found.partial))).to_pylist()
    return rows.select(list(_MEASURED))


def _most(rows: pa.Table, column: str) -> list[Row]:
    """The rows with the most of a column."""
    known = rows.filter(pc.is_valid(rows.column(column)))
    found: list[Row] = known.take(pc.select_k_unstable(known, SHOWN, [(column, "descending")])).to_pylist()
    return found


def _first(rows: Sequence[Row], column: str) -> list[Row]:
    return sorted(rows, key=lambda row: (-row[column], row["document_id"]))[:SHOWN]


def reasons_of(dataset: Dataset, run_id: str, *, with_texts: bool = False) -> list[Reason]:
    """The run's failures by step and kind of error, the most frequent first."""
    counts: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], list[Row]] = {}
    for shard in dataset.files("failures"):
        if run_of(shard) != run_id:
            continue
        part = dataset.shard_columns("failures", shard, (*_FAILED, "message") if with_texts else _FAILED)
        for row in part.group_by(["stage", "error"]).aggregate([([], "count_all")]).to_pylist():
            counts[row["stage"], row["error"]] += row["count_all"]
        for (stage, error), group in _grouped(part):
            there = examples.setdefault((stage, error), [])
            there += group.slice(0, SHOWN - len(there)).to_pylist() if len(there) < SHOWN else []
    ordered = sorted(counts, key=lambda key: (-counts[key], key))
    return [Reason(*key, counts[key], examples[key]) for key in ordered]


def _grouped(rows: pa.Table) -> Iterator[tuple[tuple[str, str], pa.Table]]:
    """The rows of each step and kind of error."""
    for key in rows.select(["stage", "error"]).group_by(["stage", "error"]).aggregate([]).to_pylist():
        is_one = pc.and_(pc.equal(rows.column("stage"), key["stage"]), pc.equal(rows.column("error"), key["error"]))
        yield (key["stage"], key["error"]), rows.filter(is_one)
