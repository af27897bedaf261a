"""Corrections by people: the log table read, and applied as the last step of every publish."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from extractors.corrections.correct import reapplied
from extractors.tabulate.record_of_rows import assemble, evidence_of
from extractors.tabulate.tabulate import record_batches
from extractors.values import json_text
from flows.storage.dataset import Dataset
from flows.storage.publish import Last, TableBatches, publish
from schemas.document_type import DocumentType
from schemas.record_tables import record_tables
from schemas.step_data import Correction

_RECORD = ("status", "problems", "problem_kinds")  # columns of `documents` that are made from the record


@dataclass(frozen=True, slots=True)
class Disagreed:
    """A field whose value by the model differs from a person's correction; both values as text."""

    document_id: str
    field: str
    machine: str | None
    corrected: str | None
    by: str | None


def correction_rows(dataset: Dataset, ids: Collection[str] | None = None) -> dict[str, list[dict[str, Any]]]:
    """The rows of `corrections` by document, oldest first."""
    if "corrections" not in dataset.tables:  # a dataset of an older version that was not written to since
        return {}
    table = dataset.rows("corrections", dataset.tables["corrections"].names)
    if ids is not None:
        table = table.filter(pc.is_in(table.column("document_id"), value_set=pa.array(sorted(ids), pa.string())))
    by_document: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(table.to_pylist(), key=lambda row: row["correction_id"]):
        by_document.setdefault(row["document_id"], []).append(row)
    return by_document


def correction_in(row: Mapping[str, Any]) -> Correction:
    """The correction in a row of `corrections`."""
    is_placed = row["page"] is not None
    evidence = evidence_of({**row, "value": row["new"], "match": "corrected"}) if is_placed else None
    return Correction(row["field"], row["old"], row["new"], row["context"], evidence)


def document_facts(document: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of a row of `documents` that are not made from the record."""
    return {name: value for name, value in document.items() if name not in _RECORD}


def record_tables_of(document_type: DocumentType) -> list[str]:
    """The tables with rows of a document's record."""
    return ["documents", "evidence", "checks", *(table.name for table in record_tables(document_type))]


def with_corrections(
    dataset: Dataset, batches: TableBatches, document_type: DocumentType
) -> tuple[TableBatches, list[Disagreed]]:
    """The rows with all corrections of their documents applied, and the fields whose values differ from the corrections."""
    ids = [row for batch in batches.get("documents", ()) for row in batch.column("document_id").to_pylist()]
    corrections = correction_rows(dataset, ids) if ids else {}
    if not corrections:
        return batches, []
    corrected_ids = pa.array(sorted(corrections), pa.string())
    made: dict[str, list[pa.RecordBatch]] = {}
    disagreements: list[Disagreed] = []
    tables = record_tables_of(document_type)
    batches = {**{name: [] for name in tables}, **batches}
    by_table = {name: _by_document(batches[name], corrected_ids) for name in tables}
    for document_id, rows in corrections.items():
        own_rows = {name: by_table[name].get(document_id, []) for name in tables}
        record = assemble(own_rows, document_type)
        changed, differing = reapplied(record, [correction_in(row) for row in rows], document_type)
        facts = {**document_facts(own_rows["documents"][0]), "extracted": json_text(record.value)}
        for name, after in record_batches(changed, facts, document_type).items():
            made.setdefault(name, []).extend(after)
        by = {row["field"]: row["by"] for row in rows}
        last = rows[-1]["by"]
        disagreements += [
            Disagreed(document_id, entry.field, entry.machine, entry.corrected, by.get(entry.field, last))
            for entry in differing
        ]
    uncorrected = {
        name: [
            batch.filter(pc.invert(pc.is_in(batch.column("document_id"), value_set=corrected_ids)))
            for batch in batches[name]
        ]
        for name in tables
    }
    return {**batches, **{name: [*uncorrected[name], *made[name]] for name in tables}}, disagreements


def corrector(dataset: Dataset, document_type: DocumentType) -> Last:
    """Last step of a publish: a function that applies people's corrections."""
    return lambda batches: with_corrections(dataset, batches, document_type)[0]


def carry_corrections(old: Dataset, new: Dataset, name: str) -> int:
    """Copy the corrections of the dataset `old` to `new`; returns the number of copied rows.

    `name` is the shard's name of this command, `<run_id>-<n>`. To be called before any publish in `new`, which then applies
    them.
    """
    rows = [{**row, "run_id": None} for made in correction_rows(old).values() for row in made]
    with new.locked():
        present = {_made(row) for made in correction_rows(new).values() for row in made}
    if fresh := [row for row in rows if _made(row) not in present]:
        publish(new, name, {"corrections": [pa.RecordBatch.from_pylist(fresh, schema=new.tables["corrections"])]})
    return len(fresh)


def _made(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["document_id"], row["field"], row["at"], row["by"]


def _by_document(batches: Any, ids: pa.Array) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {}
    for batch in batches:
        for row in batch.filter(pc.is_in(batch.column("document_id"), value_set=ids)).to_pylist():
            rows.setdefault(row["document_id"], []).append(row)
    return rows
