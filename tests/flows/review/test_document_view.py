"""One document as the page draws it: every value of the record once, under its own pointer, as a person would type it."""

import datetime
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from flows.review.correct import correct, open_with_type
from flows.review.document_view import _node, document_view, page_text, text_of, version_of
from flows.review.records import read_record
from schemas.fields import Field, field_tree

SCHEMA = {
    "type": "object",
    "required": ["title"],
    "properties": {
        "title": {"type": "string", "enum": ["a", "b"]},
        "paid": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "a/b": {"type": "object", "properties": {"~c": {"type": "number", "format": "decimal", "x-unit": "kg"}}},
        "groups": {"type": "array", "items": {"type": "object", "properties": {
            "name": {"type": "string"},
            "of": {"type": "object", "properties": {"on": {"type": "string", "format": "date"}, "notes": {"type": "array", "items": {"type": "string"}}}},
            "rows": {"type": "array", "items": {"type": "object", "properties": {"amount": {"type": "number", "format": "decimal", "x-pagemill-scale": 4}}}},
        }}},
    },
}  # fmt: skip
RECORD = {
    "title": "a", "paid": False, "tags": ["x", "y"], "a/b": {"~c": Decimal("1.50")},
    "groups": [
        {"name": "one", "of": {"on": datetime.date(2026, 3, 1), "notes": ["n"]}, "rows": [{"amount": Decimal("1234.5000")}, {"amount": None}]},
        {"name": None, "of": {"on": None, "notes": []}, "rows": []},
    ],
}  # fmt: skip


def leaves(node: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    """The pointers under which the page would show values, as its script makes them."""
    for child in node.get("fields", ()):
        yield from leaves(child)
    for place, value in enumerate(node.get("values", ())):
        yield f"{node['at']}/{place}", value
    for place, row in enumerate(node.get("rows", ())):
        for column, cell in zip(node["columns"], row["cells"], strict=True):
            yield f"{node['at']}/{place}{column['steps']}", cell
        for child in row.get("lists", ()):
            yield from leaves(child)
    if "value" in node:
        yield node["at"], node["value"]


def test_every_value_is_there_once_under_its_pointer() -> None:
    nodes = [_node(child, "", RECORD.get(child.name)) for child in field_tree(SCHEMA).fields]
    found = [leaf for node in nodes for leaf in leaves(node)]
    assert found == [
        ("/title", "a"), ("/paid", "false"), ("/tags/0", "x"), ("/tags/1", "y"), ("/a~1b/~0c", "1.5"),
        ("/groups/0/name", "one"), ("/groups/0/of/on", "2026-03-01"), ("/groups/0/of/notes/0", "n"),
        ("/groups/0/rows/0/amount", "1234.50"), ("/groups/0/rows/1/amount", None),
        ("/groups/1/name", None), ("/groups/1/of/on", None),
    ]  # fmt: skip
    told = {node["name"]: node for node in nodes}
    assert (told["title"]["choices"], told["title"]["required"]) == (["a", "b"], True)
    assert told["a/b"]["fields"][0]["unit"] == "kg"
    assert [column["name"] for column in told["groups"]["columns"]] == ["name", "of on"]


@pytest.mark.parametrize(
    ("value", "scale", "text"),
    [
        (Decimal("1234.5000"), 4, "1234.50"), (Decimal("7.0000"), 4, "7.00"), (Decimal("-0.1234"), 4, "-0.1234"),
        (Decimal("2.500000"), 6, "2.5"), (3, 6, "3"), (2.5, 6, "2.5"), (True, 6, "true"), (None, 4, None), ("", 6, ""),
        (datetime.date(2026, 3, 1), 6, "2026-03-01"), (datetime.datetime(2026, 3, 1, 8, 30), 6, "2026-03-01T08:30:00"),
    ],
)  # fmt: skip
def test_a_value_is_told_as_a_person_would_type_it(value: Any, scale: int, text: str | None) -> None:
    assert text_of(value, Field("x", "decimal", scale=scale)) == text


def test_a_document_is_told_with_its_places_checks_pages_and_changes(out: Path) -> None:
    dataset, document_type = open_with_type(out)
    ids = dict(zip(*(dataset.rows("documents", ["file_name", "document_id"]).to_pydict().values()), strict=True))
    told = document_view(dataset, document_type, ids["calder_point.pdf"])
    assert json.loads(json.dumps(told)) == told
    record = read_record(dataset, document_type, ids["calder_point.pdf"])
    values = dict(leaf for node in told["fields"] for leaf in leaves(node))
    for row in record.evidence:
        if row["match"] != "conflict":
            assert values[row["field"]] is not None
            place = told["places"][row["field"]]
            assert place["page"] == row["page"]
            assert place["box"] == pytest.approx([row[side] for side in ("x0", "y0", "x1", "y1")], abs=0.01)
    assert [each["field"] for each in told["conflicts"]] == ["/net_total"]
    assert [page["page"] for page in told["pages"]] == [1, 2, 3]
    assert [each["check"] for each in told["checks"]] == ["net", "gross", "dates"]
    assert (told["history"], told["accepted"], told["corrected"]) == ([], False, [])
    assert "CPM-118-2604" in page_text(dataset, told["shard"], told["id"], 1)
    assert page_text(dataset, told["shard"], told["id"], 9) == ""

    correct(dataset, document_type, told["id"], "/number", "X-1", by="Ada", note="as stamped")
    correct(dataset, document_type, told["id"], "", None, by="Bo")
    after = document_view(dataset, document_type, told["id"])
    assert (after["corrected"], after["accepted"], after["review"]) == (["/number"], True, False)
    first, second = after["history"]
    assert (first["by"], first["field"]) == ("Bo", "")
    assert {name: second[name] for name in ("by", "field", "old", "new", "note")} == {
        "by": "Ada", "field": "/number", "old": "CPM-118-2604", "new": "X-1", "note": "as stamped",
    }  # fmt: skip
    assert after["places"]["/number"]["match"] == "corrected"
    assert len({told["version"], after["version"], version_of(record)}) == 2
