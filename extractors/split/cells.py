"""A run and its columns become rows of cells: spanning pieces stay whole, wrapped cells are one cell."""

import re
from bisect import bisect_right
from collections.abc import Sequence

from extractors.split.lines import Line
from extractors.split.rows import Row
from schemas.pipeline import Word

Cells = list[list[Word]]
_SPACE = 0.45  # of the font size: a narrower gap does not part two cells
NUMBER = re.compile(r"^[\W_]*[\d.,'\u2019]*\d[\d.,'\u2019]*[\W_]*(?:%|[A-Z]{3}|[a-z]{1,2})?$")


def fill(run: Sequence[Row], splits: Sequence[float], rules: Sequence[float]) -> list[list[str]]:
    """The texts of the cells. `rules` are heights of horizontal lines that part rows."""
    grid: list[Cells] = []
    spans: list[tuple[float, float]] = []
    ruled = _is_ruled(run, rules)
    for row in run:
        cells = _cells(row, splits)
        y0, y1 = min(line.y0 for line in row), max(line.y1 for line in row)
        if grid and _continues(grid[-1], spans[-1], cells, (y0, y1), rules if ruled else None):
            for own, more in zip(grid[-1], cells, strict=True):
                own.extend(more)
            spans[-1] = (min(spans[-1][0], y0), max(spans[-1][1], y1))
        else:
            grid.append(cells)
            spans.append((y0, y1))
    return [[_text(cell) for cell in cells] for cells in grid]


def _cells(row: Row, splits: Sequence[float]) -> Cells:
    cells: Cells = [[] for _ in range(len(splits) + 1)]
    for line in row:
        for part in _parts(line, splits):
            first, last = part[0], part[-1]
            anchor = first.x0 if bisect_right(splits, first.x0) != bisect_right(splits, last.x1) else (first.x0 + last.x1) / 2
            cells[bisect_right(splits, anchor)].extend(part)
    return cells


def _parts(line: Line, splits: Sequence[float]) -> list[list[Word]]:
    """The piece cut at the gutters, where its words leave a gap there; a piece that spans columns stays whole."""
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


def _is_ruled(run: Sequence[Row], rules: Sequence[float]) -> bool:
    bands = {bisect_right(rules, row[0].middle) for row in run}
    return len(bands) >= 3 and len(bands) >= 0.3 * len(run)


def _continues(
    above: Cells, span: tuple[float, float], cells: Cells, own: tuple[float, float], rules: Sequence[float] | None
) -> bool:
    height = own[1] - own[0]
    if span[1] - own[0] > 0.25 * height:
        return True
    if rules is not None:
        return bisect_right(rules, (own[0] + own[1]) / 2) == bisect_right(rules, span[1] - 0.3 * height)
    if own[0] - span[1] > 0.45 * height:
        return False
    filled = [index for index, cell in enumerate(cells) if cell]
    if any(NUMBER.match(_text(cells[index])) for index in filled):
        return False
    if not cells[0]:
        return all(above[index] for index in filled) and sum(map(bool, above)) >= len(filled)
    return filled == [0] and bool(above[0]) and (cells[0][0].text[0].islower() or cells[0][0].text[0] in "(-")


def _text(cell: Cells | list[Word]) -> str:
    return " ".join(word.text for word in cell)  # type: ignore[union-attr]
