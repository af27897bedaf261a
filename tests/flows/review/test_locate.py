"""Where a typed value stands on the page: as typed or in another form, in its own row, and nowhere else."""

from typing import Any

import pytest

from extractors.parse.parse import parse
from flows.review.locate import locate
from schemas.fields import field_tree
from tests.support.sheets import ROOT, items, page

ROWS = [("A1", "Bolt long", 4, "9.50"), ("A2", "Bolt short", 4, "7.25"), ("A3", "Nut", 12, "9.50")]
PAGE = page(1, ROWS)
RECORD: dict[str, Any] = {"number": "7", "rows": items(ROWS)}
NESTED = field_tree(
    {
        "type": "object",
        "properties": {
            "total": {"type": "number", "format": "decimal"},
            "words": {"type": "array", "items": {"type": "string"}},
            "groups": {"type": "array", "items": {"type": "object", "properties": {
                "a/b": {"type": "object", "properties": {"name": {"type": "string"}}},
                "rows": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}, "price": {"type": "number", "format": "decimal"}}}},
            }}},
        },
    }
)  # fmt: skip


def row_of(y: float) -> int:
    return round((y - 60) / 10)


def of_record() -> dict[str, Any]:
    """The record with every key that the schema has."""
    import json

    return dict(parse(json.dumps(RECORD), ROOT).value)


@pytest.mark.parametrize(("row", "typed"), [(0, "4"), (1, "4"), (1, "4.0"), (2, "12")])
def test_a_value_of_a_row_is_placed_in_its_row(row: int, typed: str) -> None:
    found = locate(PAGE, ROOT, of_record(), f"/rows/{row}/quantity", typed)
    assert found is not None
    assert (found.field, found.page, row_of(found.box[1])) == (f"/rows/{row}/quantity", 1, row)


@pytest.mark.parametrize("row", [0, 2])
def test_of_equal_prices_the_one_of_the_row_is_taken(row: int) -> None:
    found = locate(PAGE, ROOT, of_record(), f"/rows/{row}/price", "9,50")
    assert found is not None
    assert (row_of(found.box[1]), found.match, found.value) == (row, "normalized", "9.5")


@pytest.mark.parametrize(
    ("pointer", "typed"),
    [
        ("/number", "not on the page"), ("/rows/0/quantity", "many"), ("/rows/0/name", "Bolt lonk"), ("/rows", "4"),
        ("/rows/0", "4"), ("/nothing", "4"), ("", "4"), ("/rows/9/quantity", "9"), ("/number", ""), ("/number", "Total carried forwrad"),
    ],
)  # fmt: skip
def test_what_is_no_value_or_not_there_as_typed_has_no_place(pointer: str, typed: str) -> None:
    assert locate(PAGE, ROOT, of_record(), pointer, typed) is None


def test_values_in_objects_and_in_lists_of_lists_are_placed() -> None:
    record = {
        "total": None, "words": ["Bolt"],
        "groups": [{"a/b": {"name": None}, "rows": [{"name": "Bolt long", "price": None}, {"name": "Nut", "price": None}]}],
    }  # fmt: skip
    assert locate(PAGE, NESTED, record, "/total", "1.234,50") is not None
    assert locate(PAGE, NESTED, record, "/words/0", "Nut") is not None
    assert locate(PAGE, NESTED, record, "/groups/0/a~1b/name", "Article") is not None
    found = locate(PAGE, NESTED, record, "/groups/0/rows/1/price", "9.5")
    assert found is not None
    assert row_of(found.box[1]) == 2
