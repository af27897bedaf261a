"""What must add up: equations over a record, skipped over nulls, never failing for what a null may hide."""

import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.checks import KEYWORD, declared_checks, run_check
from schemas.document_types import DOCUMENT_TYPES
from schemas.errors import ConfigurationError
from schemas.fields import field_tree

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "net": {"type": "number"}, "tax": {"type": "number"}, "gross": {"type": "number"}, "discount": {"type": "number"},
        "from": {"type": "string", "format": "date"}, "until": {"type": "string", "format": "date"}, "count": {"type": "integer"}, "number": {"type": "integer"},
        "at": {"type": "string", "format": "date-time"}, "since": {"type": "string", "format": "date-time"},
        "sums": {"type": "object", "properties": {"total": {"type": "number"}, "rows": {"type": "array", "items": {
            "type": "object", "properties": {"cost": {"type": "number"}}}}}},
        "rows": {"type": "array", "items": {"type": "object", "properties": {"amount": {"type": "number"}}}},
        "net-total = sum": {"type": "number"},
        "line items": {"type": "array", "items": {"type": "object", "properties": {"unit.price": {"type": "number"}}}},
    },
}  # fmt: skip
ROOT = field_tree(SCHEMA)
INVOICE = {check.name: check for check in DOCUMENT_TYPES["invoice"].checks}


def made(text: str, **record: Any) -> bool | None:
    (check,) = declared_checks({KEYWORD: [{"name": "it", "check": text}]}, ROOT)
    result = run_check(check, record)
    return None if result is None else result.ok


def money(*amounts: str) -> list[dict[str, Decimal]]:
    return [{"amount": Decimal(amount)} for amount in amounts]


@pytest.mark.parametrize(
    ("text", "record", "ok"),
    [
        ("net + tax = gross", {"net": Decimal("10"), "tax": Decimal("1.9"), "gross": Decimal("11.9")}, True),
        ("net + tax = gross", {"net": Decimal("10"), "tax": Decimal("1.9"), "gross": Decimal("11.91")}, True),
        ("net + tax = gross", {"net": Decimal("10"), "tax": Decimal("1.9"), "gross": Decimal("12.9")}, False),
        ("gross - tax = net", {"net": 0.3, "tax": 0.1, "gross": 0.4}, True),
        ("net + tax = gross", {"net": None, "tax": 1, "gross": 2}, None),
        ("sum(rows.amount) = net", {"rows": money("1.10", "2.20"), "net": Decimal("3.30")}, True),
        ("sum(rows.amount) = net", {"rows": money("1.10", "2.20"), "net": Decimal("4.30")}, False),
        ("sum(rows.amount) = net", {"rows": [], "net": Decimal("4.30")}, None),
        ("sum(rows.amount) = net", {"rows": [*money("1"), {"amount": None}], "net": Decimal("1")}, None),
        ("sum(rows.amount) - discount? = net", {"rows": money("5"), "discount": Decimal("1"), "net": Decimal("4")}, True),
        ("sum(rows.amount) - discount? = net", {"rows": money("5"), "discount": None, "net": Decimal("5")}, True),
        ("sum(rows.amount) - discount? = net", {"rows": money("5"), "discount": None, "net": Decimal("4")}, None),
        ("count(rows) = count", {"rows": money("1", "2"), "count": 2}, True),
        ("count(rows) = count", {"rows": money("1", "2"), "count": 3}, False),
        ("count(rows) >= 1", {"rows": []}, False),
        ("sum(`line items`.`unit.price`) = `net-total = sum`", {"line items": [{"unit.price": 2}], "net-total = sum": 2}, True),
        ("`net-total = sum`? - net = 1", {"net-total = sum": 2, "net": 2}, False),
        ("sum(rows.amount) = net", {"rows": money(*["1"] * 300), "net": Decimal("301")}, False),
        ("count(rows) = count", {"rows": money(*["1"] * 300), "count": 301}, False),
        ("at >= since", {"at": datetime.datetime(2024, 1, 1, 1), "since": datetime.datetime(2024, 1, 1, 23)}, False),
        ("at >= from", {"at": datetime.datetime(2024, 1, 1, 1), "from": datetime.date(2024, 1, 1)}, True),
        ("count = number", {"count": 5, "number": 5}, True),
        ("until >= from", {"from": datetime.date(2026, 1, 1), "until": datetime.date(2026, 1, 1)}, True),
        ("until >= from", {"from": datetime.date(2026, 1, 2), "until": datetime.date(2026, 1, 1)}, False),
        ("until >= from", {"from": None, "until": datetime.date(2026, 1, 1)}, None),
        ("sum(sums.rows.cost) = sums.total", {"sums": {"rows": [{"cost": 1}, {"cost": 2}], "total": 3}}, True),
        ("gross <= 100.5", {"gross": 100}, True),
    ],
)  # fmt: skip
def test_a_check_holds_fails_or_is_skipped(text: str, record: dict[str, Any], ok: bool | None) -> None:
    assert made(text, **record) is ok


@given(st.lists(st.decimals(-10_000, 10_000, places=2), min_size=1, max_size=50))
def test_a_sum_of_exact_lines_always_holds_and_a_lost_line_never_does(amounts: list[Decimal]) -> None:
    rows = [{"amount": amount} for amount in amounts]
    assert made("sum(rows.amount) = net", rows=rows, net=sum(amounts)) is True
    tolerance = Decimal("0.01") + min(Decimal("0.005") * len(amounts), Decimal("0.05"))
    if len(rows) > 1 and abs(amounts[0]) > tolerance:
        assert made("sum(rows.amount) = net", rows=rows[1:], net=sum(amounts)) is False


@pytest.mark.parametrize(
    "text",
    ["net", "net = ", "net + = gross", "nothing = net", "sum(net) = gross", "count(rows.amount) = 1", "sum(rows.cost) = net", "net gross = tax",
     "net == gross", "", "(net) = gross", "sum(rows.amount = net"],
)  # fmt: skip
def test_a_check_that_cannot_be_read_is_named_before_anything_is_started(text: str) -> None:
    with pytest.raises(ConfigurationError, match="it"):
        made(text)


@pytest.mark.parametrize("declared", [7, [7], [{"name": "it"}], {"name": "it"}])
def test_checks_of_another_shape_are_refused(declared: Any) -> None:
    with pytest.raises(ConfigurationError, match=KEYWORD):
        declared_checks({KEYWORD: declared}, ROOT)


def test_an_invoice_has_the_checks_of_invoices() -> None:
    record = {
        "line_items": money("100", "50"), "allowances": Decimal("10"), "charges": None, "net_total": Decimal("140"),
        "tax_total": Decimal("26.60"), "gross_total": Decimal("166.60"), "issue_date": datetime.date(2026, 3, 1),
        "due_date": datetime.date(2026, 3, 31),
    }  # fmt: skip
    assert [run_check(check, record).ok for check in INVOICE.values()] == [True, True, True]
    wrong = {**record, "gross_total": Decimal("200"), "due_date": datetime.date(2026, 2, 1)}
    assert [run_check(check, wrong).ok for check in INVOICE.values()] == [True, False, False]
