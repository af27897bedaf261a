"""Corrections by people: the log table read, and applied last to whatever is published."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from extractors.corrections.correct import reapplied
from extractors.tabulate.assemble import assemble, evidence_of
from extractors.tabulate.tabulate import record_batches
from extractors.values import json_text
from flows.storage.dataset import Dataset
from flows.storage.publish import Last, TableBatches, publish
from schemas.document_type import DocumentType
from schemas.pipeline import Correction
from schemas.record_tables import record_tables

_RECORD = ("status", "problems", "problem_kinds")  # columns of `documents` that a record tells


@dataclass(frozen=True, slots=True)
class Disagreed:
    """A place where a recipe reads something else than what a person has said, both as text."""

    document_id: str
    field: str
    machine: str | None
    corrected: str | None
    by: str | None


def correction_rows(dataset: Dataset, ids: Collection[str] | None = None) -> dict[str, list[dict[str, Any]]]:
    """The rows of `corrections` by document, oldest first."""
    if "corrections" not in dataset.tables:  # made by an older Pagemill, and not written to since
        return {}
    table = dataset.rows("corrections", dataset.tables["corrections"].names)
    if ids is not None:
        table = table.filter(pc.is_in(table.column("document_id"), value_set=pa.array(sorted(ids), pa.string())))
    found: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(table.to_pylist(), key=lambda row: row["correction_id"]):
        found.setdefault(row["document_id"], []).append(row)
    return found


def correction_in(row: Mapping[str, Any]) -> Correction:
    """The correction in a row of `corrections`."""
    is_placed = row["page"] is not None
    evidence = evidence_of({**row, "value": row["new"], "match": "corrected"}) if is_placed else None
    return Correction(row["field"], row["old"], row["new"], row["context"], evidence)


def document_facts(document: Mapping[str, Any]) -> dict[str, Any]:
    """Facts in a row of `documents` beside the record."""
    return {name: value for name, value in document.items() if name not in _RECORD}


def record_tables_of(document_type: DocumentType) -> list[str]:
    """The tables that tell a document's record."""
    return ["documents", "evidence", "checks", *(table.name for table in record_tables(document_type))]


def with_corrections(
    dataset: Dataset, batches: TableBatches, document_type: DocumentType
) -> tuple[TableBatches, list[Disagreed]]:
    """The rows with all that people have corrected of their documents, and where these rows say something else."""
    ids = [row for batch in batches.get("documents", ()) for row in batch.column("document_id").to_pylist()]
    corrections = correction_rows(dataset, ids) if ids else {}
    if not corrections:
        return batches, []
    known = pa.array(sorted(corrections), pa.string())
    made: dict[str, list[pa.RecordBatch]] = {}
    found: list[Disagreed] = []
    tables = record_tables_of(document_type)
    batches = {**{name: [] for name in tables}, **batches}
    by_table = {name: _by_document(batches[name], known) for name in tables}
    for document_id, rows in corrections.items():
        mine = {name: by_table[name].get(document_id, []) for name in tables}
        record = assemble(mine, document_type)
        changed, differing = reapplied(record, [correction_in(row) for row in rows], document_type)
        facts = {**document_facts(mine["documents"][0]), "extracted": json_text(record.value)}
        for name, after in record_batches(changed, facts, document_type).items():
            made.setdefault(name, []).extend(after)
        by = {row["field"]: row["by"] for row in rows}
        last = rows[-1]["by"]
        found += [
            Disagreed(document_id, entry.field, entry.machine, entry.corrected, by.get(entry.field, last))
            for entry in differing
        ]
    others = {
        name: [
            batch.filter(pc.invert(pc.is_in(batch.column("document_id"), value_set=known))) for batch in batches[name]
        ]
        for name in tables
    }
    return {**batches, **{name: [*others[name], *made[name]] for name in tables}}, found


def corrector(dataset: Dataset, document_type: DocumentType) -> Last:
    """Function that publishing calls last: it applies people's corrections."""
    return lambda batches: with_corrections(dataset, batches, document_type)[0]


def carry_corrections(old: Dataset, new: Dataset, name: str) -> int:
    """Tell the dataset `new` what people have corrected in `old`; returns how many rows it did not know yet.

    `name` is this command's own, `<run_id>-<n>`. Done before anything is published there, so that it is put in.
    """
    rows = [{**row, "run_id": None} for made in correction_rows(old).values() for row in made]
    with new.locked():
        known = {_made(row) for made in correction_rows(new).values() for row in made}
    if fresh := [row for row in rows if _made(row) not in known]:
        publish(new, name, {"corrections": [pa.RecordBatch.from_pylist(fresh, schema=new.tables["corrections"])]})
    return len(fresh)


def _made(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["document_id"], row["field"], row["at"], row["by"]


def _by_document(batches: Any, ids: pa.Array) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for batch in batches:
        for row in batch.filter(pc.is_in(batch.column("document_id"), value_set=ids)).to_pylist():
            found.setdefault(row["document_id"], []).append(row)
    return found
