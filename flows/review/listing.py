"""The documents of a dataset with their faults: worst first, filtered, one page of them at a time.

A few columns of `documents` and of the record table are read, and `evidence` one shard at a time, of which the lowest
confidence and the number of absent values are kept per document. Unchanged files are not read again: a hundred thousand
documents open in about a second.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.storage.backends.store import Stamp
from flows.storage.dataset import Dataset
from schemas.document_type import DocumentType
from schemas.record_tables import record_tables

LOW = 0.5  # values of lower confidence are doubtful
PAGE = 50  # documents of one page
MOST_GROUPS = 200
_SUMMARY = pa.schema([("document_id", pa.string()), ("confidence", pa.float64()), ("absent", pa.int64())])


@dataclass(frozen=True, slots=True)
class ListingFilter:
    """Filter of documents: all of `marks`, the `group`, and `search` within the file name."""

    marks: frozenset[str] = frozenset()
    group: str | None = None
    search: str = ""


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows from index `start` on, of `total` that pass the filter among all `documents`; `counts` by mark, of all."""

    rows: list[dict[str, Any]]
    start: int
    total: int
    documents: int
    counts: Mapping[str, int]


class Listing:
    """The documents of a dataset by its newest files. For one thread at a time."""

    def __init__(self, dataset: Dataset, document_type: DocumentType) -> None:
        self._dataset = dataset
        self._type = document_type
        record = record_tables(document_type)[0]
        self._group = next((column.name for column in record.columns if column.keys == document_type.group), None)
        self._sums: dict[str, tuple[Stamp, pa.Table]] = {}
        self._built: tuple[object, pa.Table] | None = None

    def slice(self, wanted: ListingFilter, start: int = 0, count: int = PAGE) -> Slice:
        """Up to `count` documents that pass the filter, worst first, from index `start` on."""
        table = self._table()
        fits = table
        for mark in wanted.marks:
            fits = fits.filter(fits.column(mark))
        if wanted.group is not None:
            fits = fits.filter(pc.fill_null(pc.equal(fits.column("group"), wanted.group), False))
        if wanted.search:
            fits = fits.filter(pc.match_substring(fits.column("name"), wanted.search, ignore_case=True))
        counts = {mark: pc.sum(table.column(mark)).as_py() or 0 for mark in MARKS}
        return Slice(fits.slice(start, count).to_pylist(), start, fits.num_rows, table.num_rows, counts)

    def groups(self) -> list[tuple[str, int]]:
        """The largest groups with their numbers of documents, by name."""
        counted = pc.value_counts(self._table().column("group").drop_null())
        sizes = [(row["values"], row["counts"]) for row in counted.to_pylist()]
        return sorted(sorted(sizes, key=lambda entry: -entry[1])[:MOST_GROUPS])

    def _table(self) -> pa.Table:
        """One row per document, worst first, with a boolean column for each mark."""
        store, name = self._dataset.store, self._type.name
        stamps = [dict(store.stamps(table)) for table in ("documents", name, "evidence")]
        if self._built is None or self._built[0] != stamps:
            self._built = stamps, self._made(stamps[2])
        return self._built[1]

    def _made(self, evidence: Mapping[str, Stamp]) -> pa.Table:
        names = ["document_id", "file_name", "pages", "status", "problem_kinds"]
        documents = self._dataset.rows("documents", names)
        columns = ["document_id", "needs_review", "corrected_fields", *([self._group] if self._group else [])]
        ids = documents.column("document_id")
        records = _beside(ids, self._dataset.rows(self._type.name, columns))
        sums = _beside(ids, self._sum(evidence))
        corrected = records.column("corrected_fields")
        review = pc.fill_null(records.column("needs_review"), False)
        confidence = sums.column("confidence")
        absent = pc.fill_null(sums.column("absent"), 0)
        partial = pc.fill_null(pc.equal(documents.column("status"), "partial"), False)
        accepted = _holds(corrected, "")
        group = records.column(self._group) if self._group else pa.nulls(len(ids), pa.string())
        made = {
            "id": ids, "name": pc.fill_null(documents.column("file_name"), ""), "pages": documents.column("pages"),
            "group": group, "problems": pc.fill_null(pc.list_value_length(documents.column("problem_kinds")), 0),
            "absences": absent, "confidence": confidence,
            "partial": partial, "absent": pc.greater(absent, 0),
            "low": pc.fill_null(pc.less(confidence, LOW), False), "review": review,
            "corrected": pc.fill_null(pc.greater(pc.list_value_length(corrected), 0), False), "accepted": accepted,
        }  # fmt: skip
        order = [("accepted", "ascending"), ("partial", "descending"), ("review", "descending")]
        order += [
            ("confidence", "ascending"),
            ("absences", "descending"),
            ("problems", "descending"),
            ("name", "ascending"),
        ]
        table = pa.table(made)
        return table.take(pc.sort_indices(table, sort_keys=order)).combine_chunks()

    def _sum(self, stamps: Mapping[str, Stamp]) -> pa.Table:
        """The lowest confidence and the number of absent values of each document."""

        def part(file: str) -> pa.Table:
            cached = self._sums.get(file)
            if cached is None or cached[0] != stamps[file]:
                cached = stamps[file], self._summed(file.removesuffix(".parquet"))
            return cached[1]

        parts = self._dataset.store.map_each(part, list(stamps))
        self._sums = {file: (stamps[file], table) for file, table in zip(stamps, parts, strict=True)}
        return pa.concat_tables(parts) if parts else _SUMMARY.empty_table()

    def _summed(self, shard: str) -> pa.Table:
        has_confidence = (
            "confidence" in self._dataset.tables["evidence"].names
        )  # a dataset of an older version has no confidence
        columns = ["document_id", "match", *(["confidence"] if has_confidence else [])]
        rows = self._dataset.shard_columns("evidence", shard, columns)
        confidence = rows.column("confidence") if has_confidence else pa.nulls(len(rows), pa.float64())
        absent = pc.fill_null(pc.equal(rows.column("match"), "absent"), False).cast(pa.int64())
        table = pa.table({"document_id": rows.column("document_id"), "confidence": confidence, "absent": absent})
        summed = table.group_by("document_id").aggregate([("confidence", "min"), ("absent", "sum")])
        return summed.select(["document_id", "confidence_min", "absent_sum"]).rename_columns(_SUMMARY.names)


MARKS = ("partial", "absent", "low", "review", "corrected")


def marks_of(names: Iterable[str]) -> frozenset[str]:
    """Those of `names` that are marks."""
    return frozenset(names) & frozenset(MARKS)


def _beside(ids: pa.ChunkedArray, table: pa.Table) -> pa.Table:
    """The first row of each of `ids` in `table`, nulls for an id without a row."""
    return table.take(pc.index_in(ids, value_set=table.column("document_id").combine_chunks()))


def _holds(lists: pa.ChunkedArray, value: str) -> pa.Array:
    """Mask of the lists of texts that contain `value`."""
    flat = lists.combine_chunks()
    parents = pc.list_parent_indices(flat).filter(pc.equal(pc.list_flatten(flat), value))
    return pc.is_in(pa.array(range(len(flat)), parents.type), value_set=parents)
