"""Published rows of one document back to its Record: the inverse of tabulate."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from schemas.checks import CheckResult
from schemas.document_type import DocumentType
from schemas.fields import Field, escape
from schemas.record_tables import RecordTable, record_tables
from schemas.step_data import Evidence, Problem, Record

Rows = Mapping[str, Sequence[Mapping[str, Any]]]  # rows of one document, by table


def assemble(rows: Rows, document_type: DocumentType) -> Record:
    """The record in `rows` (of `documents`, `evidence`, `checks` and the record tables)."""
    value, item_pages = value_of(rows, document_type)
    (document,) = rows["documents"]
    (head,) = rows[document_type.name]
    fields = {check.name: check.fields for check in document_type.checks}
    return Record(
        value=value,
        evidence=tuple(evidence_of(row) for row in rows["evidence"]),
        problems=tuple(_problems(document)),
        status=document["status"],
        needs_review=bool(head["needs_review"]),
        first_page=head["first_page"],
        last_page=head["last_page"],
        item_pages=item_pages,
        checks=tuple(
            CheckResult(row["check"], row["ok"], row["expected"], row["found"], fields.get(row["check"], ()))
            for row in rows["checks"]
        ),
        corrected_fields=tuple(head["corrected_fields"] or ()),
    )


def value_of(rows: Rows, document_type: DocumentType) -> tuple[dict[str, Any], dict[str, int | None]]:
    """The nested value of the record tables' rows, and the page of each list item by its JSON pointer."""
    tables = record_tables(document_type)
    value = _empty(document_type.root)
    pages: dict[str, int | None] = {}
    for table in tables:
        if not table.is_items:
            for row in rows[table.name]:
                _fill(value, table, row)
            continue
        names = [*table.index_names, "item_index"]
        for row in sorted(rows[table.name], key=lambda row: [row[name] for name in names]):
            holder, item, pointer = _holder(value, document_type.root, table, [row[name] for name in names])
            _fill(item, table, row)
            holder.append(item)
            pages[f"{pointer}/{len(holder) - 1}"] = row["item_page"]
    return value, pages


def evidence_of(row: Mapping[str, Any]) -> Evidence:
    """A row of `evidence`."""
    sides = (row["x0"], row["y0"], row["x1"], row["y1"])
    box = None if None in sides else sides
    return Evidence(row["field"], row["value"], row["page"], box, row["quote"], row["match"], row.get("confidence"))


def _problems(document: Mapping[str, Any]) -> Iterator[Problem]:
    """Problems from their texts, which begin with the field (tabulate writes them)."""
    kinds = document["problem_kinds"] or ["check"] * len(
        document["problems"] or ()
    )  # tables of older versions have no kinds
    for text, kind in zip(document["problems"] or (), kinds, strict=True):
        field, _, message = text.partition(": ")
        yield Problem("" if field == "record" else field, kind, message)


def _empty(field: Field) -> dict[str, Any]:
    """An empty record or item in its full shape."""
    return {
        child.name: _empty(child) if child.kind == "object" else [] if child.item is not None else None
        for child in field.fields
    }


def _fill(item: dict[str, Any], table: RecordTable, row: Mapping[str, Any]) -> None:
    for column in table.columns:
        holder = item
        for key in column.keys[:-1]:
            holder = holder[key]
        cell = row[column.name]
        holder[column.keys[-1]] = [] if cell is None and column.field.item is not None else cell


def _holder(
    value: dict[str, Any], root: Field, table: RecordTable, indexes: Sequence[int]
) -> tuple[list[Any], dict[str, Any], str]:
    """The list of an item, an empty item for it, and the list's JSON pointer."""
    here: Any = value
    field: Field | None = root
    pointer = ""
    for step, keys in enumerate(table.steps):
        for key in keys:
            here = here[key]
            field = next(child for child in field.fields if child.name == key) if field is not None else None
            pointer += f"/{escape(key)}"
        assert field is not None
        field = field.item
        if step < len(table.steps) - 1:
            here = here[indexes[step]]
            pointer += f"/{indexes[step]}"
    assert field is not None
    return here, _empty(field), pointer
