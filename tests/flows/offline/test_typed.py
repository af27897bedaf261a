from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from flows.offline import typed
from flows.offline.typed import Habits

NONE = Habits(None, False, None)
COMMA = Habits(True, False, None)


@pytest.mark.parametrize(
    ("text", "how", "value"),
    [
        ("1,234.56", NONE, "1234.56"),
        ("1.234,56 EUR", COMMA, "1234.56"),
        ("€ 19,908.80", NONE, "19908.80"),
        ("-840.45", NONE, "-840.45"),
        ("(840.45)", NONE, "-840.45"),
        ("1 234,50 €", COMMA, "1234.50"),
        ("20% 20.00", NONE, "20.00"),
        ("1.500", COMMA, "1500"),
        ("1.500", Habits(False, False, None), "1.500"),
        ("12.00 13.00", NONE, None),
        ("20 %", NONE, None),
        ("EUR", NONE, None),
        ("12.00 on delivery", NONE, None),
    ],
)
def test_money(text: str, how: Habits, value: str | None) -> None:
    assert typed.money(text, how) == (None if value is None else Decimal(value))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("14.03.2026", "2026-03-14"),
        ("14 March 2026", "2026-03-14"),
        ("March 14, 2026", "2026-03-14"),
        ("le 14/03/2026", "2026-03-14"),
        ("Version 2.1.1 of 14.03.2026", None),
        ("ASSOCIEE : 14/03/2026", None),
        ("soon", None),
    ],
)
def test_date(text: str, value: str | None) -> None:
    assert typed.date(text, NONE) == value


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (typed.code, "RE-2026/7 vom 1.2.2026", "RE-2026/7"),
        (typed.code, ": W 561", "W 561"),
        (typed.code, "follows", None),
        (typed.iban, "DE89 3704 0044 0532 0130 00 BIC COBADEFF", "DE89 3704 0044 0532 0130 00"),
        (typed.iban, "DE89370400440532013000", "DE89370400440532013000"),
        (typed.iban, "on request", None),
        (typed.bic, "COBADEFFXXX", "COBADEFFXXX"),
        (typed.bic, "Cobadeff", None),
        (typed.vat, ": DE123456789", "DE123456789"),
        (typed.vat, "GB 482 9173 05", "GB 482 9173 05"),
        (typed.vat, "CHE-294.117.806", "CHE-294.117.806"),
        (typed.vat, "19 %", None),
        (typed.currency, "GBP", "GBP"),
        (typed.currency, "€", "EUR"),
        (typed.currency, "THE SUM", None),
        (typed.tax_rate, "19 % VAT (S)", Decimal(19)),
        (typed.tax_rate, "5,5", Decimal("5.5")),
        (typed.tax_rate, "1,234.50", None),
    ],
)
def test_other_kinds(read: Callable[[str], Any], text: str, value: Any) -> None:
    assert read(text) == value


def test_habits_are_what_the_pages_do() -> None:
    assert typed.habits(["12,50 EUR", "1.234,00 EUR"]) == Habits(True, False, "EUR")
    assert typed.habits(["$12.50", "02/27/2026"]) == Habits(False, True, "USD")
    assert typed.habits(["12", "no"]) == Habits(None, False, None)


@pytest.mark.parametrize(
    ("value", "kind", "made"),
    [
        (Decimal("2.00"), "number", 2),
        (Decimal("2.5"), "number", 2.5),
        (Decimal("2.5"), "integer", None),
        (Decimal(2), "string", None),
        ("3.", "integer", 3),
        ("x", "number", None),
        (Decimal("9" * 40), "number", None),
        ("x", "string", "x"),
    ],
)
def test_plain_values_are_json_of_the_wanted_type(value: Any, kind: str, made: Any) -> None:
    assert typed.plain_text(value, {"type": [kind, "null"]}) == made


def test_only_choices_that_are_offered() -> None:
    assert typed.plain_text("B", {"type": "string", "enum": ["A", None]}) is None
