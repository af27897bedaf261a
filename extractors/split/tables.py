"""Tables from words aligned in columns. Positions decide; drawn lines only help to separate rows.

A list of labels and values in two columns is no table: each pair stays on its line.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from extractors.split.cells import NUMBER, fill
from extractors.split.interpreted_page import Shape
from extractors.split.lines import Line
from extractors.split.regions import find_regions
from extractors.split.rows import VisualRow, find_runs
from schemas.step_data import Box

_EQUATION_NUMBER = re.compile(r"^\(\d+[a-z]?\)$")
_EDGE = 8.0  # points between a table's outer lines and its first and last row


@dataclass(slots=True)
class Table:
    """Rows of cell texts; `lines` are its pieces of the page. `pairs` is true for labels and values instead of a grid."""

    rows: list[list[str]]
    lines: list[Line]
    pairs: bool = False

    @property
    def box(self) -> Box:
        """Box around all pieces, in points."""
        lines = self.lines
        return (min(x.x0 for x in lines), min(x.y0 for x in lines), max(x.x1 for x in lines), max(x.y1 for x in lines))


def find_tables(lines: Sequence[Line], shapes: Sequence[Shape] = ()) -> list[Table]:
    """The tables of a page, from top to bottom."""
    tables = []
    for run, splits in [region for rows_of_run in find_runs(lines) for region in find_regions(rows_of_run)]:
        taken = [line for row in run for line in row]
        rules = _rules(shapes, run)
        rows = fill(run, splits, rules)
        linked = _linked(run)
        if _is_grid(rows, len(rules)) if len(rows[0]) == 2 else _is_table(rows, linked):
            tables.append(Table(rows, taken))
        elif linked < 0.5 and _are_pairs(rows):
            tables.append(Table(rows, taken, pairs=True))
    return tables


def _rules(shapes: Sequence[Shape], run: Sequence[VisualRow]) -> list[float]:
    """The y positions of horizontal lines over most of the run's width, in points."""
    x0, x1 = min(row[0].x0 for row in run), max(row[-1].x1 for row in run)
    y0, y1 = run[0][0].y0, run[-1][0].y1
    edges: list[tuple[float, float]] = []
    for shape in shapes:
        width = min(shape.x1, x1) - max(shape.x0, x0)
        if width > 8 and shape.y1 > y0 - _EDGE and shape.y0 < y1 + _EDGE:
            if shape.y1 - shape.y0 < 3:
                edges.append(((shape.y0 + shape.y1) / 2, width))
            elif shape.rectangle:
                edges += [(shape.y0, width), (shape.y1, width)]
    rules: list[tuple[float, float]] = []
    for y, width in sorted(edges):
        if rules and y - rules[-1][0] < 2:
            rules[-1] = (y, rules[-1][1] + width)
        else:
            rules.append((y, width))
    return [y for y, width in rules if y0 - _EDGE < y < y1 + _EDGE and width > 0.6 * (x1 - x0)]


def _linked(run: Sequence[VisualRow]) -> float:
    """Share of neighbours in a row that follow each other in natural order."""
    pairs = [(a, b) for row in run for a, b in pairwise(row)]
    return sum(b.index == a.index + 1 for a, b in pairs) / max(1, len(pairs))


def _is_table(rows: list[list[str]], linked: float) -> bool:
    cells = [cell for row in rows for cell in row if cell]
    full = [row for row in rows if sum(map(bool, row)) > 1]
    if len(full) < 2 or sum(":" in (cell[0], cell[-1]) for cell in cells) > 0.2 * len(cells):
        return False
    numbers = sum(bool(NUMBER.match(cell)) for cell in cells) / len(cells)
    if len(full) == 2 and (len(rows[0]) < 4 or _is_formula(cells)):
        return False
    return linked > 0.6 or numbers > (0.25 if linked > 0.3 else 0.4)


def _is_grid(rows: list[list[str]], rules: int) -> bool:
    """True where two columns are a table: amounts under a header, or lines between the rows. Else they are pairs."""
    full = [row for row in rows if all(row)]
    if len(full) < 3 or sum(":" in (row[0][-1], row[1][0]) for row in full) > 0.3 * len(full):
        return False
    amounts = [bool(NUMBER.match(row[1])) for row in full]
    headed = not amounts[0] and sum(amounts) > 0.6 * len(full)
    return headed or (rules >= len(rows) == len(full) > 3)


def _is_formula(cells: Sequence[str]) -> bool:
    if any(_EQUATION_NUMBER.match(cell) for cell in cells):
        return True
    text = "".join(cells)
    return sum(char.isalnum() or char.isspace() for char in text) < 0.75 * len(text)


def _are_pairs(rows: list[list[str]]) -> bool:
    full = [row for row in rows if sum(map(bool, row)) > 1]
    labelled = sum(row[0].endswith(":") for row in full)
    return len(full) >= 2 and (
        labelled > 0.5 * len(full) or sum(bool(NUMBER.match(row[-1])) for row in full) > 0.6 * len(full)
    )
