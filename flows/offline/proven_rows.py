"""Rows proven by arithmetic: where quantity times unit price is the amount, all three were read correctly.

Such a row counts even where its cells were divided badly or its text is missing. No value is calculated: the product only
confirms a printed amount.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from flows.offline import typed
from flows.offline.align import NUMERIC, Header, HeaderColumn
from flows.offline.cells import WantedColumn
from flows.offline.headers import is_asked
from flows.offline.layout import TextRow

_PARTS = ("quantity", "unit_price", "amount")
_CENT = Decimal("0.01")
_LONGEST_WORD = 10  # between the numbers of a row are units and tax categories, not its description
_HIGHEST_RATE = 50
_MOST_DIGITS = 15
_MOST_TOKENS = 80


def holds(values: Mapping[str, Any], wanted: WantedColumn) -> bool:
    """True where quantity times unit price is the amount, to the cent, and the amount is not zero."""
    numbers = [value for part in _PARTS if isinstance(value := values.get(wanted.key(part)), Decimal)]
    if len(numbers) < len(_PARTS):
        return False
    if any(number.adjusted() > _MOST_DIGITS for number in numbers):
        return False
    quantity, price, amount = numbers
    return amount != 0 and abs(quantity * price - amount) <= _CENT


def amount_below(values: Mapping[str, Any], below: TextRow | None, wanted: WantedColumn) -> dict[str, Any]:
    """The last cell of the next line as the amount, where it is the product of the other two; else empty."""
    key = wanted.key("amount")
    last = next((cell for cell in reversed(below.cells) if cell), "") if below else ""
    if not key or key in values or not last:
        return {}
    amount = {key: typed.money(last, wanted.how)}
    return amount if holds({**values, **amount}, wanted) else {}


def numbers_in(row: TextRow, header: Header, wanted: WantedColumn) -> dict[str, Any]:
    """The last numbers of a row by the header's columns of numbers, in order, whatever its cells; empty unless proven."""
    numeric = [column for cell in header for column in cell if _is_numeric(column)]
    concepts = [column.leaf.concept for column in numeric if column.leaf is not None]
    tokens = " ".join(row.cells).split()[-_MOST_TOKENS:]
    places = [index for index, token in enumerate(tokens) if NUMERIC.fullmatch(token)][-len(numeric) :]
    if any(concepts.count(part) != 1 for part in _PARTS) or len(places) < len(numeric):
        return {}
    if any(len(token) > _LONGEST_WORD for token in tokens[places[0] :]):
        return {}
    numbers: dict[str, Any] = {}
    for column, position in zip(numeric, places, strict=True):
        value = typed.number(tokens[position], wanted.how)
        if value is None or (column.kind == "rate" and not 0 <= value <= _HIGHEST_RATE):
            return {}
        if column.leaf is not None and is_asked(column):
            numbers[column.leaf.path[0]] = value
    return numbers if holds(numbers, wanted) else {}


def _is_numeric(column: HeaderColumn) -> bool:
    return column.leaf is not None and column.kind in {"number", "money", "rate"}
