"""Rows of `changes` for incremental readers: field by field, numbered without a gap."""

import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.storage.dataset import Dataset
from schemas.tables import LOG_TABLES

_MADE_BY = frozenset(  # columns about the making of a row, not about its content
    (
        *("run_id", "recipe_id", "model", "extracted_at", "seconds", "source_uri", "file_name"),
        *("requests", "prompt_tokens", "completion_tokens", "cost_usd"),
    )
)


def differences(old: pa.Table, new: pa.Table, pointers: Mapping[str, str], kind: str) -> Iterator[dict[str, Any]]:
    """Rows of `changes` for the differences between old and new rows of a record table: one per field, one per list."""
    is_list = "" in pointers
    columns = [name for name in pointers if name]
    before, after = _by_record(old, columns), _by_record(new, columns)
    for key in sorted({*before, *after}):
        document_id, record = key
        rows = before.get(key, []), after.get(key, [])
        head = {"document_id": document_id, "record": record, "kind": kind}
        if is_list:
            if rows[0] != rows[1]:
                texts = [_as_text(row) if row or kind == "replaced" else None for row in rows]
                yield {**head, "field": pointers[""], "old": texts[0], "new": texts[1]}
            continue
        values = [row[0] if row else dict.fromkeys(columns) for row in rows]
        for name in columns:
            if values[0][name] != values[1][name]:
                texts = [None if value[name] is None else _as_text(value[name]) for value in values]
                yield {**head, "field": pointers[name], "old": texts[0], "new": texts[1]}


def ids_that_differ(old: pa.Table, new: pa.Table) -> set[str]:
    """The documents whose rows in one table differ in content: a value, its place, a status, a problem."""
    names = [name for name in old.schema.names if name not in _MADE_BY]
    before, after = _by_document(old, names), _by_document(new, names)
    return {entry for entry in {*before, *after} if before.get(entry) != after.get(entry)}


def numbered(dataset: Dataset, run_id: str, changes: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    """Rows of `changes`, numbered from the published maximum; `at` never decreases, also after a clock was set back."""
    published = dataset.rows("changes", ["change_id", "at"])
    last = pc.max(published.column("change_id")).as_py() or 0
    at = max(filter(None, [datetime.datetime.now(datetime.UTC), pc.max(published.column("at")).as_py()]))
    rows = [
        {**change, "change_id": last + index, "at": at, "run_id": run_id} for index, change in enumerate(changes, 1)
    ]
    return pa.RecordBatch.from_pylist(rows, schema=LOG_TABLES["changes"])


def _by_document(table: pa.Table, columns: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    grouped: dict[str, list[dict[str, Any]]] = {}
    for row in table.select(columns).to_pylist():
        grouped.setdefault(row["document_id"], []).append(row)
    return grouped


def _by_record(table: pa.Table, columns: Sequence[str]) -> dict[tuple[str, int], list[dict[str, Any]]]:
    grouped: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in table.select(["document_id", "record", *columns]).to_pylist():
        key = (row.pop("document_id"), row.pop("record"))
        grouped.setdefault(key, []).append(row)
    return grouped


def _as_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list | dict) else str(value)
