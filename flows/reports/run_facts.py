"""One run, read from the dataset's tables: its row, its documents and calls as columns, its failures, its drift.

The run's shards are read one at a time, and only the needed columns. For a run of a million documents some tens of megabytes
of numbers are kept, and Python values only for the few documents that are shown.
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
_SHOWN_COLUMNS = ("document_id", "file_name", "seconds", "pages", "cost_usd", "problem_kinds")
_FAILED = ("document_id", "source_uri", "stage", "error", "attempts", "retryable")
_CALLS = ("seconds", "prompt_tokens", "completion_tokens", "cost_usd", "attempts", "run_id")
_REPLACING = frozenset({"refresh", "replay"})  # commands whose documents are in shards of other runs

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reason:
    """Failures of one kind in one step: their number, and the first of them."""

    stage: str
    error: str
    count: int
    examples: Sequence[Row]


@dataclass(slots=True)
class RunFacts:
    """Facts of a run. `measured` has the numbers of its documents that are still published.

    `slowest`, `dearest` and `partial` are up to SHOWN rows of `documents`; `problem_kinds` counts the problems of all partial
    documents.
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
        """Number of its documents that were extracted again, superseded or forgotten since."""
        return max(0, int(self.run["ok"]) + int(self.run["partial"]) - int(self.measured.num_rows))


def run_row(dataset: Dataset, run_id: str | None = None) -> Row | None:
    """The row of `runs` of a run, by default the newest; None where no run has ended yet.

    Raises ConfigurationError for a run that has no row.
    """
    stated = dataset.tables["runs"].names
    runs = dataset.rows("runs", [name for name in LOG_TABLES["runs"].names if name in stated])
    if run_id is not None:
        runs = runs.filter(pc.equal(runs.column("run_id"), run_id))
        if not runs.num_rows:
            raise ConfigurationError(
                f"{dataset.location}: unknown run {run_id!r}: the table `runs` lists the runs that have ended"
            )
    newest = runs.sort_by([("started_at", "descending"), ("run_id", "descending")]).slice(0, 1).to_pylist()
    return {**dict.fromkeys(LOG_TABLES["runs"].names), **newest[0]} if newest else None


def facts_of(dataset: Dataset, run: Row, *, with_texts: bool = False) -> RunFacts:
    """Facts of the run of this row; `with_texts` includes the texts of problems and failures, which are long."""
    facts = RunFacts(run, _measured(dataset).schema.empty_table())
    if measured := [_read_documents(dataset, shard, facts, with_texts=with_texts) for shard in _shards(dataset, run)]:
        facts.measured = pa.concat_tables(measured)
    facts.reasons = reasons_of(dataset, facts.run_id, with_texts=with_texts)
    facts.drift = [drift_break.text for drift_break in breaks_of(dataset, facts.run_id)]
    return facts


def calls_of(dataset: Dataset, run_id: str) -> pa.Table:
    """The paid calls of a run: seconds, tokens and cost in USD."""
    parts = []
    for shard in dataset.files("calls"):
        if run_of(shard) == run_id:
            part = dataset.shard_columns("calls", shard, _CALLS)
            is_its_own = pc.and_(pc.greater(part.column("attempts"), 0), pc.equal(part.column("run_id"), run_id))
            parts.append(part.filter(is_its_own).drop_columns(["attempts", "run_id"]))
    return pa.concat_tables(parts) if parts else _no_rows(dataset, "calls", _CALLS[:4])


def _shards(dataset: Dataset, run: Row) -> Iterator[str]:
    """The shards with documents of the run."""
    run_id = run["run_id"]
    if run["command"] in _REPLACING:
        for shard, part in dataset.parts("documents", ["run_id"]).items():
            if pc.any(pc.equal(part.column(0), run_id)).as_py():
                yield shard
    else:
        yield from (shard for shard in dataset.files("documents") if run_of(shard) == run_id)


def _measured(dataset: Dataset) -> pa.Table:
    return _no_rows(dataset, "documents", _MEASURED)


def _read_documents(dataset: Dataset, shard: str, facts: RunFacts, *, with_texts: bool) -> pa.Table:
    """The numbers of one shard of `documents`; documents to show are added to `facts`."""
    wanted = (*_SHOWN_COLUMNS, "problems") if with_texts else _SHOWN_COLUMNS
    stated = dataset.tables["documents"].names
    names = [name for name in dict.fromkeys((*_MEASURED, *wanted, "status", "run_id")) if name in stated]
    rows = dataset.shard_columns("documents", shard, names)
    rows = rows.filter(pc.equal(rows.column("run_id"), facts.run_id))
    measured = rows.select([name for name in wanted if name in names])
    facts.slowest = _first([*facts.slowest, *_most(measured, "seconds")], "seconds")
    facts.dearest = _first([*facts.dearest, *_most(measured, "cost_usd")], "cost_usd")
    partial = measured.filter(pc.equal(rows.column("status"), "partial"))
    if "problem_kinds" in names:  # not in datasets of older versions
        kinds = pc.value_counts(pc.list_flatten(partial.column("problem_kinds").combine_chunks()))
        facts.problem_kinds.update({row["values"]: row["counts"] for row in kinds.to_pylist()})
    facts.partial += partial.slice(0, max(0, SHOWN - len(facts.partial))).to_pylist()
    return rows.select(list(_MEASURED))


def _most(rows: pa.Table, column: str) -> list[Row]:
    """The SHOWN rows with the highest values of a column."""
    rated = rows.filter(pc.is_valid(rows.column(column)))
    top: list[Row] = rated.take(pc.select_k_unstable(rated, SHOWN, [(column, "descending")])).to_pylist()
    return top


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
            shown = examples.setdefault((stage, error), [])
            shown += group.slice(0, SHOWN - len(shown)).to_pylist() if len(shown) < SHOWN else []
    ordered = sorted(counts, key=lambda key: (-counts[key], key))
    return [Reason(*key, counts[key], examples[key]) for key in ordered]


def _grouped(rows: pa.Table) -> Iterator[tuple[tuple[str, str], pa.Table]]:
    """The rows of each step and kind of error."""
    for key in rows.select(["stage", "error"]).group_by(["stage", "error"]).aggregate([]).to_pylist():
        is_one = pc.and_(pc.equal(rows.column("stage"), key["stage"]), pc.equal(rows.column("error"), key["error"]))
        yield (key["stage"], key["error"]), rows.filter(is_one)


def _no_rows(dataset: Dataset, table: str, columns: Sequence[str]) -> pa.Table:
    """Columns of a table, without rows."""
    return pa.schema([dataset.tables[table].field(name) for name in columns]).empty_table()
