"""One document as data of the page: its fields as texts with their places, its problems, its history of corrections."""

import datetime
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from extractors.values import printed
from flows.review.records import Published, read_record
from flows.storage.dataset import Dataset
from schemas.document_type import DocumentType
from schemas.fields import MONEY_SCALE, Field, escape, value_at

_PAGES = ("document_id", "page", "width", "height", "sent_as", "hidden_text")
_HISTORY = ("at", "by", "field", "old", "new", "note")

Json = dict[str, Any]


def document_view(dataset: Dataset, document_type: DocumentType, document_id: str) -> Json:
    """The document as JSON values; every value of the record is text, as a person would type it, or None.

    Raises PagemillError for a document that is not published.
    """
    record = read_record(dataset, document_type, document_id)
    return {
        "id": document_id,
        "shard": record.shard,
        "name": record.document["file_name"] or "",
        "source": record.document["source_uri"] or "",
        "model": record.document["model"] or "",
        "extracted_at": _moment(record.document["extracted_at"]),
        "status": record.document["status"],
        "review": bool(record.head["needs_review"]),
        "accepted": "" in (record.head["corrected_fields"] or ()),
        "corrected": [entry for entry in record.head["corrected_fields"] or () if entry],
        "version": version_of(record),
        "problems": list(record.document["problems"] or ()),
        "checks": [{name: check[name] for name in ("check", "ok", "expected", "found")} for check in record.checks],
        "fields": [_node(child, "", record.value.get(child.name)) for child in document_type.root.fields],
        "places": {entry["field"]: _evidence(entry) for entry in record.evidence if entry["match"] != "conflict"},
        "conflicts": [
            {"field": entry["field"], **_evidence(entry)} for entry in record.evidence if entry["match"] == "conflict"
        ],
        "pages": _pages(dataset, record.shard, document_id),
        "history": _history(dataset, document_id),
    }


def version_of(record: Published) -> str:
    """Version token for optimistic locking: a hash of everything shown of the record."""
    shown = [record.value, record.head["corrected_fields"], record.document["status"], record.document["run_id"]]
    text = json.dumps(shown, default=str, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def text_of(value: Any, field: Field) -> str | None:
    """A leaf as a person would type it: money with at least two decimals."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    text = printed(value)
    if isinstance(value, Decimal) and field.scale == MONEY_SCALE:
        whole, _, places = text.partition(".")
        return f"{whole}.{places:0<2}"
    return text


def page_text(dataset: Dataset, shard: str, document_id: str, number: int) -> str:
    """The text of a page as it was sent; empty where it is no longer kept."""
    rows = dataset.shard_columns("pages", shard, ["document_id", "page", "text"])
    is_page = pc.and_(pc.equal(rows.column("document_id"), document_id), pc.equal(rows.column("page"), number))
    texts = rows.filter(is_page).column("text").to_pylist()
    return (texts[0] if texts else None) or ""


def _node(field: Field, above: str, value: Any) -> Json:
    """A field with its value: an object's `fields`, a list's `rows` under `columns`, a list's `values`, or one `value`."""
    at = f"{above}/{escape(field.name)}"
    about = _about(field)
    if field.kind == "object":
        below = value or {}
        return {**about, "at": at, "fields": [_node(child, at, below.get(child.name)) for child in field.fields]}
    if field.item is None:
        return {**about, "at": at, "value": text_of(value, field)}
    items = value or []
    if field.item.kind != "object":
        return {
            **about,
            "at": at,
            "item": _about(field.item),
            "values": [text_of(entry, field.item) for entry in items],
        }
    columns = list(_columns(field.item, ()))
    lists = list(_lists(field.item, ""))
    rows = []
    for index, item in enumerate(items):
        cells = [text_of(value_at(item, keys), leaf) for keys, leaf in columns]
        here = f"{at}/{index}"
        below_it = [_node(child, f"{here}{steps}", _below(item, steps, child)) for steps, child in lists]
        rows.append({"cells": cells, **({"lists": below_it} if below_it else {})})
    heads = [{**_about(leaf), "name": " ".join(keys), "steps": _pointer(keys)} for keys, leaf in columns]
    return {**about, "at": at, "columns": heads, "rows": rows}


def _below(item: Any, steps: str, child: Field) -> Any:
    return value_at(item, [*steps.split("/")[1:], child.name])


def _about(field: Field) -> Json:
    """Facts about a field for its display and input; empty ones are left out."""
    about = {
        "name": field.name, "kind": field.kind, "about": field.description, "unit": field.unit, "limits": field.limits,
        "choices": list(field.choices), "required": field.required,
    }  # fmt: skip
    return {key: fact for key, fact in about.items() if fact}


def _columns(field: Field, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Field]]:
    """The leaves of an item, including those of its objects."""
    for child in field.fields:
        here = (*keys, child.name)
        if child.kind == "object":
            yield from _columns(child, here)
        elif child.is_leaf:
            yield here, child


def _lists(field: Field, steps: str) -> Iterator[tuple[str, Field]]:
    """The lists in an item, each with the pointer of the object around it."""
    for child in field.fields:
        if child.kind == "object":
            yield from _lists(child, f"{steps}/{escape(child.name)}")
        elif child.item is not None:
            yield steps, child


def _pointer(keys: Sequence[str]) -> str:
    return "".join(f"/{escape(key)}" for key in keys)


def _evidence(row: Mapping[str, Any]) -> Json:
    box = [row[side] for side in ("x0", "y0", "x1", "y1")]
    return {
        "page": row["page"], "box": None if None in box else [round(side, 2) for side in box],
        "quote": row["quote"], "match": row["match"],
        "confidence": row.get("confidence"), "value": row["value"],
    }  # fmt: skip


def _pages(dataset: Dataset, shard: str, document_id: str) -> list[Json]:
    rows = _of(dataset.shard_columns("pages", shard, _PAGES), document_id).sort_by("page")
    return [{name: row[name] for name in _PAGES[1:]} for row in rows.to_pylist()]


def _history(dataset: Dataset, document_id: str) -> list[Json]:
    """The corrections of a document, the newest first."""
    if "corrections" not in dataset.tables:  # a dataset of an older version
        return []
    rows = _of(dataset.rows("corrections", ["document_id", "correction_id", *_HISTORY]), document_id)
    corrections = rows.sort_by([("correction_id", "descending")]).to_pylist()
    return [{**{name: row[name] for name in _HISTORY}, "at": _moment(row["at"])} for row in corrections]


def _of(rows: pa.Table, document_id: str) -> pa.Table:
    return rows.filter(pc.equal(rows.column("document_id"), document_id))


def _moment(at: datetime.datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"
