"""Values of an item from the cells of a row: of the kinds of its properties, a unit, a GTIN."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.offline import typed
from flows.offline.align import HeaderColumn
from flows.offline.headers import is_asked
from flows.offline.layout import TextRow
from flows.offline.typed import Habits
from flows.offline.wanted import Leaf, empty, json_type, properties

_GTIN = re.compile(r"\b(?:GTIN|EAN)\W{0,3}(\d{8,14})\b|\b(\d{8,14})\s*\((?:GTIN|EAN)\)")
_UNIT_BEHIND = re.compile(r"[\d.,' ]*\d\s+([^\W\d][\w.²³()]{0,14})")


@dataclass(frozen=True)
class WantedColumn:
    """The schema of the wanted item, its leaves, and the notation of the pages."""

    item: Mapping[str, Any]
    leaves: Sequence[Leaf]
    how: Habits

    def leaf(self, concept: str) -> Leaf | None:
        """The property that asks for `concept`."""
        return next((leaf for leaf in self.leaves if leaf.concept == concept), None)

    def key(self, concept: str) -> str:
        """The name of the property that asks for `concept`, or an empty one that no item has."""
        leaf = self.leaf(concept)
        return leaf.path[0] if leaf else ""

    def whole(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Every property of the item, in the schema's order."""
        return {key: _plain(values.get(key), below) for key, below in properties(self.item).items()}


def values_of(placed: Sequence[tuple[HeaderColumn, str]], how: Habits) -> Iterator[tuple[str, Any]]:
    """The values of the requested columns, by property."""
    for column, text in placed:
        if column.leaf is not None and is_asked(column):
            value = _value(column.leaf, text, how)
            if value is not None:
                yield column.leaf.path[0], value


def _plain(value: Any, node: Mapping[str, Any]) -> Any:
    if json_type(node) in {"array", "object"}:
        return empty(node)
    return typed.plain_text(value, node)


def _value(leaf: Leaf, text: str, how: Habits) -> Any:
    if not text:
        return None
    match leaf.kind:
        case "number" | "money":
            return None if "%" in text else typed.number(text, how)
        case "integer":
            number = typed.number(text, how)
            return number if number is not None and number % 1 == 0 else None
        case "rate":
            return typed.tax_rate(text)
        case "position":
            return text if text.rstrip(".").isdigit() else None
        case "date":
            return typed.date(text, how)
        case "unit":
            return text if len(text) <= 24 and not text[0].isdigit() else None
        case "code":
            first = text.split(" ", 1)[0]
            plausible = len(first) > 1 and first[-1].isalnum() and any(map(str.isdigit, first))
            return first if plausible and not _GTIN.match(text) else None
        case "boolean" | "datetime":
            return None
    match = _GTIN.search(text)
    return text[: match.start()].rstrip(" ,;|") or None if match and match.end() == len(text) else text


def add_unit(values: dict[str, Any], placed: Sequence[tuple[HeaderColumn, str]], wanted: WantedColumn) -> None:
    """Add the unit of a quantity such as `20 Stk`, where the row has no unit of its own."""
    unit = wanted.leaf("unit")
    if unit is None or unit.path[0] in values:
        return
    for column, text in placed:
        tail = _UNIT_BEHIND.fullmatch(text)
        if tail is not None and column.leaf is not None and column.leaf.concept == "quantity":
            values[unit.path[0]] = tail[1]


def add_gtin(values: dict[str, Any], row: TextRow, wanted: WantedColumn) -> None:
    """Add a GTIN, which is recognised in any cell."""
    leaf = wanted.leaf("gtin")
    if leaf is not None and values.get(leaf.path[0]) is None:
        match = next((match for cell in row.cells if (match := _GTIN.search(cell))), None)
        if match is not None:
            values[leaf.path[0]] = match[1] or match[2]
