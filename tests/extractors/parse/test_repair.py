"""Only what failed is asked for again, and only that is changed by what comes back."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extractors.parse.parse import parse
from extractors.parse.repair import INDEX_NAME, MOST_ITEMS, failing, repaired
from extractors.prompt.prompt import wire_schema
from schemas.fields import field_tree
from schemas.step_data import Problem
from tests.support.examples import examples

ROOT = field_tree(
    {
        "type": "object",
        "properties": {
            "number": {"type": "string"},
            "total": {"type": "number"},
            "seller": {"type": "object", "properties": {"name": {"type": "string"}, "since": {"type": "string", "format": "date"}}},
            "days": {"type": "array", "items": {"type": "string", "format": "date"}},
            "rows": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "name": {"type": "string"},
                        "count": {"type": "integer"},
                        "parts": {"type": "array", "items": {"type": "object", "properties": {"weight": {"type": "number"}}}},
                    },
                },
            },
        },
    }
)  # fmt: skip
RIGHT: dict[str, Any] = {
    "number": "7",
    "total": 12.5,
    "seller": {"name": "Acme", "since": "2020-01-02"},
    "days": ["2026-01-01", "2026-01-02"],
    "rows": [{"name": f"row {n}", "count": n, "parts": [{"weight": n + 0.5}, {"weight": n + 0.7}]} for n in range(3)],
}


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [leaf for key, below in value.items() for leaf in leaves(below, (*path, key))]
    if isinstance(value, list):
        return [leaf for place, below in enumerate(value) for leaf in leaves(below, (*path, place))]
    return [path]


def put(value: Any, path: tuple[Any, ...], new: Any) -> None:
    for step in path[:-1]:
        value = value[step]
    value[path[-1]] = new


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def answer_to(schema: dict[str, Any], value: Any) -> Any:
    """What a model that reads well answers to a schema: what it asks for, items with their places."""
    if schema.get("type") == "object":
        return {key: answer_to(below, value.get(key)) for key, below in schema["properties"].items()}
    if schema.get("type") == "array":
        inside = schema["items"].get("properties", {})
        if INDEX_NAME not in inside:
            return [answer_to(schema["items"], each) for each in value]
        found = []
        for place, each in enumerate(value):
            held = each if isinstance(each, dict) else {"value": each}
            found.append({**{key: answer_to(below, held.get(key)) for key, below in inside.items()}, INDEX_NAME: place})
        return found
    return value


SPOILABLE = [path for path in leaves(RIGHT) if path[-1] != "name" and path != ("number",)]


@settings(max_examples=examples(150))
@given(st.lists(st.sampled_from(SPOILABLE), min_size=1, max_size=6, unique=True))
def test_whatever_fails_is_asked_for_and_comes_back_right(spoiled: list[tuple[Any, ...]]) -> None:
    written = copy.deepcopy(RIGHT)
    for path in spoiled:
        put(written, path, "many")
    answer = parse(json.dumps(written), ROOT)
    assert len(answer.problems) == len(spoiled)
    repair = failing(answer, (), ROOT)
    schema = wire_schema(repair.root)
    assert len(repair.reasons) == len(spoiled)
    again = parse(json.dumps(answer_to(schema, RIGHT)), repair.root)
    whole = repaired(answer, again, repair, ROOT)
    assert whole.value == parse(json.dumps(RIGHT), ROOT).value
    assert whole.problems == ()


@given(st.sampled_from(SPOILABLE))
def test_nothing_else_is_asked_for(path: tuple[Any, ...]) -> None:
    written = copy.deepcopy(RIGHT)
    put(written, path, "many")
    repair = failing(parse(json.dumps(written), ROOT), (), ROOT)
    asked = set(json.dumps(wire_schema(repair.root)).split('"')) & {
        "number",
        "total",
        "seller",
        "since",
        "days",
        "rows",
        "count",
        "weight",
        "name",
    }
    named = {step for step in path if isinstance(step, str)}
    assert asked - {"number"} <= named  # "number" is a JSON type, too


def test_an_answer_without_fault_asks_for_nothing() -> None:
    assert failing(parse(json.dumps(RIGHT), ROOT), (), ROOT) is None


def test_what_validation_rejects_is_asked_for_too() -> None:
    repair = failing(parse(json.dumps(RIGHT), ROOT), [Problem("/total", "rejected", "less than 20")], ROOT)
    assert list(wire_schema(repair.root)["properties"]) == ["total"]


@pytest.mark.parametrize(
    "came", ['{"total": null}', "{}", '{"rows": [{"item": 99, "count": 3}]}', '{"rows": [{"item": null, "count": 3}]}']
)
def test_what_is_not_stated_again_stays_null_with_its_reason(came: str) -> None:
    written = {**copy.deepcopy(RIGHT), "total": "many"}
    written["rows"][1]["count"] = "few"
    answer = parse(json.dumps(written), ROOT)
    repair = failing(answer, (), ROOT)
    kept = repaired(answer, parse(came, repair.root), repair, ROOT)
    assert kept == answer


def test_a_list_in_which_much_fails_is_asked_for_as_a_whole() -> None:
    rows = [{"name": f"row {n}", "count": "few", "parts": []} for n in range(MOST_ITEMS + 1)]
    answer = parse(json.dumps({**RIGHT, "rows": rows}), ROOT)
    repair = failing(answer, (), ROOT)
    assert f'"{INDEX_NAME}"' not in json.dumps(wire_schema(repair.root))
    better = [{**row, "count": place} for place, row in enumerate(rows)]
    whole = repaired(answer, parse(json.dumps({"rows": better}), repair.root), repair, ROOT)
    assert [row["count"] for row in whole.value["rows"]] == list(range(MOST_ITEMS + 1))
    assert whole.problems == ()


def test_a_reason_says_which_item_is_meant() -> None:
    written = copy.deepcopy(RIGHT)
    written["rows"][2]["count"] = "few"
    repair = failing(parse(json.dumps(written), ROOT), (), ROOT)
    assert "item 2" in repair.reasons[0]
    assert "'row 2'" in repair.reasons[0]


def test_items_and_fields_that_did_not_fail_stay_as_they_were() -> None:
    written = copy.deepcopy(RIGHT)
    written["rows"][1]["count"] = "few"
    written["rows"][2]["parts"][0]["weight"] = "heavy"
    answer = parse(json.dumps(written), ROOT)
    repair = failing(answer, (), ROOT)
    came = [
        {"item": place, "count": 777, "parts": [{"item": 0, "weight": 7.7}, {"item": 1, "weight": 7.7}]}
        for place in (-1, 0, 1, 2, 3, 10**30)
    ]
    again = parse(json.dumps({"rows": came, "total": 777, "number": "777"}), repair.root)
    whole = repaired(answer, again, repair, ROOT)
    expected = copy.deepcopy(RIGHT)
    expected["rows"][1]["count"] = 777
    expected["rows"][2]["parts"][0]["weight"] = 7.7
    assert whole.value == parse(json.dumps(expected), ROOT).value
    assert whole.problems == ()
