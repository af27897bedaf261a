"""The sums of an invoice: of all labelled amounts those that agree with each other, else the surest labels."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple


class Amount(NamedTuple):
    """A labelled amount: how sure its label is, and its place in the pages."""

    tier: int
    order: int
    value: Decimal


FoundTotals = Mapping[str, Sequence[Amount]]
_MOST = 12  # candidates looked at for one sum: real invoices have fewer, and the search below is cubic


def settle_totals(found: FoundTotals, *, paid: bool = False) -> dict[str, Decimal]:
    """One amount for each concept that has any. Nothing is calculated: each is printed beside its label.

    `paid` says that the pages speak of a sum paid before: what is due is then not the gross total by its label alone.
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
    """The last amount with the surest label; nothing where only vague labels name different ones."""
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
    """The sum before allowances and charges leads to the net total; without any it is the net total itself."""
    lesser, greater = chosen.get("allowances", Decimal(0)), chosen.get("charges", Decimal(0))
    values = {amount.value for amount in found.get("line_total", ())}
    expected = chosen["net_total"] + lesser - greater
    if expected in values:
        chosen["line_total"] = expected


def _due(found: FoundTotals, chosen: dict[str, Decimal]) -> None:
    if "prepaid" not in chosen and any(amount.tier == 0 for amount in found.get("due_amount", ())):
        return  # a sum that says it is due knows more than the gross total
    values = {amount.value for amount in found.get("due_amount", ())}
    expected = chosen["gross_total"] - chosen.get("prepaid", Decimal(0))
    if expected in values:
        chosen["due_amount"] = expected
