"""Published records read from the tables: nested in the shape of their type, with evidence and checks."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from extractors.parse.coerce import parse_json, parse_value
from extractors.tabulate.record_of_rows import Rows, assemble
from flows.review.corrections import record_tables_of
from flows.storage.dataset import BIRTH_FILE, Dataset
from schemas.document_type import DocumentType
from schemas.errors import ConfigurationError
from schemas.step_data import Record


@dataclass(frozen=True, slots=True)
class Published:
    """One published document: `document` is its row of `documents`, `head` the row of its record.

    `value` is the published record, `extracted` the record as the model read it, None where people have not corrected it.
    `evidence` and `checks` are rows of these tables.
    """

    shard: str
    document_id: str
    document: Mapping[str, Any]
    head: Mapping[str, Any]
    record: Record
    evidence: Sequence[Mapping[str, Any]]
    checks: Sequence[Mapping[str, Any]]
    extracted: Mapping[str, Any] | None

    @property
    def value(self) -> dict[str, Any]:
        """The record, nested in the shape of the schema."""
        return dict(self.record.value)


def read_records(
    dataset: Dataset, document_type: DocumentType, ids: Collection[str] | None = None
) -> Iterator[Published]:
    """The published documents, a shard at a time; with `ids` only these."""
    wanted = None if ids is None else pa.array(sorted(ids), pa.string())
    shards = dataset.files("documents") if wanted is None else dataset.shards_with("documents", wanted)
    for shard in shards:
        if f"{shard}.parquet" != BIRTH_FILE:
            yield from _of_shard(dataset, document_type, shard, wanted)


def read_record(dataset: Dataset, document_type: DocumentType, document_id: str) -> Published:
    """One published document. Raises ConfigurationError for one that is not published."""
    for record in read_records(dataset, document_type, [document_id]):
        return record
    raise ConfigurationError(f"{document_id} is not published in {dataset.location}; see `pagemill status`")


def _of_shard(
    dataset: Dataset, document_type: DocumentType, shard: str, wanted: pa.Array | None
) -> Iterator[Published]:
    by_document: dict[str, dict[str, list[dict[str, Any]]]] = {}
    names = record_tables_of(document_type)
    for table in names:
        for batch in dataset.shard_batches(table, shard):
            kept = batch if wanted is None else batch.filter(pc.is_in(batch.column("document_id"), value_set=wanted))
            for row in kept.to_pylist():
                by_document.setdefault(row["document_id"], {name: [] for name in names})[table].append(row)
    for document_id, rows in by_document.items():
        if rows["documents"] and rows[document_type.name]:  # else its publish is not complete
            yield published(shard, document_id, rows, document_type)


def published(shard: str, document_id: str, rows: Rows, document_type: DocumentType) -> Published:
    """One document from its rows, by table."""
    (document,), (head,) = rows["documents"], rows[document_type.name]
    record = assemble(rows, document_type)
    text = document.get("extracted")
    extracted = None if text is None else parse_value(parse_json(text), document_type.root, "")[0]
    return Published(shard, document_id, document, head, record, rows["evidence"], rows["checks"], extracted)
