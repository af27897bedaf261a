"""Where values stand: the right page and box, the right one of several, and the truth when there is none."""

import datetime
import json
from decimal import Decimal
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.ground.ground import ground
from extractors.parse.parse import parse
from extractors.values import printed
from schemas.document_types import DOCUMENT_TYPES
from schemas.fields import field_tree
from schemas.step_data import Answer, Image, Page, Word
from tests.support.cost import function_calls

INVOICE = DOCUMENT_TYPES["invoice"].root
ONE = field_tree(
    {
        "type": "object",
        "properties": {
            "s": {"type": "string"}, "m": {"type": "number", "format": "decimal"}, "d": {"type": "string", "format": "date"},
            "b": {"type": "boolean"}, "x": {"type": "string", "x-evidence": "none"},
        },
    }
)  # fmt: skip


def page(number: int, *lines: str, sent_as: str = "text", image: Image | None = None) -> Page:
    """A page whose words are ten points apart: word w of line n stands at x = 50 w, y = 20 n."""
    words = tuple(
        Word(word, 50.0 * at, 20.0 * row, 50.0 * at + 40, 20.0 * row + 10)
        for row, line in enumerate(lines)
        for at, word in enumerate(line.split())
    )
    return Page(number, 595, 842, "\n".join(lines), words, sent_as, "", image=image)


def locate(value: dict, *pages: Page):
    return ground(Answer({field.name: value.get(field.name) for field in ONE.fields}), ONE, 0, pages).evidence


@pytest.mark.parametrize(
    ("value", "line", "match"),
    [
        ({"s": "Harbour Crane"}, "The Harbour Crane stands", "exact"),
        ({"s": "harbour crane"}, "The Harbour Crane, stands", "normalized"),
        ({"s": "DE 123-456"}, "VAT DE123456 here", "normalized"),
        ({"s": "office"}, "of the o\ufb03ce itself", "normalized"),
        ({"s": "EUR"}, "Total € 5,00", "normalized"),
        ({"m": Decimal("1234.5")}, "Total 1.234,50 EUR", "normalized"),
        ({"m": Decimal("1234.5")}, "Total 1234.5", "exact"),
        ({"m": Decimal("1234567.89")}, "Total 1 234 567,89", "normalized"),
        ({"m": Decimal("-12")}, "Credit (12.00)", "normalized"),
        ({"d": datetime.date(2026, 3, 14)}, "am 14. März 2026 fällig", "normalized"),
        ({"d": datetime.date(2026, 3, 14)}, "due 2026-03-14 now", "exact"),
        ({"d": datetime.date(2026, 3, 14)}, "due March 14, 2026 now", "normalized"),
        ({"s": "東京都"}, "本社 東京都 港区", "exact"),
        ({"d": datetime.date(2020, 5, 22)}, "on air 05/19/20-05/22/20 daily", "normalized"),
        ({"d": datetime.date(2005, 3, 28)}, "this 28th day of March, 2005. Signed", "normalized"),
        ({"d": datetime.date(2014, 8, 3)}, "August 3 , 2014 TOTAL", "normalized"),
        ({"d": datetime.date(2012, 1, 11)}, "the 11 th January , 2012", "normalized"),
        ({"d": datetime.date(2018, 4, 16)}, "REG 16-04-201814:51 C01", "normalized"),
        ({"d": datetime.date(2016, 7, 31)}, "Date: 2016-07-3113:48:37", "normalized"),
        ({"s": "2015-12-31"}, "per 31 december 2015 in EUR", "normalized"),
        ({"s": "384"}, "of $384.0 million", "normalized"),
        ({"s": "Northwind Traders Limited"}, "Northvvind Traders Limited, London", "fuzzy"),
        ({"s": "Terms of the delivery agreement"}, "Terms of delivery agreement", "fuzzy"),
    ],
)  # fmt: skip
def test_a_value_is_found_as_it_is_printed(value: dict, line: str, match: str) -> None:
    ((field, found),) = locate(value, page(1, "nothing here"), page(2, "first", line)).items()
    assert (found.match, found.page) == (match, 2)
    assert found.box is not None
    assert (found.box[1], found.box[3]) == (20, 30)
    assert found.value == printed(next(iter(value.values())))
    assert field == f"/{next(iter(value))}"


@pytest.mark.parametrize(
    "value", [{"s": "Nowhere Ltd"}, {"m": Decimal("99.5")}, {"d": datetime.date(2020, 1, 1)}, {"s": "12"}]
)
def test_what_is_nowhere_is_absent_and_what_only_a_picture_shows_is_image(value: dict) -> None:
    (found,) = locate(value, page(1, "Somewhere 9912 else")).values()
    assert (found.match, found.page, found.box) == ("absent", None, None)
    scan = page(2, sent_as="image", image=Image(b"", "image/jpeg", 9, 9))
    (found,) = locate(value, page(1, "Somewhere else"), scan).values()
    assert (found.match, found.page) == ("image", 2)


def test_booleans_and_fields_without_evidence_are_not_looked_for() -> None:
    assert locate({"b": True, "x": "a summary"}, page(1, "text")) == {}


def test_a_short_value_inside_a_longer_word_is_chance() -> None:
    (found,) = locate({"s": "art"}, page(1, "party article art")).values()
    assert found.box == (100.0, 0.0, 140.0, 10.0)


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("416043", "order 2416043 here"),  # digits that are a part of others
        ("INV-2024-0017", "invoice INV-2024-0018 of"),  # another number is another invoice
        ("Acme Ltd", "Acne Ltd"),  # short: nearly the same is chance
        ("Harbour Crane Company", "Harbour master's company crane"),
    ],
)  # fmt: skip
def test_what_only_looks_alike_is_absent(value: str, line: str) -> None:
    (found,) = locate({"s": value}, page(1, line)).values()
    assert found.match == "absent"


def test_a_number_as_text_is_not_found_in_the_digits_of_another() -> None:
    (found,) = locate({"s": "10"}, page(1, "effect (1.0) (0.5)", "growth 10 %")).values()
    assert found.box == (50.0, 20.0, 90.0, 30.0)
    (found,) = locate({"s": "251.7"}, page(1, "25 17", "margin 251.70")).values()
    assert (found.match, found.box) == ("normalized", (50.0, 20.0, 90.0, 30.0))


def test_of_several_places_the_one_beside_or_below_the_name_of_the_field_is_taken() -> None:
    kind = field_tree(
        {"type": "object", "properties": {
            "net_total": {"type": "number", "format": "decimal"},
            "due_on": {"type": "string", "format": "date", "description": "Day until which the invoice is to be paid"},
        }}
    )  # fmt: skip
    day = datetime.date(2026, 3, 1)
    lines = ["Prepaid 50.00 2026-03-01", "Net total 50.00", "Sent Paid until", "2026-03-01 2026-03-01"]
    found = ground(Answer({"net_total": Decimal(50), "due_on": day}), kind, 0, [page(1, *lines)]).evidence
    assert found["/net_total"].box == (100.0, 20.0, 140.0, 30.0)
    assert found["/due_on"].box == (50.0, 60.0, 90.0, 70.0)


@given(st.text(st.characters(categories=("L",), max_codepoint=0x17F), min_size=16, max_size=60), st.data())
def test_text_is_found_when_one_letter_is_another(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text) - 1))
    printed_text = text[:at] + "я" + text[at + 1 :]
    (found,) = locate({"s": text}, page(1, "first line"), page(2, "here", printed_text)).values()
    assert (found.match, found.page) == ("fuzzy", 2)


def test_list_items_are_located_on_their_own_rows() -> None:
    lines = ["Pos Text Qty Amount", "1 Bolt 2 5.00", "2 Nut 2 5.00", "3 Bolt 2 5.00", "Total 15.00"]
    items = '{"line_items": [{"description": "Bolt", "quantity": 2, "amount": 5}, {"description": "Nut", "quantity": 2, "amount": 5}, {"description": "Bolt", "quantity": 2, "amount": 5}]}'
    found = ground(parse(items, INVOICE), INVOICE, 0, [page(1, *lines)]).evidence
    for index in range(3):
        heights = {found[f"/line_items/{index}/{key}"].box[1] for key in ("description", "quantity", "amount")}
        assert heights == {20.0 * (index + 1)}


def test_a_long_list_costs_no_quadratic_scan() -> None:
    def cost(count: int) -> int:
        lines = [f"{number} Article-{number} {number % 7} {number}.50" for number in range(count)]
        items = [
            {"description": f"Article-{number}", "quantity": number % 7, "amount": number + 0.5}
            for number in range(count)
        ]
        pages = [page(at + 1, *lines[at * 50 : at * 50 + 50]) for at in range(count // 50)]
        answer = parse(str({"line_items": items}).replace("'", '"'), INVOICE)
        assert all(each.match != "absent" for each in ground(answer, INVOICE, 0, pages).evidence.values())
        return function_calls(partial(ground, answer, INVOICE, 0, pages))

    assert cost(800) / cost(200) < 12  # four times the rows; sixteen would be quadratic


def test_a_number_that_a_row_prints_twice_is_found_twice() -> None:
    said = {
        "rows": [
            {"name": "Report", "count": 1, "price": 185, "amount": 185},
            {"name": "Travel", "count": 4, "price": 79, "amount": 316},
        ]
    }
    kind = {"type": "number", "format": "decimal"}
    row = {"name": {"type": "string"}, "count": {"type": "integer"}, "price": kind, "amount": kind}
    schema = {
        "title": "t",
        "type": "object",
        "properties": {"rows": {"type": "array", "items": {"type": "object", "properties": row}}},
    }
    root = field_tree(schema)
    lines = ["Report 1 185,00 19 % 185,00", "Travel 4 79,00 19 % 316,00", "Total 185,00 501,00"]
    sheet = page(1, *lines)
    found = ground(parse(json.dumps(said), root), root, 0, [sheet]).evidence
    price, amount = found["/rows/0/price"], found["/rows/0/amount"]
    assert price.box is not None
    assert amount.box is not None
    assert price.box[0] < amount.box[0]
    assert price.box[1] == amount.box[1]
    once = ground(
        parse(json.dumps({"rows": [{"name": "Travel", "price": 316, "amount": 316}]}), root), root, 0, [sheet]
    ).evidence
    assert once["/rows/0/price"].box == once["/rows/0/amount"].box  # printed once: both stand there
