"""Lists of objects from tables: a header row whose cells name the item's properties, then the rows below it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.offline import typed
from flows.offline.align import Column, Header, align
from flows.offline.headers import PERIOD, header_at, is_asked, known_phrases
from flows.offline.layout import Row
from flows.offline.lexicon import BLOCKS, CONCEPTS, words
from flows.offline.typed import Habits
from flows.offline.wanted import Leaf, columns, empty, json_type, properties

_ATTRIBUTE = re.compile(r"\w\s?:\s")  # `GTIN: 4012345001235` tells of the item, but is not its description
_GTIN = re.compile(r"\b(?:GTIN|EAN)\W{0,3}(\d{8,14})\b|\b(\d{8,14})\s*\((?:GTIN|EAN)\)")
_UNIT_BEHIND = re.compile(r"[\d.,' ]*\d\s+([^\W\d][\w.²³()]{0,14})")
_TOTALS = ("line_total", "net_total", "tax_total", "gross_total", "due_amount", "allowances", "charges", "prepaid")
_SUMS = frozenset(phrase for concept in _TOTALS for tier in CONCEPTS[concept].tiers for phrase in tier) | BLOCKS["base"]
_FEWEST = 2  # properties that make a row an item
_CARRY = BLOCKS["carry_over"]


@dataclass(frozen=True)
class Wanted:
    """The item that is looked for, and how these pages print."""

    item: Mapping[str, Any]
    leaves: Sequence[Leaf]
    how: Habits

    def leaf(self, concept: str) -> Leaf | None:
        """The property that asks for `concept`."""
        return next((leaf for leaf in self.leaves if leaf.concept == concept), None)

    def whole(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Every property of the item, in the schema's order."""
        return {key: _plain(values.get(key), below) for key, below in properties(self.item).items()}


def items(rows: Sequence[Row], item: Mapping[str, Any], how: Habits) -> list[dict[str, Any]]:
    """Every row of every table whose header names at least two properties of `item`."""
    wanted = Wanted(item, columns(item), how)
    known = known_phrases(wanted.leaves)
    found: list[dict[str, Any]] = []
    header: Header | None = None
    heads: Row | None = None
    skip = page = 0
    for index, row in enumerate(rows):
        if skip:
            skip -= 1
            continue
        seen = header_at(rows, index, known)
        if seen is not None:
            header, skip = seen
            heads = rows[index + skip]
            page = row.page
            continue
        if header is None or heads is None:
            continue
        if _is_sum(row, how) or (row.level and row.page == page):  # a heading at the top of a page is a running one
            header = None
            continue
        made = list(_made(row, heads, header, wanted))
        if made:
            found.extend(made)
            page = row.page
        elif found and row.table:
            _add_gtin(found[-1], row, wanted)
            _continue(found[-1], row, header, wanted)
    return found


def _is_sum(row: Row, how: Habits) -> bool:
    """True for a row that is a total: a sum's label, then an amount. Carried-over sums do not end a table."""
    filled = [cell for cell in row.cells if cell]
    if len(filled) > 3 or not filled:
        return False
    if len(filled) > 1 and typed.money(filled[-1], how) is None:
        return False
    for cell in filled[:-1] or filled:
        label = tuple(word for word in words(cell) if not word[0].isdigit())
        if label in _SUMS and label not in _CARRY:
            return True
    return False


def _is_carry(cells: Sequence[str]) -> bool:
    starts = (words(cell[:40]) for cell in cells if cell)
    return any(start[:length] in _CARRY for start in starts for length in range(1, len(start) + 1))


def _made(row: Row, heads: Row, header: Header, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """The objects that a row holds: one, none, or one for each year when years head the columns."""
    if row.level or _is_carry(row.cells):
        return
    placed, sure = align(row, heads, header)
    values = dict(_values(placed, wanted.how))
    _add_unit(values, placed, wanted)
    _add_gtin(values, row, wanted)
    named = [column.leaf for cell in header for column in cell if column.leaf is not None and is_asked(column)]
    numbers = [leaf for leaf in named if leaf.kind in {"number", "money"}]
    if not numbers and any(PERIOD.fullmatch(column.title) for cell in header for column in cell):
        if len(row.cells) == len(header):
            yield from _by_period(values, placed, wanted)
        return
    texts = [values.get(leaf.path[0]) for leaf in named if leaf.kind == "text"]
    if texts and not any(isinstance(text, str) and any(map(str.isalpha, text)) for text in texts):
        return
    got = sum(leaf.path[0] in values for leaf in numbers)
    if len(values) >= _FEWEST and (not numbers or got >= max(1, len(numbers) - sure)):
        yield wanted.whole(values)


def _values(placed: Sequence[tuple[Column, str]], how: Habits) -> Iterator[tuple[str, Any]]:
    for column, text in placed:
        if column.leaf is not None and is_asked(column):
            value = _value(column.leaf, text, how)
            if value is not None:
                yield column.leaf.path[0], value


def _by_period(
    values: Mapping[str, Any], placed: Sequence[tuple[Column, str]], wanted: Wanted
) -> Iterator[dict[str, Any]]:
    """One object for each column that is headed by a year, when the item has a place for value and period."""
    value, period = wanted.leaf("value"), wanted.leaf("period")
    if value is None or period is None or not any(isinstance(text, str) for text in values.values()):
        return
    for column, text in placed:
        amount = typed.number(text, wanted.how) if PERIOD.fullmatch(column.title) else None
        if amount is not None:
            yield wanted.whole({**values, value.path[0]: amount, period.path[0]: column.title})


def _plain(value: Any, node: Mapping[str, Any]) -> Any:
    if json_type(node) in {"array", "object"}:
        return empty(node)
    return typed.plain(value, node)


def _value(leaf: Leaf, text: str, how: Habits) -> Any:
    if not text:
        return None
    match leaf.kind:
        case "number" | "money":
            return typed.number(text, how)
        case "integer":
            number = typed.number(text, how)
            return number if number is not None and number % 1 == 0 else None
        case "rate":
            return typed.rate(text)
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
    return text


def _add_unit(values: dict[str, Any], placed: Sequence[tuple[Column, str]], wanted: Wanted) -> None:
    """`20 Stk` in a column of quantities tells the unit too."""
    unit = wanted.leaf("unit")
    if unit is None or unit.path[0] in values:
        return
    for column, text in placed:
        tail = _UNIT_BEHIND.fullmatch(text)
        if tail is not None and column.leaf is not None and column.leaf.concept == "quantity":
            values[unit.path[0]] = tail[1]


def _add_gtin(values: dict[str, Any], row: Row, wanted: Wanted) -> None:
    """A GTIN says what it is, in whatever cell it stands."""
    leaf = wanted.leaf("gtin")
    if leaf is not None and values.get(leaf.path[0]) is None:
        match = next((match for cell in row.cells if (match := _GTIN.search(cell))), None)
        if match is not None:
            values[leaf.path[0]] = match[1] or match[2]


def _continue(last: dict[str, Any], row: Row, header: Header, wanted: Wanted) -> None:
    """A table row with nothing but words under the description carries the description on."""
    text = next((leaf.path[0] for leaf in wanted.leaves if leaf.kind == "text"), None)
    if text is None or len(row.cells) != len(header) or not isinstance(last.get(text), str):
        return
    if _is_carry(row.cells) or any(_ATTRIBUTE.search(cell) for cell in row.cells):
        return
    filled = [place for place, cell in enumerate(row.cells) if cell and header[place][0].leaf is not None]
    if len(filled) == 1 and any(
        column.leaf is not None and column.leaf.path[0] == text for column in header[filled[0]]
    ):
        last[text] = f"{last[text]} {row.cells[filled[0]]}"
