"""From what a model wrote to typed values: recovered, converted, or nulled with a reason; never an exception for a value."""

import datetime
import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extractors.parse.coerce import is_empty
from extractors.parse.parse import parse, parse_cut
from schemas.document_types import DOCUMENT_TYPES
from schemas.errors import InvalidCompletionError
from schemas.fields import field_tree
from schemas.record_tables import arrow_type, record_tables
from tests.support.examples import examples

INVOICE = DOCUMENT_TYPES["invoice"].root
KINDS = field_tree(
    {
        "type": "object",
        "properties": {
            "s": {"type": "string"}, "i": {"type": "integer"}, "n": {"type": "number"}, "b": {"type": "boolean"},
            "d": {"type": "string", "format": "date"}, "t": {"type": "string", "format": "date-time"},
            "m": {"type": "number", "format": "decimal"}, "e": {"enum": ["Net", "Gross"]}, "j": {},
            "l": {"type": "array", "items": {"type": "integer"}},
        },
    }
)  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        '{"number": "7"}',
        '```json\n{"number": "7"}\n```',
        'Here is the data you asked for:\n{"number": "7"}\nAnything else?',
        '[{"number": "7"}]',
        '{"number": "7",}',
        "{'number': '7'}",
        '{"number": "7", "line_items": [{"quantity": 1',
        '{"number": 7}',
    ],
    ids=["plain", "fenced", "prefixed", "in a list", "comma", "quotes", "cut", "number for text"],
)
def test_json_is_recovered(text: str) -> None:
    assert parse(text, INVOICE).value["number"] == "7"


@pytest.mark.parametrize("text", ["", "I cannot help with that.", "null", "[1, 2]", "[" * 100_000, "3"])
def test_what_holds_no_object_is_an_invalid_completion(text: str) -> None:
    with pytest.raises(InvalidCompletionError):
        parse(text, INVOICE)


@pytest.mark.parametrize(
    ("field", "written", "value"),
    [
        ("m", "12.5", Decimal("12.5")), ("m", '"1.234,50 EUR"', Decimal("1234.5")), ("m", "0.1", Decimal("0.1")),
        ("i", "3.0", 3), ("i", '"3"', 3), ("n", "1e3", 1000.0), ("b", '"yes"', True), ("b", "0", False),
        ("d", '"14. März 2026"', datetime.date(2026, 3, 14)), ("t", '"2026-01-02T03:04:05Z"', datetime.datetime(2026, 1, 2, 3, 4, 5)),
        ("e", '"net"', "Net"), ("s", '"  a\\u0000b "', "a\ufffdb"), ("s", '"\\ud800"', "\ufffd"), ("s", '""', None), ("j", '{"a": 1}', '{"a": 1}'),
        ("l", "[1, null, 2]", [1, 2]), ("l", "7", [7]), ("l", '""', []),
    ],
)  # fmt: skip
def test_a_value_is_brought_to_its_type(field: str, written: str, value: object) -> None:
    answer = parse(f'{{"{field}": {written}}}', KINDS)
    assert answer.value[field] == value
    assert answer.problems == ()


@pytest.mark.parametrize(
    ("field", "written"),
    [
        ("m", "1" + "0" * 30), ("m", "0.12345678"), ("m", "1e999999"), ("m", '"many"'), ("m", "true"), ("i", "1.5"), ("i", "1" + "0" * 30), ("i", "9" * 5000),
        ("n", "1e999999"), ("d", '"soon"'), ("d", "7"), ("b", '"maybe"'), ("e", '"Tare"'), ("s", "[1]"), ("t", '"later"'), ("m", "NaN1"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_null_and_named(field: str, written: str) -> None:
    answer = parse(
        f'{{"{field}": {written}, "s": "kept"}}' if field != "s" else f'{{"s": {written}, "e": "Net"}}', KINDS
    )
    assert answer.value[field] is None or written == "NaN1"
    if written != "NaN1":
        assert [problem.field for problem in answer.problems] == [f"/{field}"]


@settings(max_examples=examples(150))
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from([f.name for f in KINDS.fields]), inner, max_size=6)
        ),
        max_leaves=20,
    )
)
def test_whatever_a_model_writes_its_values_fit_the_columns(written: object) -> None:
    import pyarrow as pa

    try:
        answer = parse(json.dumps(written), KINDS)
    except InvalidCompletionError:
        return
    for field in KINDS.fields:
        pa.array([answer.value[field.name]], type=arrow_type(field))


@pytest.mark.parametrize(
    ("text", "is_whole"),
    [
        ('{"number": "7"}', True), ('{"number": "7",}', True), ('```json\n{"number": "7"}\n```', True),
        ('{"number": "7", "line_items": [{"quantity": 1', False), ('{"number": "7', False), ('{"number": "a}", "line_items": [', False),
        ('{"number": "7"} and more', True), ("{'number': '7'}", True),
    ],
)  # fmt: skip
def test_json_that_ends_in_the_middle_is_told_from_json_that_is_odd(text: str, is_whole: bool) -> None:
    assert parse(text, INVOICE).is_whole is is_whole


@pytest.mark.parametrize(
    ("written", "pointer"),
    [
        ('{"m": NaN}', "/m"), ('{"n": Infinity}', "/n"), ('{"n": -Infinity}', "/n"), ('{"l": {"a": 1}}', "/l/0"),
    ],
)  # fmt: skip
def test_a_value_of_another_shape_is_a_problem_and_not_silence(written: str, pointer: str) -> None:
    assert [problem.field for problem in parse(written, KINDS).problems] == [pointer]


def test_a_text_in_the_place_of_rows_is_a_problem() -> None:
    answer = parse('{"line_items": "see above", "seller": "Acme"}', INVOICE)
    assert {problem.field for problem in answer.problems} == {"/line_items", "/seller"}
    assert answer.value["line_items"] == []


def test_every_field_of_a_type_is_in_its_answer() -> None:
    for each in DOCUMENT_TYPES.values():
        value = parse("{}", each.root).value
        for table in record_tables(each):
            if not table.is_items:
                for column in table.columns:
                    place = value
                    for key in column.keys:
                        place = place[key]
                    assert place in (None, [])


@given(st.integers(2, 400))
def test_of_an_answer_cut_by_length_only_whole_values_outside_of_lists_are_kept(end: int) -> None:
    right = {
        "number": "CPM-118", "issue_date": "2026-02-27", "seller": {"name": "Calder Point", "address": "2210 Wharf Road"},
        "net_total": 82504.9, "gross_total": 89847.84,
        "line_items": [{"description": f"Shackle {number}", "amount": number * 1.25} for number in range(9)], "iban": "DE02 1203",
    }  # fmt: skip
    text = json.dumps(right)
    cut = parse_cut(text[: min(end, len(text) - 1)], INVOICE)
    if cut is None:
        return
    whole = parse(text, INVOICE).value
    assert cut.value["line_items"] == []
    for name in ("number", "issue_date", "net_total", "gross_total", "iban"):
        assert cut.value[name] in (None, whole[name])
    for name in ("name", "address"):
        assert cut.value["seller"][name] in (None, whole["seller"][name])
    assert not is_empty(cut.value)
