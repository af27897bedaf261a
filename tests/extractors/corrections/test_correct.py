"""Corrections: put in exactly, refused with a reason, and found again in whatever a machine reads later."""

import copy
import datetime
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from extractors.corrections.correct import corrected, correction_of, reapplied
from extractors.merge.merge import merge
from extractors.parse.parse import parse
from extractors.values import json_text
from schemas.document_type import DocumentType
from schemas.document_types import DOCUMENT_TYPES
from schemas.errors import ConfigurationError
from schemas.step_data import Correction, Evidence, Located, Record
from tests.support.examples import examples

INVOICE = DOCUMENT_TYPES["invoice"]
ITEMS = [
    {"description": "Bolt", "quantity": 2, "unit_price": 1.5, "amount": 3},
    {"description": "Nut", "quantity": 10, "unit_price": 0.1, "amount": 1},
    {"description": "Washer", "quantity": 5, "unit_price": 0.2, "amount": 1},
]
SAID = {
    "number": "7",
    "issue_date": "2026-01-02",
    "currency": "EUR",
    "net_total": 5,
    "gross_total": 5,
    "line_items": ITEMS,
}
KIND = DocumentType.from_schema(
    {
        "title": "shelf",
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 5},
            "tags": {"type": "array", "items": {"type": "string"}},
            "books": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "properties": {
                        "title": {"type": "string"},
                        "year": {"type": "integer"},
                        "chapters": {
                            "type": "array",
                            "items": {"type": "object", "properties": {"name": {"type": "string"}}},
                        },
                    },
                },
            },
        },
    },
    "shelf",
)


def read(said: dict[str, Any], kind: DocumentType = INVOICE) -> Record:
    """A record as a machine reads it, with everything found on page 1."""
    answer = parse(json_text(said), kind.root)
    evidence = {
        pointer: Evidence(pointer, str(value), 1, (1.0, 1.0, 2.0, 2.0), f"quote of {value}", "exact")
        for pointer, value in leaves(answer.value)
    }
    return merge([Located(0, (1,), answer, evidence)], kind)


def leaves(value: Any, pointer: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [each for key, below in value.items() for each in leaves(below, f"{pointer}/{key}")]
    if isinstance(value, list):
        return [each for place, below in enumerate(value) for each in leaves(below, f"{pointer}/{place}")]
    return [] if value is None else [(pointer, value)]


def correct(record: Record, pointer: str, text: str | None, kind: DocumentType = INVOICE) -> tuple[Record, Correction]:
    said = correction_of(record, pointer, text, kind)
    return corrected(record, said, kind), said


@pytest.mark.parametrize(
    ("pointer", "typed", "expected", "told"),
    [
        ("/gross_total", "1,234.50", Decimal("1234.5"), "1234.5"),
        ("/gross_total", "1.234,50 €", Decimal("1234.5"), "1234.5"),
        ("/gross_total", " -3 ", Decimal(-3), "-3"),
        ("/issue_date", "3 March 2026", datetime.date(2026, 3, 3), "2026-03-03"),
        ("/seller/name", "  Ada & Co ", "Ada & Co", "Ada & Co"),
        ("/line_items/1/amount", "7", Decimal(7), "7"),
        ("/gross_total", None, None, None),
        ("/gross_total", "  ", None, None),
    ],
)
def test_what_a_person_types_becomes_a_value_of_the_fields_type(
    pointer: str, typed: str | None, expected: Any, told: str | None
) -> None:
    after, said = correct(read(SAID), pointer, typed)
    here: Any = after.value
    for key in pointer.split("/")[1:]:
        here = here[int(key)] if key.isdigit() else here[key]
    assert here == expected
    assert said.new == told
    (evidence,) = [each for each in after.evidence if each.field == pointer]
    assert (evidence.match, evidence.confidence, evidence.value, evidence.page) == ("corrected", 1.0, told, None)
    assert after.corrected_fields == (pointer,)


@pytest.mark.parametrize(
    ("pointer", "typed", "message"),
    [
        ("/nope", "1", "/nope is no place of the record; its fields are /number"),
        ("total", "1", "total is no place"),
        ("/seller/nope", "1", "no place"),
        ("/line_items/3/amount", "1", "/line_items/3 has|/line_items has 3 items|no place"),
        ("/line_items/x/amount", "1", "no place"),
        ("/line_items/²/amount", "1", "no place"),
        ("/line_items/٣", None, "no place"),
        ("/line_items/00", None, "no place"),
        ("/line_items/" + "9" * 5000, "1", "no place"),
        ("/issue_date", "soon", "/issue_date: soon: no date; nothing was changed"),
        ("/gross_total", "much", "/gross_total: much: no number"),
        ("/gross_total", "1.00001", "never rounded"),
        ("/line_items/-", '{"amount": "much"}', "/line_items/-/amount: much"),
        ("/line_items/0", "[]", "no object"),
        ("/line_items/0", "{", "not JSON"),
        ("/seller", None, "give a value as JSON"),
        ("/line_items/-", None, "give a value as JSON"),
        ("", "7", "name a field"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do(pointer: str, typed: str | None, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        correction_of(read(SAID), pointer, typed, INVOICE)


def test_the_schemas_own_limits_refuse_too() -> None:
    record = read({"name": "abc", "books": [{"title": "x"}]}, KIND)
    with pytest.raises(ConfigurationError, match="too long"):
        correction_of(record, "/name", "abcdef", KIND)
    with pytest.raises(ConfigurationError, match=r"non-empty|too short"):
        correction_of(record, "/books/0", None, KIND)


def test_checks_problems_and_status_follow_the_correction() -> None:
    record = read({**SAID, "tax_total": 0, "gross_total": 6, "issue_date": None})
    assert record.status == "partial"
    assert {each.kind for each in record.problems} == {"check", "required"}
    half, _ = correct(record, "/issue_date", "2026-01-02")
    assert {each.kind for each in half.problems} == {"check"}
    whole, _ = correct(half, "/gross_total", "5")
    assert (whole.status, whole.problems, whole.needs_review) == ("ok", (), False)
    assert all(each.ok for each in whole.checks)
    assert whole.checks
    wrong, _ = correct(whole, "/gross_total", "4")
    assert wrong.status == "partial"


def test_a_correction_ends_what_was_wrong_about_its_value_and_nothing_else() -> None:
    record = read(SAID)
    absent = [
        replace(each, match="absent", page=None, box=None)
        for each in record.evidence
        if each.field in {"/number", "/currency"}
    ]
    from schemas.step_data import Problem

    problems = tuple(Problem(each.field, "absent", "nowhere") for each in absent)
    others = [each for each in record.evidence if each.field not in {"/number", "/currency"}]
    record = replace(record, evidence=(*absent, *others), problems=problems, needs_review=True)
    same, said = correct(record, "/number", "7")  # confirmed: it stands there in a picture, say
    assert (said.old, said.new) == ("7", "7")
    assert [each.field for each in same.problems] == ["/currency"]
    assert same.needs_review
    accepted, _ = correct(same, "", None)
    assert not accepted.needs_review
    assert accepted.value == record.value
    assert [each.field for each in accepted.problems] == ["/currency"]
    assert accepted.corrected_fields == ("/number", "")


def test_a_row_is_taken_out_and_what_stands_behind_it_moves_up() -> None:
    after, said = correct(read(SAID), "/line_items/1", None)
    assert [item["description"] for item in after.value["line_items"]] == ["Bolt", "Washer"]
    assert {(each.field, each.value) for each in after.evidence if each.field.endswith("/description")} == {
        ("/line_items/0/description", "Bolt"),
        ("/line_items/1/description", "Washer"),
    }
    assert set(after.item_pages) == {"/line_items/0", "/line_items/1"}
    assert after.corrected_fields == ("/line_items",)
    assert said.new is None
    assert '"Nut"' in str(said.old)
    more, _ = correct(after, "/line_items/-", '{"description": "Cog", "amount": "1.00"}')
    assert more.value["line_items"][2]["description"] == "Cog"
    assert more.value["line_items"][2]["quantity"] is None
    assert ("/line_items/2/amount", "corrected") in {(each.field, each.match) for each in more.evidence}


def test_corrections_follow_their_rows_into_another_reading() -> None:
    record = read(SAID)
    first, a = correct(record, "/line_items/1/amount", "9")
    second, b = correct(first, "/line_items/2", None)
    _, c = correct(second, "/line_items/-", '{"description": "Cog", "amount": 4}')
    top = {"description": "Heading row", "quantity": 1, "unit_price": 8, "amount": 8}
    anew = read({**SAID, "line_items": [top, *ITEMS]})
    after, differing = reapplied(anew, [a, b, c], INVOICE)
    assert [(item["description"], item["amount"]) for item in after.value["line_items"]] == [
        ("Heading row", 8),
        ("Bolt", 3),
        ("Nut", 9),
        ("Cog", 4),
    ]
    assert {(each.field, each.machine is None, each.corrected is None) for each in differing} == {
        ("/line_items/2/amount", False, False),
        ("/line_items/3", False, True),
        ("/line_items/-", True, False),
    }
    right = read({**SAID, "line_items": [ITEMS[0], {**ITEMS[1], "amount": 9}, {"description": "Cog", "amount": 4}]})
    after, differing = reapplied(right, [a, b, c], INVOICE)  # by now the machine reads as people said
    assert after.value == right.value
    assert differing == ()


def test_a_row_that_is_gone_is_a_problem_and_no_other_row_is_touched() -> None:
    _, said = correct(read(SAID), "/line_items/1/amount", "9")
    anew = read({**SAID, "line_items": [ITEMS[0], ITEMS[2]]})
    after, _ = reapplied(anew, [said], INVOICE)
    assert after.value == anew.value
    (problem,) = [each for each in after.problems if each.kind == "misplaced"]
    assert problem.field == "/line_items/1/amount"
    assert "'9'" in problem.message
    assert after.needs_review


def test_corrections_of_a_field_that_the_type_has_no_more_are_told() -> None:
    gone = Correction("/colour", "red", "blue")
    odd = Correction("/issue_date", None, "soon")
    after, _ = reapplied(read(SAID), [gone, odd], INVOICE)
    assert after.value == read(SAID).value
    assert {each.field for each in after.problems if each.kind == "misplaced"} == {"/colour", "/issue_date"}


def test_what_was_accepted_stays_whatever_is_read_later() -> None:
    record = read({**SAID, "gross_total": None})
    fixed, a = correct(record, "/gross_total", "5")
    accepted, b = correct(fixed, "", None)
    later, c = correct(accepted, "/currency", "USD")
    anew = read({**SAID, "number": "8", "line_items": [*ITEMS, ITEMS[0]]})
    after, differing = reapplied(anew, [a, b, c], INVOICE)
    assert after.value == later.value
    assert not after.needs_review
    assert {"/number", "/line_items/3/amount", "/currency"} <= {each.field for each in differing}
    assert {each.field: each.match for each in after.evidence}["/number"] == "corrected"
    assert {each.field: each.match for each in after.evidence}["/net_total"] == "exact"


steps = st.lists(
    st.tuples(
        st.sampled_from(["leaf", "out", "in", "tag", "untag", "name", "accept", "chapter"]),
        st.integers(0, 9),
        st.sampled_from(["a", "bb", "ccc", None]),
    ),
    max_size=8,
)
books = st.lists(
    st.fixed_dictionaries(
        {
            "title": st.sampled_from(["one", "two", "three", "four", "five"]),
            "year": st.none() | st.integers(1900, 1910),
            "chapters": st.lists(st.fixed_dictionaries({"name": st.sampled_from(["x", "y", "z"])}), max_size=2),
        }
    ),
    min_size=1,
    max_size=5,
)


def pointer_of(value: dict, what: str, number: int, word: str | None) -> tuple[str, str | None] | None:
    """A correction that can be made of a record."""
    held, tags = value["books"], value["tags"]
    book = number % len(held)
    if what == "out":
        return (f"/books/{book}", None) if len(held) > 1 else None
    if what == "chapter":
        count = len(held[book]["chapters"])
        return (f"/books/{book}/chapters/{number % count}/name", word) if count else None
    if what == "untag":
        return (f"/tags/{number % len(tags)}", None) if tags else None
    return {
        "leaf": (f"/books/{book}/title", word or "none"),
        "in": ("/books/-", json_text({"title": word, "year": 1950 + number})),
        "tag": ("/tags/-", word or "tag"),
        "name": ("/name", word),
        "accept": ("", None),
    }[what]


@settings(max_examples=examples(200))
@given(books, steps)
@example(
    [{"title": "one", "year": None, "chapters": [{"name": "x"}, {"name": "x"}]}] * 2,
    [("chapter", 0, None), ("out", 0, "a")],
)
@example(
    [{"title": "one", "year": None, "chapters": [{"name": "x"}, {"name": "x"}]}],
    [("chapter", 0, None), ("accept", 0, "a")],
)
def test_all_corrections_over_the_same_reading_give_what_was_published(said: list[dict], told: list[tuple]) -> None:
    record = read({"name": "shelf", "tags": ["t"], "books": distinct(said)}, KIND)
    first, made = copy.deepcopy(record), []
    for what, number, word in told:
        place = pointer_of(dict(record.value), what, number, word)
        if place is not None:
            record, said_now = correct(record, *place, kind=KIND)
            made.append(said_now)
    after, _ = reapplied(first, made, KIND)
    assert after.value == record.value
    assert after.status == record.status
    assert {each.field for each in after.evidence} == {each.field for each in record.evidence}
    pointers = {pointer for pointer, _ in leaves(dict(after.value))}
    assert pointers <= {each.field for each in after.evidence}  # every value says where it comes from


@settings(max_examples=examples(300))
@given(books, steps)
def test_a_disagreement_is_with_what_the_machine_read_whatever_was_corrected_before(
    said: list[dict], told: list[tuple]
) -> None:
    record = read({"name": "shelf", "tags": ["t"], "books": distinct(said)}, KIND)
    first, made = copy.deepcopy(record), []
    for what, number, word in told:
        place = pointer_of(dict(record.value), what, number, word)
        if place is not None:
            record, said_now = correct(record, *place, kind=KIND)
            made.append(said_now)
    after, differing = reapplied(first, made, KIND)
    titles = {book["year"]: book["title"] for book in first.value["books"]}  # a year is of one book, and stays
    by_field = {each.field: (each.machine, each.corrected) for each in differing}
    for place, book in enumerate(after.value["books"]):
        field, machine = f"/books/{place}/title", titles.get(book["year"])
        if field in by_field:
            assert by_field[field] == (machine, book["title"])
        elif book["year"] in titles:
            assert book["title"] == machine  # what a person has changed is told
    gone = titles.keys() - {book["year"] for book in after.value["books"]}
    out = [each.machine for each in differing if each.corrected is None and each.machine and each.field.count("/") == 2]
    assert {json.loads(text)["year"] for text in out if text.startswith("{")} >= gone
    assert by_field.get("/name", ("shelf", None))[0] == "shelf"


def distinct(items: list[dict]) -> list[dict]:
    """Books that are told apart by their year: equal rows are found by their place alone."""
    return [{**each, "year": 1900 + place} for place, each in enumerate(items)]
