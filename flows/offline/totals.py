"""The sums of an invoice: labelled amounts that agree with each other, else those with the most certain labels."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple


class Amount(NamedTuple):
    """A labelled amount: the tier of its label (0 is the most certain), and its order on the pages."""

    tier: int
    order: int
    value: Decimal


FoundTotals = Mapping[str, Sequence[Amount]]
_MOST = 12  # candidates for one sum: real invoices have fewer, and the search is cubic


def settle_totals(found: FoundTotals, *, paid: bool = False) -> dict[str, Decimal]:
    """One printed amount for each concept that has any; no amount is calculated.

    `paid` is true where the pages state a prepaid sum: the amount due is then not the gross total by its label alone.
    """
    chosen = {concept: best.value for concept, amounts in found.items() if (best := _surest(amounts)) is not None}
    agreed = _agreeing(found)
    if agreed is None and paid and not any(amount.value == 0 for amount in found.get("prepaid", ())):
        best = _surest(found.get("gross_total", ()))
        if best is not None and best.tier > 0 and best.value in {due.value for due in found.get("due_amount", ())}:
            del chosen["gross_total"]
    if agreed is not None:
        net, tax, gross = agreed
        chosen |= {"net_total": net, "tax_total": tax, "gross_total": gross}
    for concept in ("allowances", "charges", "prepaid"):
        if concept in chosen:
            chosen[concept] = abs(chosen[concept])
    if agreed is not None:
        _sum_of_lines(found, chosen)
        _due(found, chosen)
    return chosen


def _surest(amounts: Sequence[Amount]) -> Amount | None:
    """The last amount with the most certain label; None where only vague labels name different amounts."""
    if not amounts:
        return None
    best = min(amount.tier for amount in amounts)
    first = [amount for amount in amounts if amount.tier == best]
    if best and len({amount.value for amount in first}) > 1:
        return None
    return first[-1]


def _agreeing(found: FoundTotals) -> tuple[Decimal, Decimal, Decimal] | None:
    nets, taxes, grosses = (
        sorted(set(found.get(concept, ())))[:_MOST] for concept in ("net_total", "tax_total", "gross_total")
    )
    fits = [
        (net.tier + tax.tier + gross.tier, -gross.order, net.value, tax.value, gross.value)
        for net in nets
        for tax in taxes
        for gross in grosses
        if net.value + tax.value == gross.value and gross.value != 0
    ]
    return min(fits)[2:] if fits else None


def _sum_of_lines(found: FoundTotals, chosen: dict[str, Decimal]) -> None:
    """Set the sum of lines, where a printed one leads to the net total after allowances and charges."""
    lesser, greater = chosen.get("allowances", Decimal(0)), chosen.get("charges", Decimal(0))
    values = {amount.value for amount in found.get("line_total", ())}
    expected = chosen["net_total"] + lesser - greater
    if expected in values:
        chosen["line_total"] = expected


def _due(found: FoundTotals, chosen: dict[str, Decimal]) -> None:
    if "prepaid" not in chosen and any(amount.tier == 0 for amount in found.get("due_amount", ())):
        return  # an amount labelled as due counts more than the gross total
    values = {amount.value for amount in found.get("due_amount", ())}
    expected = chosen["gross_total"] - chosen.get("prepaid", Decimal(0))
    if expected in values:
        chosen["due_amount"] = expected
