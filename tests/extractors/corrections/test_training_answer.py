"""What a chunk's answer should have been, cut out of the whole record."""

import datetime
import json
from decimal import Decimal

import jsonschema

from extractors.corrections.training_answer import training_answer
from extractors.prompt.prompt import wire_schema
from schemas.document_types import DOCUMENT_TYPES
from schemas.step_data import Chunk, Evidence, Page, Record, Word

ROOT = DOCUMENT_TYPES["invoice"].root
ITEM = {"quantity": None, "unit": None, "unit_price": None, "tax_rate": None}
VALUE = {
    "number": "A-17", "issue_date": datetime.date(2026, 3, 14), "due_date": None,
    "seller": {"name": "Nordlicht", "address": None, "tax_id": "DE999"}, "buyer": None, "currency": "EUR",
    "net_total": None, "tax_total": None, "gross_total": Decimal("119.5000"), "allowances": None, "charges": None,
    "iban": None,
    "line_items": [
        {**ITEM, "description": "Lamp", "amount": Decimal(60)},
        {**ITEM, "description": "Cable", "amount": None},
        {**ITEM, "description": "Fuse", "amount": Decimal(40)},
    ],
}  # fmt: skip


def page(number: int, text: str) -> Page:
    words = tuple(Word(word, 10.0 * at, 10, 10.0 * at + 9, 20) for at, word in enumerate(text.split()))
    return Page(number, 595, 842, text, words, "text", "")


def evidence(field: str, value: str, number: int | None) -> Evidence:
    return Evidence(field, value, number, None, None, "exact" if number else "absent")


PAGES = [page(2, "Invoice A-17 Lamp 60.00 Cable"), page(3, "A-17 Fuse 40.00 Total 119.50")]
RECORD = Record(
    VALUE,
    (
        evidence("/number", "A-17", 2),
        evidence("/issue_date", "2026-03-14", None),
        evidence("/gross_total", "119.5", 3),
        evidence("/line_items/0/amount", "60", 2),
        evidence("/line_items/2/amount", "40", 3),
        Evidence("/gross_total", "60", 2, None, None, "conflict"),
    ),
    (), "ok", needs_review=False, first_page=2, last_page=3, item_pages={"/line_items/0": 2, "/line_items/2": 3},
)  # fmt: skip


def answer(*numbers: int) -> dict:
    pages = tuple(each for each in PAGES if each.number in numbers)
    return json.loads(training_answer(RECORD, Chunk(0, 0, pages, (1,) * len(pages)), 2, ROOT))


def test_an_answer_for_all_pages_is_the_whole_record_and_fits_what_is_asked_for() -> None:
    whole = answer(2, 3)
    jsonschema.validate(whole, wire_schema(ROOT))
    assert whole["gross_total"] == 119.5
    assert whole["issue_date"] == "2026-03-14"
    assert [each["description"] for each in whole["line_items"]] == ["Lamp", "Cable", "Fuse"]
    assert whole["buyer"] == {"name": None, "address": None, "tax_id": None}


def test_a_value_belongs_to_the_pages_that_it_stands_on() -> None:
    first, second = answer(2), answer(3)
    assert first["number"] == second["number"] == "A-17"  # printed on both
    assert (first["gross_total"], second["gross_total"]) == (None, 119.5)


def test_what_nobody_located_belongs_to_the_first_chunk() -> None:
    first, second = answer(2), answer(3)
    assert (first["issue_date"], second["issue_date"]) == ("2026-03-14", None)
    assert (first["seller"]["tax_id"], second["seller"]["tax_id"]) == ("DE999", None)


def test_an_item_is_in_one_answer_as_a_whole_and_one_without_a_place_follows_the_one_before() -> None:
    assert [each["description"] for each in answer(2)["line_items"]] == ["Lamp", "Cable"]
    assert [each["description"] for each in answer(3)["line_items"]] == ["Fuse"]
