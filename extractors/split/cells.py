"""Rows of cells from a run and its columns: spanning pieces stay whole, wrapped cells become one cell."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter

from extractors.split.lines import Line
from extractors.split.rows import VisualRow
from schemas.step_data import Word

CellPart = tuple[int, list[Word]]  # index in natural order, and the words
Cells = list[list[CellPart]]
_FLUSH = 3.0  # points between a number and the right edge of its column
_SPACE = 0.45  # of the font size: a narrower gap does not separate two cells
NUMBER = re.compile(
    r"^[-+(<>\u2264\u2265\u00b1~\u2212\u2013$\u20ac\u00a3\u00a5\u20b9]*[\d.,'\u2019]*\d[\d.,'\u2019]*[)%*\u20ac]*(?:[A-Z]{3}|[a-z]{1,2})?$"
)


def fill(run: Sequence[VisualRow], splits: Sequence[float], rules: Sequence[float]) -> list[list[str]]:
    """The texts of the cells. `rules` are the y positions of horizontal lines between rows, in points."""
    rights = _right_edges(run, splits)
    bands = [
        _Band(_cells(row, splits, rights), min(line.y0 for line in row), max(line.y1 for line in row)) for row in run
    ]
    joins = _Joins(bands, rules if _is_ruled(run, rules) else ())
    kept: list[_Band] = []
    for band in bands:
        if kept and joins.continues(kept[-1], band):
            kept[-1].take(band)
        else:
            kept.append(band)
    return [[_text(cell) for cell in band.cells] for band in kept]


@dataclass(slots=True)
class _Band:
    """One visual row, or several that form one row of the table."""

    cells: Cells
    y0: float
    y1: float

    def take(self, other: "_Band") -> None:
        for own, more in zip(self.cells, other.cells, strict=True):
            own.extend(more)
        self.y0, self.y1 = min(self.y0, other.y0), max(self.y1, other.y1)

    def shares(self, other: "_Band") -> int:
        """Number of columns that are filled in both."""
        return sum(bool(own) and bool(more) for own, more in zip(self.cells, other.cells, strict=True))


class _Joins:
    """Test whether a visual row continues the row above: it overlaps, is between the same lines, or is set closer."""

    def __init__(self, bands: Sequence[_Band], rules: Sequence[float]) -> None:
        self._rules = rules
        columns = range(len(bands[0].cells))
        filled = [sum(bool(band.cells[c]) for band in bands) for c in columns]
        numbers = [sum(_is_number(band.cells[c]) for band in bands) for c in columns]
        # Columns of amounts are filled once in every row, so a row without any of them is the rest of another.
        self._anchors = [c for c in columns if numbers[c] > 0.6 * filled[c] and c > 0]
        gaps = sorted(b.y0 - a.y1 for a, b in pairwise(bands) if self._is_anchored(b))
        self._usual = gaps[len(gaps) // 2] if gaps else 0.0

    def continues(self, above: _Band, below: _Band) -> bool:
        """True where `below` is the rest of `above`."""
        height = below.y1 - below.y0
        gap = below.y0 - above.y1
        if gap < -0.25 * height:
            return above.shares(below) < 2
        if any(_is_number(above.cells[c]) and _is_number(below.cells[c]) for c in self._anchors):
            return False
        if self._rules and self._rules[0] < below.y1 < self._rules[-1] + height:
            return bisect_right(self._rules, (below.y0 + below.y1) / 2) == bisect_right(
                self._rules, above.y1 - 0.3 * height
            )
        if self._is_anchored(below) or gap > 0.45 * height:
            return False
        if self._anchors and gap < self._usual - 0.25 * height:
            return True
        return self._is_wrapped(above, below)

    def _is_anchored(self, band: _Band) -> bool:
        return any(band.cells[c] for c in self._anchors)

    def _is_wrapped(self, above: _Band, below: _Band) -> bool:
        """True where a row at the usual distance reads like the rest of a cell."""
        filled = [index for index, cell in enumerate(below.cells) if cell]
        if any(_is_number(below.cells[index]) for index in filled):
            return False
        if filled != [0]:
            most = sum(map(bool, above.cells))
            few = len(filled) <= max(1, most // 2) and (0 not in filled or bool(self._anchors))
            return few and all(above.cells[index] for index in filled)
        start = below.cells[0][0][1][0].text[0]
        return bool(above.cells[0]) and (start.islower() or start in "(-")


def _cells(row: VisualRow, splits: Sequence[float], rights: Sequence[float]) -> Cells:
    cells: Cells = [[] for _ in range(len(splits) + 1)]
    for line in row:
        for part in _parts(line, splits):
            first, last = bisect_right(splits, part[0].x0), bisect_right(splits, part[-1].x1)
            # A wide amount is set flush right in its column, a heading over several columns begins with the first.
            digits = any(map(str.isdigit, part[0].text + part[-1].text))
            flush = first != last and digits and abs(part[-1].x1 - rights[last]) < _FLUSH
            cells[last if flush else first].append((line.index, part))
    return cells


def _right_edges(run: Sequence[VisualRow], splits: Sequence[float]) -> list[float]:
    """Right edge of each column, by the pieces within it."""
    rights = [0.0] * (len(splits) + 1)
    for row in run:
        for line in row:
            column = bisect_right(splits, line.x0)
            if column == bisect_right(splits, line.x1):
                rights[column] = max(rights[column], line.x1)
    return rights


def _parts(line: Line, splits: Sequence[float]) -> list[list[Word]]:
    """The piece divided at gutters where its words leave a gap; a piece that spans columns stays whole."""
    inside = [x for x in splits if line.x0 < x < line.x1]
    if not inside:
        return [line.words]
    parts: list[list[Word]] = [[]]
    gap = _SPACE * line.font.size
    for word in line.words:
        left = parts[-1][-1].x1 if parts[-1] else None
        if left is not None and word.x0 - left > gap and any(left <= x <= word.x0 for x in inside):
            parts.append([])
        parts[-1].append(word)
    return parts


def _is_ruled(run: Sequence[VisualRow], rules: Sequence[float]) -> bool:
    bands = {bisect_right(rules, row[0].middle) for row in run}
    return len(bands) >= 3 and len(bands) >= 0.3 * len(run)


def _is_number(cell: Sequence[CellPart]) -> bool:
    return len(cell) == 1 and len(cell[0][1]) < 3 and bool(NUMBER.match(cell[0][1][0].text))


def _text(cell: Sequence[CellPart]) -> str:
    # Natural order is right for wrapped cells, also where two pieces are side by side.
    parts = sorted(cell, key=itemgetter(0)) if len(cell) > 1 else cell
    return " ".join([word.text for _, part in parts for word in part])
