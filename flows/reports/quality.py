"""Quality of a run's documents, measured by field and by group, and compared with the nights before.

The files that the run added are measured, one shard at a time. They are compared with the rows of `quality` of the newest
runs, backfills excepted, since their documents are of other years.
"""

import datetime
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from extractors.evaluate.drift import NIGHTS, Break, Count, RateKey, find_breaks
from flows.storage.dataset import Dataset
from flows.storage.orphaned_groups import on_one_line
from flows.storage.run_ids import run_of
from schemas.document_type import DocumentType
from schemas.fields import escape, pattern_of
from schemas.record_tables import RecordTable, record_tables

_LOCATED = ("exact", "normalized", "fuzzy")
_LOOKED_FOR = (*_LOCATED, "image", "absent")
_Sums = defaultdict[RateKey, list[float]]  # count and total


@dataclass(frozen=True, slots=True)
class Quality:
    """Rates of a run's documents by field, over all documents and by group."""

    dataset: Dataset
    run_id: str
    document_type: DocumentType
    counts: Mapping[RateKey, Count]
    forgotten: frozenset[str]  # ids that were forgotten at the time of the measurement

    @classmethod
    def of(cls, dataset: Dataset, run_id: str, document_type: DocumentType) -> "Quality":
        """Measure the documents of a run."""
        forgotten = frozenset(dataset.forgotten_ids())
        return cls(dataset, run_id, document_type, _measure(dataset, run_id, document_type), forgotten)

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows of `quality`, measured again if documents were forgotten since. Hold the lock."""
        now = self
        if self.forgotten != self.dataset.forgotten_ids():
            now = Quality.of(self.dataset, self.run_id, self.document_type)
        at = datetime.datetime.now(datetime.UTC)
        for key, count in now.counts.items():
            if count.total:
                yield {
                    "run_id": self.run_id, "at": at, "measure": key.measure, "field": key.field, "group": key.group,
                    "count": float(count.count), "total": float(count.total), "value": count.count / count.total,
                }  # fmt: skip

    def breaks(self) -> list[Break]:
        """Rates that are worse in this run than in earlier ones in `quality`."""
        return _breaks(self.counts, _compared(self.dataset))


def breaks_of(dataset: Dataset, run_id: str) -> list[Break]:
    """Rates of a finished run that are worse than in the runs before it, by the rows of `quality`."""
    rows = _compared(dataset, run_id)
    is_its_own = pc.equal(rows.column("run_id"), run_id)
    own = rows.filter(is_its_own)
    if not own.num_rows:
        return []
    before = pc.less(rows.column("at"), pc.min(own.column("at")))
    counts = {
        RateKey(row["measure"], row["field"], row["group"]): Count(row["count"], row["total"])
        for row in own.to_pylist()
    }
    return _breaks(counts, rows.filter(before))


def _compared(dataset: Dataset, run_id: str | None = None) -> pa.Table:
    """The rows of `quality` of runs other than backfills, and those of `run_id`."""
    rows = dataset.rows("quality", ["run_id", "at", "measure", "field", "group", "count", "total"])
    is_compared = pc.invert(pc.is_in(rows.column("run_id"), value_set=_backfills(dataset)))
    return rows.filter(is_compared if run_id is None else pc.or_(is_compared, pc.equal(rows.column("run_id"), run_id)))


def _breaks(counts: Mapping[RateKey, Count], rows: pa.Table) -> list[Break]:
    """Rates in `counts` that are worse than in the newest nights among `rows`."""
    names = ["measure", "field", "group"]
    nights = rows.group_by("run_id").aggregate([("at", "max")]).sort_by([("at_max", "descending")])
    rows = rows.filter(pc.is_in(rows.column("run_id"), value_set=nights.column("run_id")[:NIGHTS]))
    before: dict[RateKey, list[Count]] = {}
    for row in rows.group_by(names).aggregate([("count", "list"), ("total", "list")]).to_pylist():
        key = RateKey(row["measure"], row["field"], row["group"])
        if key in counts:
            before[key] = [Count(*entry) for entry in zip(row["count_list"], row["total_list"], strict=True)]
    return find_breaks(counts, before)


def _measure(dataset: Dataset, run_id: str, document_type: DocumentType) -> dict[RateKey, Count]:
    tables = record_tables(document_type)
    counts: _Sums = defaultdict(lambda: [0.0, 0.0])
    for shard in dataset.files("documents"):
        if run_of(shard) == run_id:
            _measure_shard(dataset, shard, document_type, tables, counts)
    return {key: Count(*count) for key, count in counts.items()}


def _backfills(dataset: Dataset) -> pa.Array:
    if "command" not in dataset.tables["runs"].names:
        return pa.array([], pa.string())
    runs = dataset.rows("runs", ["run_id", "command"])
    return runs.filter(pc.equal(runs.column("command"), "backfill")).column("run_id").combine_chunks()


def _measure_shard(
    dataset: Dataset, shard: str, document_type: DocumentType, tables: Sequence[RecordTable], counts: _Sums
) -> None:
    records = dataset.shard_rows(tables[0].name, shard)
    groups = _Groups(records, document_type, tables[0])
    for table in tables:
        rows = records if table is tables[0] else dataset.shard_rows(table.name, shard)
        places = [str(index) for index in range(len(table.columns))]  # numbers, since a field may have any name
        columns = [rows.column(column.name) for column in table.columns]
        counted = pa.table([groups.of(rows), *columns], ["group", *places]).group_by("group")
        for row in counted.aggregate([*((position, "count") for position in places), ([], "count_all")]).to_pylist():
            for position, column in zip(places, table.columns, strict=True):
                field = "".join(f"/{escape(key)}" for step in table.steps for key in (*step, "*"))
                field += "".join(f"/{escape(key)}" for key in column.keys)
                _add(counts, ("filled", field, row["group"]), row[f"{position}_count"], row["count_all"])

    evidence = dataset.shard_rows("evidence", shard)
    evidence = evidence.filter(pc.is_in(evidence.column("match"), value_set=pa.array(_LOOKED_FOR)))
    field = _patterns(evidence.column("field"), document_type)
    is_good = pc.is_in(evidence.column("match"), value_set=pa.array(_LOCATED))
    _add_shares("located", groups.of(evidence), field, is_good, counts)
    checks = dataset.shard_rows("checks", shard)
    _add_shares("failed_check", groups.of(checks), checks.column("check"), pc.invert(checks.column("ok")), counts)

    documents = dataset.shard_rows("documents", shard).select(["document_id", "status", "pages", "cost_usd"])
    first = groups.of(documents.append_column("record", pa.repeat(0, documents.num_rows)))
    for row, group in zip(documents.to_pylist(), first.to_pylist(), strict=True):
        _add(counts, ("partial", None, group), int(row["status"] == "partial"), 1)
        if row["cost_usd"] is not None and row["pages"]:
            _add(counts, ("cost_per_page", None, group), row["cost_usd"], row["pages"])


def _patterns(pointers: pa.ChunkedArray, document_type: DocumentType) -> pa.ChunkedArray:
    """JSON pointers with `*` for list indexes. Each distinct pointer is looked at once: documents share most of them."""
    distinct = pc.unique(pointers)
    patterns = pa.array([pattern_of(document_type.root, pointer) for pointer in distinct.to_pylist()], pa.string())
    return pa.chunked_array(
        [patterns.take(pc.index_in(chunk, value_set=distinct)) for chunk in pointers.chunks], pa.string()
    )


class _Groups:
    """The group of each record, on one line; null where the type declares no group, or the record has no value for it."""

    def __init__(self, records: pa.Table, document_type: DocumentType, table: RecordTable) -> None:
        column = next((entry.name for entry in table.columns if entry.keys == document_type.group), None)
        named = pa.nulls(records.num_rows, pa.string()) if column is None else on_one_line(records.column(column))
        self._named, self._keys = named, _keys(records)

    def of(self, rows: pa.Table) -> pa.ChunkedArray:
        """The group of each row by its document and record."""
        return self._named.take(pc.index_in(_keys(rows), value_set=self._keys))


def _keys(rows: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(rows.column("document_id"), rows.column("record").cast(pa.string()), " ")


def _add_shares(
    measure: str, group: pa.ChunkedArray, field: pa.ChunkedArray, counted: pa.ChunkedArray, counts: _Sums
) -> None:
    rows = pa.table([group, field, pc.cast(counted, pa.int64())], ["group", "field", "counted"])
    for row in rows.group_by(["field", "group"]).aggregate([("counted", "sum"), ([], "count_all")]).to_pylist():
        _add(counts, (measure, row["field"], row["group"]), row["counted_sum"], row["count_all"])


def _add(counts: _Sums, key: tuple[Any, str | None, str | None], count: float, total: int) -> None:
    measure, field, group = key
    for entry in (None,) if group is None else (None, group):
        sums = counts[RateKey(measure, field, entry)]
        sums[0] += count
        sums[1] += total
