"""Lists of objects from tables: a header row with the item's properties, then the rows below it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flows.offline import typed
from flows.offline.align import Header, HeaderColumn, align
from flows.offline.cells import WantedColumn, add_gtin, add_unit, values_of
from flows.offline.headers import PERIOD, header_at, is_asked, is_foreign, known_phrases
from flows.offline.layout import TextRow
from flows.offline.lexicon import BLOCKS, CONCEPTS, Phrase, words
from flows.offline.proven_rows import amount_below, holds, numbers_in
from flows.offline.typed import Habits
from flows.offline.wanted import columns

_ATTRIBUTE = re.compile(r"\w\s?:\s")  # `GTIN: 4012345001235` is an attribute of the item, not its description


def _labels(*concepts: str) -> frozenset[Phrase]:
    return frozenset(phrase for concept in concepts for tier in CONCEPTS[concept].tiers for phrase in tier)


_SUMS = _labels("line_total", "net_total", "tax_total", "gross_total", "due_amount", "prepaid") | BLOCKS["base"]
_CHANGES = _labels("allowances", "charges")
_FEWEST = 2  # properties that make a row an item
_CARRY = BLOCKS["carry_over"]


def items(rows: Sequence[TextRow], item: Mapping[str, Any], how: Habits) -> list[dict[str, Any]]:
    """The rows of all tables whose header names at least two properties of `item`."""
    wanted = WantedColumn(item, columns(item), how)
    phrases = known_phrases(wanted.leaves)
    listed: list[dict[str, Any]] = []
    priced: list[bool] = []
    header: Header | None = None
    heads: TextRow | None = None
    skip = page = 0
    for index, row in enumerate(rows):
        if skip:
            skip -= 1
            continue
        header_here = header_at(rows, index, phrases)
        if header_here is not None:
            header, skip = header_here
            heads = rows[index + skip]
            page = row.page
            continue
        if header is None or heads is None:
            continue
        if _has_label(row, _CHANGES, how):
            if listed:
                _reduce(listed[-1], row, header, wanted)
            continue
        top = row.level and row.page != page  # a heading at the top of a page is a running header
        if (row.level and not top) or _has_label(row, _SUMS, how) or is_foreign(row, phrases):
            header = None
            continue
        below = rows[index + 1] if index + 1 < len(rows) and rows[index + 1].page == row.page else None
        made = list(_made(row, below, heads, header, wanted))
        if made:
            listed.extend(made)
            priced.extend([_is_priced(header)] * len(made))
            page = row.page
        elif listed and row.table:
            add_gtin(listed[-1], row, wanted)
            _continue(listed[-1], row, header, wanted)
            _reduce(listed[-1], row, header, wanted)
    if wanted.leaf("quantity") is not None and any(priced):  # the parts of a charged item are no items
        return [entry for entry, has_price in zip(listed, priced, strict=True) if has_price]
    return listed


def _is_priced(header: Header) -> bool:
    return any(column.leaf and column.leaf.concept in {"unit_price", "amount"} for cell in header for column in cell)


def _has_label(row: TextRow, labels: frozenset[Phrase], how: Habits) -> bool:
    """True for a row of one of `labels` and an amount. Carried-over sums do not count, since they do not end a table."""
    filled = [cell for cell in row.cells if cell]
    if len(filled) > 3 or not filled:
        return False
    if len(filled) > 1 and typed.money(filled[-1], how) is None:
        return False
    for cell in filled[:-1] or filled:
        label = tuple(word for word in words(cell) if not word[0].isdigit())
        if label in labels and label not in _CARRY and not cell.startswith(":"):
            return True
    return False


def _is_carry(cells: Sequence[str]) -> bool:
    starts = (words(cell[:40]) for cell in cells if cell)
    return any(start[:length] in _CARRY for start in starts for length in range(1, len(start) + 1))


def _made(
    row: TextRow, below: TextRow | None, heads: TextRow, header: Header, wanted: WantedColumn
) -> Iterator[dict[str, Any]]:
    """The objects in a row: one, none, or one per year where years head the columns."""
    if row.level or _is_carry(row.cells):
        return
    placed, sure = align(row, heads, header)
    values = dict(values_of(placed, wanted.how))
    add_unit(values, placed, wanted)
    add_gtin(values, row, wanted)
    named = [column.leaf for cell in header for column in cell if column.leaf is not None and is_asked(column)]
    numbers = [leaf for leaf in named if leaf.kind in {"number", "money"}]
    if not numbers and any(PERIOD.fullmatch(column.title) for cell in header for column in cell):
        if len(row.cells) == len(header):
            yield from _by_period(values, placed, wanted)
        return
    values |= amount_below(values, below, wanted)
    texts = [values.get(leaf.path[0]) for leaf in named if leaf.kind == "text"]
    worded = not texts or any(isinstance(text, str) and any(map(str.isalpha, text)) for text in texts)
    got = sum(leaf.path[0] in values for leaf in numbers)
    enough = len(values) >= _FEWEST and (not numbers or got >= max(1, len(numbers) - sure))
    if not (worded and enough) and not holds(values, wanted):
        values = numbers_in(row, header, wanted) if numbers else {}
    if values:
        yield wanted.whole(values)


def _by_period(
    values: Mapping[str, Any], placed: Sequence[tuple[HeaderColumn, str]], wanted: WantedColumn
) -> Iterator[dict[str, Any]]:
    """One object per column headed by a year, where the item has a value and a period."""
    value, period = wanted.leaf("value"), wanted.leaf("period")
    if value is None or period is None or not any(isinstance(text, str) for text in values.values()):
        return
    for column, text in placed:
        amount = typed.number(text, wanted.how) if PERIOD.fullmatch(column.title) else None
        if amount is not None:
            yield wanted.whole({**values, value.path[0]: amount, period.path[0]: column.title})


def _continue(last: dict[str, Any], row: TextRow, header: Header, wanted: WantedColumn) -> None:
    """Append the text of a row that has only words under the description: it continues the description above."""
    text = next((leaf.path[0] for leaf in wanted.leaves if leaf.kind == "text"), None)
    if text is None or len(row.cells) != len(header) or not isinstance(last.get(text), str):
        return
    if _is_carry(row.cells) or any(_ATTRIBUTE.search(cell) for cell in row.cells):
        return
    filled = [index for index, cell in enumerate(row.cells) if cell and header[index][0].leaf is not None]
    if len(filled) == 1 and any(
        column.leaf is not None and column.leaf.path[0] == text for column in header[filled[0]]
    ):
        last[text] = f"{last[text]} {row.cells[filled[0]]}"


def _reduce(last: dict[str, Any], row: TextRow, header: Header, wanted: WantedColumn) -> None:
    """Drop the amount above a row that has only a reduction under the amount: it is not the line's total."""
    key = wanted.key("amount")
    if not row.table or len(row.cells) != len(header) or last.get(key) is None:
        return
    values = dict(values_of([(group[0], cell) for group, cell in zip(header, row.cells, strict=True)], wanted.how))
    other_keys = {wanted.key(concept) for concept in ("description", "quantity", "unit_price")}
    change = values.get(key)
    if change is not None and (change < 0) != (last[key] < 0) and not other_keys & values.keys():
        last[key] = None
