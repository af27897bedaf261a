"""Words aligned in columns become tables. Geometry decides; drawn lines only help to part rows.

A list of labels and values in two columns is no table: each pair stays on its line.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from extractors.split.canvas import Shape
from extractors.split.cells import NUMBER, fill
from extractors.split.columns import find_columns
from extractors.split.lines import Line
from extractors.split.rows import Row, find_runs
from schemas.pipeline import Box


@dataclass(slots=True)
class Table:
    """Rows of cell texts; `lines` are the pieces it took from the page. `pairs`: labels and values, not a grid."""

    rows: list[list[str]]
    lines: list[Line]
    pairs: bool = False

    @property
    def box(self) -> Box:
        """Around all pieces."""
        lines = self.lines
        return (min(x.x0 for x in lines), min(x.y0 for x in lines), max(x.x1 for x in lines), max(x.y1 for x in lines))


def find_tables(lines: Sequence[Line], shapes: Sequence[Shape] = ()) -> list[Table]:
    """Every table of a page, from top to bottom."""
    tables = []
    for run in find_runs(lines):
        splits = find_columns(run)
        if not splits:
            continue
        taken = [line for row in run for line in row]
        rows = fill(run, splits, _rules(shapes, run))
        linked = _linked(run)
        if _is_table(rows, linked):
            tables.append(Table(rows, taken))
        elif linked < 0.5 and _are_pairs(rows):
            tables.append(Table(rows, taken, pairs=True))
    return tables


def _rules(shapes: Sequence[Shape], run: Sequence[Row]) -> list[float]:
    """Heights of the horizontal lines that run through most of the run's width."""
    x0, x1 = min(row[0].x0 for row in run), max(row[-1].x1 for row in run)
    y0, y1 = run[0][0].y0, run[-1][0].y1
    found: dict[int, float] = {}
    for shape in shapes:
        if y0 < shape.y0 and shape.y1 < y1 and shape.x0 < x1 and shape.x1 > x0 and shape.x1 - shape.x0 > 8:
            thin = shape.y1 - shape.y0 < 3
            for y in ((shape.y0 + shape.y1) / 2,) if thin else (shape.y0, shape.y1) if shape.rectangle else ():
                found[round(y / 3)] = found.get(round(y / 3), 0.0) + min(shape.x1, x1) - max(shape.x0, x0)
    return sorted(y * 3 for y, width in found.items() if width > 0.6 * (x1 - x0))


def _linked(run: Sequence[Row]) -> float:
    """The share of neighbours in a row that also follow each other in natural order."""
    pairs = [(a, b) for row in run for a, b in zip(row, row[1:], strict=False)]
    return sum(b.index == a.index + 1 for a, b in pairs) / max(1, len(pairs))


def _is_table(rows: list[list[str]], linked: float) -> bool:
    cells = [cell for row in rows for cell in row if cell]
    full = [row for row in rows if sum(map(bool, row)) > 1]
    if len(full) < 2 or sum(cell.endswith(":") for cell in cells) > 0.2 * len(cells):
        return False
    numbers = sum(bool(NUMBER.match(cell)) for cell in cells) / len(cells)
    if len(rows[0]) == 2:
        return len(full) >= 4 and (numbers > 0.3 or linked > 0.7)
    return numbers > 0.25 or linked > 0.6


def _are_pairs(rows: list[list[str]]) -> bool:
    full = [row for row in rows if sum(map(bool, row)) > 1]
    labelled = sum(row[0].endswith(":") for row in full)
    return len(full) >= 2 and (labelled > 0.5 * len(full) or sum(bool(NUMBER.match(row[-1])) for row in full) > 0.6 * len(full))
