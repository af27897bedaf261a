"""Words aligned in columns become tables. Geometry decides; drawn lines only help to part rows.

A list of labels and values in two columns is no table: each pair stays on its line.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from extractors.split.canvas import Shape
from extractors.split.cells import NUMBER, fill
from extractors.split.columns import find_columns
from extractors.split.lines import Line
from extractors.split.rows import Row, find_runs, group
from schemas.pipeline import Box

_MOST_REGIONS = 4  # tables side by side
_EDGE = 8.0  # points: a table's outer lines stand that close to its first and last row


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
    for found in find_runs(lines):
        for run, splits in _regions(found):
            taken = [line for row in run for line in row]
            rows = fill(run, splits, _rules(shapes, run))
            linked = _linked(run)
            if _is_table(rows, linked):
                tables.append(Table(rows, taken))
            elif linked < 0.5 and _are_pairs(rows):
                tables.append(Table(rows, taken, pairs=True))
    return tables


def _regions(found: list[Row], depth: int = 0) -> Iterator[tuple[list[Row], list[float]]]:
    """The run and its columns; a run that is two things side by side, each written on its own, is taken apart first."""
    run = _trimmed(found)
    splits = find_columns(run)
    while splits and len(run) > 2 and len({bisect_right(splits, line.x0) for line in run[0]}) == 1:
        run = run[1:]
    border = _border(run, splits) if depth < _MOST_REGIONS else None
    if border is not None:
        for side in (
            [[line for line in row if line.x0 < border] for row in found],
            [[line for line in row if line.x0 >= border] for row in found],
        ):
            for part in group([row for row in side if row]):
                yield from _regions(part, depth + 1)
    elif splits:
        yield run, splits


def _border(run: Sequence[Row], splits: Sequence[float]) -> float | None:
    """The gutter across which nothing is written in one go, while it is across others."""
    if len(splits) < 2:
        return None
    follows = [0] * len(splits)
    pairs = [0] * len(splits)
    for row in run:
        for a, b in pairwise(row):
            left, right = bisect_right(splits, a.x0), bisect_right(splits, b.x0)
            if right > left:
                for index in range(left, right):
                    pairs[index] += 1
                    follows[index] += b.index == a.index + 1
    if not any(both > 1 and some > 0.6 * both for both, some in zip(pairs, follows, strict=True)):
        return None
    apart = [index for index, both in enumerate(pairs) if both > 1 and follows[index] == 0]
    return splits[apart[0]] if apart else None


def _trimmed(run: list[Row]) -> list[Row]:
    """Without titles, running headers and footers, and notes that stand close to the table."""
    gaps = sorted(_gap(a, b) for a, b in pairwise(run))
    usual = gaps[len(gaps) // 2]
    first, last = 0, len(run)
    while last - first > 2 and (
        _is_apart(run[first], _gap(run[first], run[first + 1]) - usual, run, leading=True)
        or (len(run[first + 1]) == 1 and _is_wide(run[first + 1], run))
    ):
        first += 1
    while last - first > 2 and _is_apart(run[last - 1], _gap(run[last - 2], run[last - 1]) - usual, run, leading=False):
        last -= 1
    return run[first:last]


def _is_apart(row: Row, extra: float, run: Sequence[Row], *, leading: bool) -> bool:
    """Whether the outermost row is not the table's. `extra`: by how much its gap to the next is wider than usual."""
    if len(row) == 1:
        return leading or extra > 0.3 * _height(row) or _is_wide(row, run)
    return len(row) < _most(run) and extra > 0.5 * _height(row)


def _most(run: Sequence[Row]) -> int:
    return max(len(row) for row in run)


def _gap(above: Row, below: Row) -> float:
    return min(line.y0 for line in below) - max(line.y1 for line in above)


def _height(row: Row) -> float:
    return row[0].y1 - row[0].y0


def _is_wide(row: Row, run: Sequence[Row]) -> bool:
    """Whether the row's only piece reaches over half of the table: a sentence, not a cell."""
    return row[-1].x1 - row[0].x0 > 0.5 * (max(other[-1].x1 for other in run) - min(other[0].x0 for other in run))


def _rules(shapes: Sequence[Shape], run: Sequence[Row]) -> list[float]:
    """Heights of the horizontal lines that run through most of the run's width."""
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


def _linked(run: Sequence[Row]) -> float:
    """The share of neighbours in a row that also follow each other in natural order."""
    pairs = [(a, b) for row in run for a, b in pairwise(row)]
    return sum(b.index == a.index + 1 for a, b in pairs) / max(1, len(pairs))


def _is_table(rows: list[list[str]], linked: float) -> bool:
    cells = [cell for row in rows for cell in row if cell]
    full = [row for row in rows if sum(map(bool, row)) > 1]
    if len(full) < 2 or sum(":" in (cell[0], cell[-1]) for cell in cells) > 0.2 * len(cells):
        return False
    numbers = sum(bool(NUMBER.match(cell)) for cell in cells) / len(cells)
    if len(rows[0]) == 2:
        return len(full) >= 4 and (numbers > 0.3 or linked > 0.7)
    if len(full) == 2 and (len(rows[0]) < 4 or _is_formula(cells)):
        return False
    return linked > 0.6 or numbers > (0.25 if linked > 0.3 else 0.4)


def _is_formula(cells: Sequence[str]) -> bool:
    text = "".join(cells)
    return sum(char.isalnum() or char.isspace() for char in text) < 0.75 * len(text)


def _are_pairs(rows: list[list[str]]) -> bool:
    full = [row for row in rows if sum(map(bool, row)) > 1]
    labelled = sum(row[0].endswith(":") for row in full)
    return len(full) >= 2 and (
        labelled > 0.5 * len(full) or sum(bool(NUMBER.match(row[-1])) for row in full) > 0.6 * len(full)
    )
