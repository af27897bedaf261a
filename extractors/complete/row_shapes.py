"""Shapes of rows: the columns in which the numbers of a list's rows end, learned from its covered rows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from extractors.complete.lines import PageLines, PrintedLine

_EDGE = 2.0  # points by which the edges of one column differ from row to row


_NEARLY_ALWAYS = (
    0.8  # of the rows have a number in a column of the list's, as a rule: those in descriptions align by chance
)


_OFTEN = 0.5  # the same where no column has that many


_SELDOM = 0.15  # the same where no column has that many: debit and credit


_WITHOUT = 0.3  # of the rows, at most, may have no number at all


_USUAL = 0.2  # of the rows begin with a word of one look, where such words tell a row


_ODD = 0.1  # of the rows a shape is learned from that may be none


_MANY_ROWS = 8  # from which on one column of numbers is shape enough, and half of the rows say what a column is


LEAST_ROWS = 3  # of a page, to have a look of its own; of a table, to be worth a doubt


@dataclass(frozen=True, slots=True)
class RowShape:
    """Shape of a list's rows: where they begin, and the right edges of the columns of their numbers, in points."""

    starts: tuple[float, float]  # within which a row begins: a row number may be set to the right
    edges: tuple[float, ...]
    least: int  # numbers in columns that a row has
    firsts: frozenset[int]  # what the first words of rows look like, where nearly all look like one of few
    heads: bool  # rows have nothing but years in their columns
    is_sure: bool  # learned from many rows


def shapes_of(sheets: Sequence[PageLines], covered: Mapping[int, set[int]]) -> dict[int, RowShape] | None:
    """Shape of a row on each page: as on this page, in the document, or on the nearest page that has one."""
    own = {
        sheet.number: shape
        for sheet in sheets
        if len(covered[sheet.number]) >= LEAST_ROWS
        and (shape := _shape([sheet.lines[at] for at in sorted(covered[sheet.number])])) is not None
    }
    of_all = _shape([sheet.lines[at] for sheet in sheets for at in sorted(covered[sheet.number])])
    if of_all is None and not own:
        return None
    numbers = sorted(own)
    looks = {}
    for sheet in sheets:
        mine = own.get(sheet.number)
        if mine is not None and len(covered[sheet.number]) >= _MANY_ROWS:
            looks[sheet.number] = mine  # of few rows, numbers in descriptions may align by chance
        else:
            near = min(numbers, key=lambda number: abs(number - sheet.number), default=None)
            looks[sheet.number] = of_all or mine or own[near or 0]
    return looks


def _shape(rows: Sequence[PrintedLine]) -> RowShape | None:
    """Common shape of the covered rows; None for no rows, or without numbers in columns."""
    columns: list[tuple[float, int]] = []
    for edge in sorted(edge for row in rows for edge in row.edges):
        if columns and edge - columns[-1][0] <= _EDGE:
            columns[-1] = (edge, columns[-1][1] + 1)
        else:
            columns.append((edge, 1))
    is_many = len(rows) >= _MANY_ROWS
    for often in (_NEARLY_ALWAYS, _OFTEN, _SELDOM) if is_many else (_NEARLY_ALWAYS,):
        edges = tuple(edge for edge, count in columns if count >= often * len(rows))
        counts = sorted(sum(_is_at(edge, edges) for edge in row.edges) for row in rows)
        odd = int(_ODD * len(rows))  # a value may have been found on a line that is no row
        least = counts[odd] if counts else 0
        if is_many and often == _SELDOM and not least:
            least = counts[int(_WITHOUT * len(rows))]  # rows "on request" have no number
        if least:
            break
    else:
        return None
    if len(rows) < LEAST_ROWS and least > 2:
        least -= 1  # one of so few rows' numbers may stand in a description
    if least == 1 and not is_many:
        return None  # one column alone is soon met by chance
    starts = sorted(row.start for row in rows)
    firsts = Counter(row.first for row in rows)
    usual = frozenset(first for first, count in firsts.items() if count >= _USUAL * len(rows))
    heads = sum(row.heads for row in rows) > len(rows) / 2
    return RowShape((starts[odd], starts[-1 - odd]), edges, least, usual, heads, is_many)


def fits(line: PrintedLine, shape: RowShape) -> bool:
    """True for a line that has the shape of a row."""
    aligned = sum(_is_at(edge, shape.edges) for edge in line.edges)
    first, last = shape.starts
    if aligned < shape.least or not first - _EDGE <= line.start <= last + _EDGE or (line.heads and not shape.heads):
        return False
    if not line.sums:
        return True
    return shape.is_sure and (
        is_row_beyond_doubt(line, shape) or (line.sums == "charge" and line.first in shape.firsts)
    )


def is_row_beyond_doubt(line: PrintedLine, shape: RowShape) -> bool:
    """True for a line with a number in every column of several, which no header, footer or total has by chance."""
    return not line.heads and len(shape.edges) > 1 and all(_is_at(edge, line.edges) for edge in shape.edges)


def _is_at(edge: float, edges: Sequence[float]) -> bool:
    return any(abs(edge - entry) <= _EDGE for entry in edges)
