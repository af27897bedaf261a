"""Printed numbers, dates and text."""

import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.values import clean_text, date_readings, fold_text, is_month, number_readings, parse_date, parse_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1.234,56", "1234.56"), ("1,234.56", "1234.56"), ("1 234,56 €", "1234.56"), ("(1,234)", "-1234"), ("5-", "-5"),
        ("EUR -12,50", "-12.50"), ("1'234.50", "1234.50"), ("0.125", "0.125"), ("CHF 1.000.000", "1000000"), ("7,5 %", "7.5"),
        ("−3", "-3"), ("12,34,567", "1234567"), (".5", "0.5"),
    ],
)  # fmt: skip
def test_a_printed_number_is_read(text: str, number: str) -> None:
    assert parse_number(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "none", "12 34x 5", "1,2,3", "3 x 4", "12 34", "1.2.3.4", "2026-01-02"])
def test_what_is_no_one_number_is_not_read(text: str) -> None:
    assert parse_number(text) is None


def test_an_ambiguous_number_has_both_readings() -> None:
    assert set(number_readings("1.234")) == {Decimal("1.234"), Decimal(1234)}
    assert parse_number("1.234", decimal_comma=True) == Decimal(1234)
    assert parse_number("1,234", decimal_comma=True) == Decimal("1.234")
    assert parse_number("1,234", decimal_comma=False) == Decimal(1234)


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=2, allow_nan=False), st.sampled_from([".", " ", "'"]))
def test_any_amount_printed_the_continental_way_is_read(amount: Decimal, separator: str) -> None:
    whole, _, fraction = f"{abs(amount):,.2f}".partition(".")
    text = f"{'-' if amount < 0 else ''}{whole.replace(',', separator)},{fraction} EUR"
    assert amount in number_readings(text)


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("14.03.2026", (2026, 3, 14)), ("2026-03-14", (2026, 3, 14)), ("03/04/26", (2026, 4, 3)), ("March 14, 2026", (2026, 3, 14)),
        ("14. März 2026", (2026, 3, 14)), ("3 février 2024", (2024, 2, 3)), ("1er mai 2023", (2023, 5, 1)), ("14-Mar-26", (2026, 3, 14)),
        ("2026年3月14日", (2026, 3, 14)), ("20260314", (2026, 3, 14)), ("12 de enero de 2020", (2020, 1, 12)), ("5/28/1999", (1999, 5, 28)),
        ("1.1.85", (1985, 1, 1)),
    ],
)  # fmt: skip
def test_a_printed_date_is_read(text: str, date: tuple[int, int, int]) -> None:
    assert parse_date(text) == datetime.date(*date)


def test_an_ambiguous_date_has_both_readings_in_the_order_asked_for() -> None:
    assert date_readings("03/04/2026") == (datetime.date(2026, 4, 3), datetime.date(2026, 3, 4))
    assert parse_date("03/04/2026", month_first=True) == datetime.date(2026, 3, 4)
    assert parse_date("31.02.2026") is None


@given(
    st.dates(datetime.date(1971, 1, 1), datetime.date(2068, 12, 31)),
    st.sampled_from(["%Y-%m-%d", "%d.%m.%Y", "%d %B %Y", "%B %d, %Y", "%d-%b-%y"]),
)
def test_any_date_in_a_usual_form_is_read(date: datetime.date, form: str) -> None:
    assert date in date_readings(date.strftime(form))


def test_months_of_several_languages_are_known() -> None:
    assert all(map(is_month, ["März", "février", "Sept.", "gennaio", "maio", "MAY"]))
    assert not any(map(is_month, ["Marc", "7", "", "the"]))


@given(st.text())
def test_clean_text_can_be_stored_anywhere(text: str) -> None:
    cleaned = clean_text(text + "\ud800\0")
    assert "\0" not in cleaned
    cleaned.encode("utf-8")


def test_folding_unifies_what_print_varies() -> None:
    assert fold_text("  Straße “A”–ﬁ\u00adx ") == 'strasse "a"-fix'
