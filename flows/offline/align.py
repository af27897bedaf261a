"""Alignment of cells with columns, also where cells are merged or missing."""

import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from flows.offline.layout import TextRow
from flows.offline.wanted import Leaf

_NUMBER = r"[-+\u2212]?(?:[€$£] ?)?\d[\d.,'\u2019]*(?: ?[€$£]|%| %| EUR)?"
NUMERIC = re.compile(_NUMBER)
_WITH_UNIT = re.compile(rf"{_NUMBER}\s+[^\W\d][\w.()]{{0,14}}")
_LEADING = re.compile(rf"({_NUMBER})\s+(\S.*)")
_TRAILING = re.compile(rf"(.*\S)\s+({_NUMBER})")
_POSITION = re.compile(r"(\d{1,4}\.?)\s+(\S.*)")
_CODE = re.compile(r"((?=\S*\d)[A-Za-z0-9][\w./\-]*)\s+(\S.*)")
_POSITION_OR_CODE = re.compile(r"(?=[\w./\-]*\d)[^\W_][\w./\-]{0,39}")
_MOST_PIECES = 16


class HeaderColumn(NamedTuple):
    """One column of a header: its property (or None), the kind of its cells, and its title."""

    leaf: Leaf | None
    kind: str
    title: str


Header = Sequence[Sequence[HeaderColumn]]
Placed = list[tuple[HeaderColumn, str]]


def align(row: TextRow, heads: TextRow, header: Header) -> tuple[Placed, bool]:
    """The row's texts with their columns, none where they do not fit; true where the cells match the columns one to one."""
    if row.table and heads.table and len(row.cells) == len(header):
        return _by_index(row.cells, header), True
    cells = [cell for cell in row.cells if cell]
    if len(cells) < 2:
        return [], False
    flat = [column for cell in header for column in cell if column.leaf is not None or column.title]
    if len(cells) == len(flat) and all(_score(column, cell) > 0 for column, cell in zip(flat, cells, strict=True)):
        return list(zip(flat, cells, strict=True)), True
    return _by_kind(cells, flat), False


def _by_index(cells: Sequence[str], header: Header) -> Placed:
    placed: Placed = []
    index = 0
    while index < len(cells):
        if (pair := _across(index, cells, header)) is not None:
            placed += pair
            index += 2
            continue
        group = header[index]
        width = 1
        while len(group) > width and index + width < len(cells) and not header[index + width][0].title:
            width += 1  # `Pos. Description` over two cells: the titles are merged, the cells are not
        texts = [text for text in cells[index : index + width] if text] if width > 1 else [cells[index]]
        if len(texts) == len(group):
            placed += zip(group, texts, strict=True)
        elif len(texts) == 1:
            placed += zip(group, _split(texts[0], group), strict=False)
        index += width
    return placed


def _across(index: int, cells: Sequence[str], header: Header) -> Placed | None:
    """Two cells under `| | Description Quantity |`: the titles are merged into the right one, the cells are not."""
    if index + 1 == len(cells) or header[index][0].title or len(header[index + 1]) != 2:
        return None
    pair = list(zip(header[index + 1], cells[index : index + 2], strict=True))
    return pair if all(text and _score(column, text) > 0 for column, text in pair) else None


def _split(text: str, group: Sequence[HeaderColumn]) -> list[str]:
    """One text divided among several columns where the kind changes; all of it for the first where the kind does not change."""
    if len(group) == 1:
        return [text]
    first = group[0].kind
    pattern = {"position": _POSITION, "code": _CODE, "number": _LEADING, "rate": _LEADING}.get(first)
    match = pattern.fullmatch(text) if pattern else _TRAILING.fullmatch(text) if group[-1].kind == "number" else None
    if match is None:
        return [text]
    if pattern is None:
        return [*_split(match[1], group[:-1]), match[2]]
    return [match[1], *_split(match[2], group[1:])]


def _by_kind(cells: Sequence[str], flat: Sequence[HeaderColumn]) -> Placed:
    """The best assignment of the pieces of `cells` to the columns, in order, by the kinds of the columns."""
    units = any(column.kind == "unit" for column in flat)
    pieces = [piece for cell in cells for piece in _pieces(cell, units=units)]
    placed = _laid(pieces, flat)
    if placed or not flat or flat[0].kind != "text":
        return placed
    for _ in range(2):  # a position and an article number without a title in the header
        if not pieces or not _POSITION_OR_CODE.fullmatch(pieces[0]):
            break
        pieces = pieces[1:]
        if placed := _laid(pieces, flat):
            return placed
    return []


def _laid(pieces: Sequence[str], flat: Sequence[HeaderColumn]) -> Placed:
    if not 2 <= len(pieces) <= _MOST_PIECES or len(flat) > _MOST_PIECES:
        return []

    @cache
    def best(piece: int, column: int) -> tuple[float, tuple[int, ...]]:
        if piece == len(pieces):
            return 0.0, ()
        if column == len(flat):
            return -100.0, ()
        skipped = best(piece, column + 1)
        fit = _score(flat[column], pieces[piece])
        if fit <= 0:
            return skipped[0] - 0.6, skipped[1]
        taken = best(piece + 1, column + 1)
        if taken[0] + fit > skipped[0] - 0.6:
            return taken[0] + fit, (column, *taken[1])
        return skipped[0] - 0.6, skipped[1]

    score, places = best(0, 0)
    return [(flat[position], piece) for position, piece in zip(places, pieces, strict=True)] if score > 0 else []


def _pieces(cell: str, *, units: bool) -> list[str]:
    """A cell divided between numbers, and before a unit where the table has a column of units: `4,55 € 10%`, `20 Stk`."""
    pieces: list[str] = []
    while (leading := _LEADING.fullmatch(cell)) is not None and len(pieces) < _MOST_PIECES:
        if not NUMERIC.match(leading[2]) and not (units and len(leading[2]) <= 14 and "%" not in leading[1]):
            break
        pieces.append(leading[1])
        cell = leading[2]
    return [*pieces, cell]


def _score(column: HeaderColumn, text: str) -> float:
    """Fit of `text` to the column, higher is better; 0 or less is no fit."""
    numeric = NUMERIC.fullmatch(text) is not None
    match column.kind:
        case "number" | "money":
            return 0.0 if text.endswith("%") else 2.0 if numeric else 1.2 if _WITH_UNIT.fullmatch(text) else 0.0
        case "rate":
            return 3.0 if "%" in text and text[0].isdigit() else 0.4 if numeric else 0.0
        case "position":
            return 2.0 if text.rstrip(".").isdigit() and len(text) <= 4 else 0.0
        case "code":
            return 1.5 if " " not in text and any(map(str.isdigit, text)) else 0.0
        case "unit":
            return 2.0 if not numeric and len(text) <= 16 and not text[0].isdigit() else 0.0
        case "text":
            return 0.0 if numeric else 2.0
    return 0.2 if numeric else 0.5
