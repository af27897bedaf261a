"""Lists of objects from tables: a header row whose cells name the item's properties, then the rows below it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from flows.offline import typed
from flows.offline.align import NUMERIC, Column, align
from flows.offline.layout import Row
from flows.offline.lexicon import CARRY_OVER, CONCEPTS, ITEM_CONCEPTS, WORD, fold_word, words
from flows.offline.typed import Habits
from flows.offline.wanted import Leaf, columns, json_type, properties

_PERIOD = re.compile(r"(?:FY ?|H[12] ?|Q[1-4] ?)?(?:19|20)\d{2}(?:[/–-]\d{2,4})?")
_ATTRIBUTE = re.compile(r"\w\s?:\s")  # `GTIN: 4012345001235` tells of the item, but is not its description
_GTIN = re.compile(r"\b(?:GTIN|EAN)\W{0,3}(\d{8,14})\b|\b(\d{8,14})\s*\((?:GTIN|EAN)\)")
_BRACKETS = re.compile(r"\([^()]*\)")
_FILLER = frozenset("in eur usd gbp chf netto ht excl exkl ohne per pro je of the de des du and und et btw euro per cent".split())
_CARRY = frozenset(words(phrase) for phrase in CARRY_OVER.split("|"))
_SUMS = frozenset(
    words(phrase)
    for concept in ("line_total", "net_total", "tax_total", "gross_total", "due_amount", "allowances", "charges", "prepaid")
    for tier in CONCEPTS[concept].tiers
    for phrase in tier.split("|")
) | {("steuerbasisbetrag",), ("steuerbasisbetrag", "ust"), ("taxable", "amount"), ("base", "tva")}
_UNASKED = "\0"  # no property of a schema starts so
Header = tuple[tuple[Column, ...], ...]  # for each header cell the columns it names; an unknown one has one without a leaf


def items(rows: Sequence[Row], item: Mapping[str, Any], how: Habits) -> list[dict[str, Any]]:
    """Every row of every table whose header names at least two properties of `item`."""
    leaves = columns(item)
    known = _known(leaves)
    found: list[dict[str, Any]] = []
    header: Header | None = None
    heads: Row | None = None
    skip = page = 0
    for index, row in enumerate(rows):
        if skip:
            skip -= 1
            continue
        seen = _header(rows, index, known)
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
        made = list(_made(row, heads, header, item, leaves, how))
        if made:
            found.extend(made)
            page = row.page
        elif found and row.table:
            _gtin(found[-1], row, leaves)
            _continue(found[-1], row, header, leaves)
    return found


def _known(leaves: Sequence[Leaf]) -> dict[tuple[str, ...], Leaf]:
    """Header phrases and the property each names. A property's own name counts too."""
    known: dict[tuple[str, ...], Leaf] = {}
    for leaf in leaves:
        own = (" ".join(leaf.path).replace("_", " "), *leaf.phrases)
        for phrase in own:
            known.setdefault(words(phrase), leaf)
    for leaf in leaves:
        if leaf.concept in ITEM_CONCEPTS:
            for phrase in ITEM_CONCEPTS[leaf.concept].tiers[0].split("|"):
                known.setdefault(words(phrase), leaf)
    for concept, (kind, tiers, _) in ITEM_CONCEPTS.items():  # columns nobody asked for take their cells with them
        for phrase in tiers[0].split("|"):
            known.setdefault(words(phrase), Leaf((f"{_UNASKED}{concept}",), concept, kind, {}, ()))
    return known


def _header(rows: Sequence[Row], index: int, known: Mapping[tuple[str, ...], Leaf]) -> tuple[Header, int] | None:
    """The header that starts at `index`, and how many further rows it takes; null where there is none."""
    row = rows[index]
    own = _named(row.cells, known)
    if own is None:
        return None
    needs_text = any(leaf.kind == "text" for leaf in known.values() if not leaf.path[0].startswith(_UNASKED))
    later = rows[index + 1] if index + 1 < len(rows) else None
    if later is None or not row.table or later.block != row.block or len(later.cells) != len(row.cells):
        return (own, 0) if _counts(own, needs_text=needs_text) else None
    joined = _named(tuple(f"{above} {below}".strip() for above, below in zip(row.cells, later.cells, strict=True)), known)
    below = _named(later.cells, known)
    if joined is not None and below is not None and _count(joined) > max(1, _count(own), _count(below)) and _counts(joined, needs_text=needs_text):
        return joined, 1
    return (own, 0) if _counts(own, needs_text=needs_text) else None


def _named(cells: Sequence[str], known: Mapping[tuple[str, ...], Leaf]) -> Header | None:
    if len(cells) < 2:
        return None
    header: list[tuple[Column, ...]] = []
    quantity = known.get(("quantity",))
    texts = {leaf.path[0] for leaf in known.values() if leaf.kind == "text"}
    used: set[str] = set()
    for cell in cells:
        if _PERIOD.fullmatch(cell):
            header.append((Column(None, "number", cell),))
            continue
        if NUMERIC.fullmatch(cell) or len(cell) > 60:
            return None
        named = [leaf for leaf in _leaves_in(cell, known) if leaf.path[0] not in used]
        if not used & texts and quantity is not None and words(cell) == ("amount",) and quantity.path[0] not in used:
            named = [quantity]  # an `Amount` before the description counts, it is no sum
        used.update(leaf.path[0] for leaf in named)
        header.append(tuple(Column(leaf, leaf.kind, cell) for leaf in named) or (Column(None, "any", cell),))
    return tuple(header)


def _leaves_in(cell: str, known: Mapping[tuple[str, ...], Leaf]) -> list[Leaf]:
    """The properties that a header cell names; nothing when most of its words are other words."""
    tokens = [fold_word(match[0]) for match in WORD.finditer(_BRACKETS.sub(" ", cell))]
    found: list[Leaf] = []
    place = matched = 0
    while place < len(tokens):
        for length in range(min(4, len(tokens) - place), 0, -1):
            leaf = known.get(tuple(tokens[place : place + length]))
            if leaf is not None:
                found.append(leaf)
                matched += length
                place += length
                break
        else:
            matched += tokens[place] in _FILLER
            place += 1
    return found if tokens and matched * 2 > len(tokens) else []


def _counts(header: Header, *, needs_text: bool) -> bool:
    """True for a header of two properties, one of them in words or codes where the item has any: a list names its items."""
    named = any(column.kind in {"text", "code"} for cell in header for column in cell if _is_asked(column))
    return _count(header) >= 2 and (named or not needs_text)


def _count(header: Header) -> int:
    return sum(_is_asked(column) for cell in header for column in cell)


def _is_asked(column: Column) -> bool:
    return column.leaf is not None and not column.leaf.path[0].startswith(_UNASKED)


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
    return any(words(cell)[: len(phrase)] == phrase for cell in cells if cell for phrase in _CARRY if words(cell))


def _made(
    row: Row, heads: Row, header: Header, item: Mapping[str, Any], leaves: Sequence[Leaf], how: Habits
) -> Iterator[dict[str, Any]]:
    if row.level or _is_carry(row.cells):
        return
    flat, sure = align(row, heads, header)
    values = {column.leaf.path[0]: value for column, text in flat if column.leaf and _is_asked(column) and (value := _value(column.leaf, text, how)) is not None}
    _unit_of_quantity(values, flat, leaves)
    _gtin(values, row, leaves)
    wanted = [column.leaf for cell in header for column in cell if column.leaf is not None and _is_asked(column)]
    periods = [(column, text) for column, text in flat if column.leaf is None and column.kind == "number"]
    if any(_PERIOD.fullmatch(column.title) for cell in header for column in cell) and not any(leaf.kind == "number" for leaf in wanted):
        if len(row.cells) == len(header):
            yield from _by_period(values, periods, item, leaves, how)
        return
    texts = [leaf for leaf in wanted if leaf.kind == "text"]
    numbers = [leaf for leaf in wanted if leaf.kind in {"number", "money"}]
    if texts and not any(isinstance(values.get(leaf.path[0]), str) and any(map(str.isalpha, values[leaf.path[0]])) for leaf in texts):
        return
    got = sum(leaf.path[0] in values for leaf in numbers)
    if len(values) >= 2 and (not numbers or got >= max(1, len(numbers) - sure)):
        yield _whole(values, item)


def _by_period(
    values: Mapping[str, Any], periods: Sequence[tuple[Column, str]], item: Mapping[str, Any], leaves: Sequence[Leaf], how: Habits
) -> Iterator[dict[str, Any]]:
    """One object for each column that is headed by a year, when the item has a place for value and period."""
    value = next((leaf for leaf in leaves if leaf.concept == "value"), None)
    period = next((leaf for leaf in leaves if leaf.concept == "period"), None)
    if value is None or period is None or not any(isinstance(text, str) for text in values.values()):
        return
    for column, text in periods:
        amount = typed.number(text, how)
        if amount is not None:
            yield _whole({**values, value.path[0]: amount, period.path[0]: column.title}, item)


def _whole(values: Mapping[str, Any], item: Mapping[str, Any]) -> dict[str, Any]:
    """Every property of the item, in the schema's order."""
    return {key: _plain(values.get(key), below) for key, below in properties(item).items()}


def _plain(value: Any, node: Mapping[str, Any]) -> Any:
    kind = json_type(node)
    if kind == "array":
        return []
    if kind == "object":
        return {key: _plain(None, below) for key, below in properties(node).items()}
    if isinstance(value, Decimal):
        value = typed.json_number(value)
    return None if "enum" in node and value not in node["enum"] else value


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
            return typed.rate(text, how)
        case "position":
            return text if text.rstrip(".").isdigit() else None
        case "date":
            return typed.date(text, how)
        case "unit":
            return text if len(text) <= 24 and not text[0].isdigit() else None
        case "code":
            first = text.split(" ", 1)[0]
            return first if 3 <= len(first) <= 40 and any(map(str.isdigit, first)) and not _GTIN.match(text) else None
    return text


def _unit_of_quantity(values: dict[str, Any], flat: Sequence[tuple[Column, str]], leaves: Sequence[Leaf]) -> None:
    """`20 Stk` in a column of quantities tells the unit too."""
    unit = next((leaf for leaf in leaves if leaf.kind == "unit"), None)
    if unit is None or unit.path[0] in values:
        return
    for column, text in flat:
        if column.leaf is not None and column.leaf.concept == "quantity":
            tail = re.fullmatch(r"[\d.,' ]*\d\s+([^\W\d][\w.²³()]{0,14})", text)
            if tail:
                values[unit.path[0]] = tail[1]


def _gtin(values: dict[str, Any], row: Row, leaves: Sequence[Leaf]) -> None:
    """A GTIN says what it is, in whatever cell it stands."""
    leaf = next((leaf for leaf in leaves if leaf.concept == "gtin"), None)
    if leaf is not None and values.get(leaf.path[0]) is None:
        match = next((match for cell in row.cells if (match := _GTIN.search(cell))), None)
        if match is not None:
            values[leaf.path[0]] = match[1] or match[2]


def _continue(last: dict[str, Any], row: Row, header: Header, leaves: Sequence[Leaf]) -> None:
    """A table row with nothing but words under the description carries the description on."""
    if len(row.cells) != len(header) or _is_carry(row.cells):
        return
    if any(_ATTRIBUTE.search(cell) for cell in row.cells):
        return
    filled = [(place, cell) for place, cell in enumerate(row.cells) if cell and header[place][0].leaf is not None]
    text = next((leaf.path[0] for leaf in leaves if leaf.kind == "text"), None)
    if text is None or len(filled) != 1:
        return
    place, cell = filled[0]
    if any(column.leaf is not None and column.leaf.path[0] == text for column in header[place]) and isinstance(last.get(text), str):
        last[text] = f"{last[text]} {cell}"
