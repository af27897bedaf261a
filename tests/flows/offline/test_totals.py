from decimal import Decimal

import pytest

from flows.offline.totals import Amount, settle_totals


def amounts(*values: tuple[int, str]) -> list[Amount]:
    return [Amount(tier, order, Decimal(value)) for order, (tier, value) in enumerate(values)]


def test_sums_that_agree_win() -> None:
    found = {
        "net_total": amounts((0, "80"), (1, "90")),
        "tax_total": amounts((1, "9")),
        "gross_total": amounts((0, "500"), (2, "99")),
    }
    assert settle_totals(found) == {"net_total": 90, "tax_total": 9, "gross_total": 99}


def test_vague_labels_that_differ_name_nothing() -> None:
    assert settle_totals({"gross_total": amounts((2, "5"), (2, "6"))}) == {}
    assert settle_totals({"gross_total": amounts((2, "5"), (2, "5"))}) == {"gross_total": 5}


def test_discounts_are_positive() -> None:
    assert settle_totals({"allowances": amounts((0, "-5"))}) == {"allowances": 5}


def test_nothing_is_calculated() -> None:
    assert settle_totals({"net_total": amounts((0, "90")), "tax_total": amounts((0, "9"))}) == {
        "net_total": 90,
        "tax_total": 9,
    }


@pytest.mark.parametrize(
    ("prepaid", "paid", "gross"),
    [([], False, Decimal(90)), ([], True, None), ([(0, "0")], True, Decimal(90)), ([(0, "10")], True, None)],
)
def test_what_is_due_is_the_gross_total_only_where_nothing_was_paid(
    prepaid: list[tuple[int, str]], paid: bool, gross: Decimal | None
) -> None:
    found = {"gross_total": amounts((1, "90")), "due_amount": amounts((0, "90")), "prepaid": amounts(*prepaid)}
    assert settle_totals(found, paid=paid).get("gross_total") == gross


def test_sums_that_agree_need_no_label() -> None:
    found = {"net_total": amounts((0, "80")), "tax_total": amounts((0, "10")), "gross_total": amounts((1, "90"))}
    assert settle_totals({**found, "due_amount": amounts((0, "90"))}, paid=True)["gross_total"] == 90
