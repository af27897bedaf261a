"""A document's record, pages and calls to Arrow batches of every table: the only place where rows are made.

Batches are built per document, so that a bad value fails its own document only; the shard concatenates them.
"""

import datetime
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from schemas.document_type import DocumentType
from schemas.fields import escape
from schemas.record_tables import Column, RecordTable, record_tables
from schemas.step_data import Chunk, Completion, Document, DocumentInfo, Record
from schemas.tables import SHARD_TABLES

Batches = dict[str, list[pa.RecordBatch]]
NANO = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Extraction:
    """Facts about one document once its record is merged; `cost_nusd` is in nano-USD, None where a price is unknown."""

    document: Document
    info: DocumentInfo
    record: Record
    recipe_id: str
    model: str
    run_id: str
    extracted_at: datetime.datetime
    seconds: float
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cost_nusd: int | None


def tabulate(extraction: Extraction, document_type: DocumentType) -> Batches:
    """The rows of `documents`, the record tables and `evidence`."""
    document, record = extraction.document, extraction.record
    facts = {
        "document_id": document.document_id, "source_uri": document.source_uri,
        "file_name": document.file_name, "bytes": document.size, "pages": extraction.info.pages,
        "title": extraction.info.title, "document_type": document_type.name, "recipe_id": extraction.recipe_id,
        "model": extraction.model, "run_id": extraction.run_id, "extracted_at": extraction.extracted_at,
        "requests": extraction.requests, "prompt_tokens": extraction.prompt_tokens,
        "completion_tokens": extraction.completion_tokens, "cost_usd": usd(extraction.cost_nusd),
        "seconds": extraction.seconds, "attachments": list(extraction.info.attachments), "extracted": None,
    }  # fmt: skip
    return record_batches(record, facts, document_type)


def record_batches(record: Record, facts: Mapping[str, Any], document_type: DocumentType) -> Batches:
    """The rows of `documents`, the record tables, `checks` and `evidence`.

    `facts` are the columns of `documents` that are not in the record.
    """
    document_id = facts["document_id"]
    problems = [f"{problem.field or 'record'}: {problem.message}" for problem in record.problems]
    kinds = [problem.kind for problem in record.problems]
    batches: Batches = {
        "documents": [
            rows("documents", [{**facts, "status": record.status, "problems": problems, "problem_kinds": kinds}])
        ],
        "checks": [
            rows("checks", ({
                "document_id": document_id, "record": 0, "check": check.check, "ok": check.ok,
                "expected": check.expected, "found": check.found,
            } for check in record.checks))
        ],
        "evidence": [rows("evidence", (_evidence_row(document_id, entry) for entry in record.evidence))],
    }  # fmt: skip
    head = {
        "document_id": document_id, "record": 0, "record_status": record.status, "record_problems": problems,
        "needs_review": record.needs_review, "corrected_fields": list(record.corrected_fields),
        "file_name": facts["file_name"], "first_page": record.first_page, "last_page": record.last_page,
        "recipe_id": facts["recipe_id"], "extracted_at": facts["extracted_at"],
    }  # fmt: skip
    for table in record_tables(document_type):
        if table.is_items:
            batches[table.name] = [_item_batch(table, record, document_id)]
        else:
            cells = {column.name: _cells(column, [record.value])[0] for column in table.columns}
            batches[table.name] = [pa.RecordBatch.from_pylist([{**head, **cells}], schema=table.schema)]
    return batches


def page_batches(document_id: str, chunk: Chunk) -> Batches:
    """The rows of `pages` and `figures` of one chunk; for a page in parts, those of its first part."""
    pages = [
        {
            "document_id": document_id, "page": page.number, "width": page.width, "height": page.height,
            "text": page.text, "sent_as": page.sent_as, "reason": page.reason, "tokens": tokens,
            "chunk": chunk.index, "hidden_text": page.hidden_text,
        }
        for page, tokens in zip(chunk.pages, chunk.page_tokens, strict=True)
    ]  # fmt: skip
    figures = [
        {
            "document_id": document_id, "page": page.number, "figure": figure.number,
            **dict(zip(("x0", "y0", "x1", "y1"), figure.box, strict=True)), "kind": figure.kind,
            "caption": figure.caption, "width": figure.image.width, "height": figure.image.height,
            "image": figure.image.data,
        }
        for page in chunk.pages
        for figure in page.figures
    ]  # fmt: skip
    return {"pages": [rows("pages", pages)], "figures": [rows("figures", figures)]}


def call_row(document_id: str, run_id: str, chunk: int, part: int, completion: Completion) -> dict[str, Any]:
    """One row of `calls`; the journal holds the same mapping as JSON."""
    return {
        "document_id": document_id, "request_id": completion.request_id, "chunk": chunk, "part": part,
        "model": completion.model, "model_returned": completion.model_returned, "provider": completion.provider,
        "finish_reason": completion.finish_reason, "prompt_tokens": completion.prompt_tokens,
        "completion_tokens": completion.completion_tokens, "cost_usd": usd(completion.cost_nusd),
        "seconds": completion.seconds, "attempts": completion.attempts, "response": completion.text, "run_id": run_id,
    }  # fmt: skip


def rows(table: str, values: Iterable[Mapping[str, Any]]) -> pa.RecordBatch:
    """A batch of one of Pagemill's own shard tables."""
    return pa.RecordBatch.from_pylist([dict(value) for value in values], schema=SHARD_TABLES[table])


def usd(amount_nusd: int | None) -> float | None:
    """USD from nano-USD; None where the price is unknown."""
    return None if amount_nusd is None else amount_nusd / NANO


def _evidence_row(document_id: str, evidence: Any) -> dict[str, Any]:
    box = evidence.box or (None, None, None, None)
    return {
        "document_id": document_id, "record": 0, "field": evidence.field, "value": evidence.value, "page": evidence.page,
        "x0": box[0], "y0": box[1], "x1": box[2], "y1": box[3], "quote": evidence.quote, "match": evidence.match,
        "confidence": evidence.confidence,
    }  # fmt: skip


def _item_batch(table: RecordTable, record: Record, document_id: str) -> pa.RecordBatch:
    """The rows of a list, built column by column for speed: a long list has a hundred thousand rows."""
    located = list(_items(record.value, table.steps, (), ""))
    items = [item for _, _, item in located]
    count = len(located)
    columns = {
        "document_id": [document_id] * count,
        "record": [0] * count,
        **{name: [indexes[at] for indexes, _, _ in located] for at, name in enumerate(table.index_names)},
        "item_index": [indexes[-1] for indexes, _, _ in located],
        "item_page": [record.item_pages.get(pointer) for _, pointer, _ in located],
        "record_status": [record.status] * count,
        **{column.name: _cells(column, items) for column in table.columns},
    }
    arrays = [pa.array(columns[entry.name], entry.type) for entry in table.schema]
    return pa.RecordBatch.from_arrays(arrays, schema=table.schema)


def _items(
    value: Any, steps: Sequence[tuple[str, ...]], indexes: tuple[int, ...], pointer: str
) -> Iterator[tuple[tuple[int, ...], str, Any]]:
    """The items of a list, each with its indexes in the lists around it and its JSON pointer."""
    below = _value(value, steps[0]) or ()
    here = pointer + "".join(f"/{escape(key)}" for key in steps[0])
    if len(steps) == 1:
        yield from (((*indexes, index), f"{here}/{index}", item) for index, item in enumerate(below))
        return
    for index, item in enumerate(below):
        yield from _items(item, steps[1:], (*indexes, index), f"{here}/{index}")


def _cells(column: Column, values: Sequence[Any]) -> list[Any]:
    """The cells of one column, for the objects in `values`."""
    cells = list(values)
    for key in column.keys:
        cells = [entry.get(key) if isinstance(entry, dict) else None for entry in cells]
    if column.field.kind == "json":
        return [
            json.dumps(entry, ensure_ascii=False, default=str) if isinstance(entry, dict) else entry for entry in cells
        ]
    return cells


def _value(value: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value
