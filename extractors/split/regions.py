"""A run divided into regions under and beside each other, each of which may be one table.

Titles, running headers and notes close to a table are not its rows; text written separately beside it is not its column.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise

from extractors.split.columns import find_columns
from extractors.split.rows import VisualRow, gap, group, segments

_MOST_REGIONS = 4  # tables side by side
_OVERLAP = 0.25  # of a line's height: rows that overlap more are one row of the table


def find_regions(run: list[VisualRow]) -> Iterator[tuple[list[VisualRow], list[float]]]:
    """The rows of each region, and the x positions between its columns."""
    for part in segments(run):
        yield from _regions(part)


def _regions(rows: list[VisualRow], depth: int = 0) -> Iterator[tuple[list[VisualRow], list[float]]]:
    """The run and its columns; a run of two regions side by side, written one after the other, is divided first."""
    first, last = _trimmed(rows)
    run = rows[first:last]
    if depth < _MOST_REGIONS:
        for rest in (*group(rows[:first]), *group(rows[last:])):
            yield from _regions(rest, depth + 1)
    splits = find_columns(run)
    while splits and len(run) > 2 and _keeps_to_one_column(run, splits):
        run = run[1:]
    border = _border(run, splits) if depth < _MOST_REGIONS else None
    if border is not None:
        for side in (
            [[line for line in row if line.x0 < border] for row in rows[first:last]],
            [[line for line in row if line.x0 >= border] for row in rows[first:last]],
        ):
            for part in group([row for row in side if row]):
                yield from _regions(part, depth + 1)
    elif splits:
        yield run, splits


def _keeps_to_one_column(run: Sequence[VisualRow], splits: Sequence[float]) -> bool:
    """True where the first row is a title: within one column, and at a distance from the second row."""
    is_in_one = len({bisect_right(splits, line.x0) for line in run[0]}) == 1
    return is_in_one and gap(run[0], run[1]) > -_OVERLAP * _height(run[0])


def _border(run: Sequence[VisualRow], splits: Sequence[float]) -> float | None:
    """The gutter that no text crosses in natural order, where text crosses others; None where there is none."""
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


def _trimmed(run: list[VisualRow]) -> tuple[int, int]:
    """First row and end of the table without titles, running headers and footers, and notes close to it."""
    gaps = sorted(gap(a, b) for a, b in pairwise(run))
    usual = gaps[len(gaps) // 2]
    first, last = _body(run, usual)
    while last - first > 2 and (
        _is_apart(run[first], gap(run[first], run[first + 1]) - usual, run, leading=True)
        or (len(run[first + 1]) == 1 and _is_wide(run[first + 1], run))
    ):
        first += 1
    while last - first > 2 and _is_apart(run[last - 1], gap(run[last - 2], run[last - 1]) - usual, run, leading=False):
        last -= 1
    return first, last


def _body(run: Sequence[VisualRow], usual: float) -> tuple[int, int]:
    """First row and end: the rows from the first to the last full one, and rows on both sides without a wide gap."""
    full = [index for index, row in enumerate(run) if len(row) >= max(2, 0.7 * _most(run))]
    first = next((i for i in range(full[0], 0, -1) if gap(run[i - 1], run[i]) - usual > 0.5 * _height(run[i])), 0)
    after = range(full[-1] + 1, len(run))
    last = next((i for i in after if gap(run[i - 1], run[i]) - usual > 0.5 * _height(run[i])), len(run))
    return first, last


def _is_apart(row: VisualRow, extra: float, run: Sequence[VisualRow], *, leading: bool) -> bool:
    """True where the outermost row is not the table's. `extra` is the gap to its neighbour minus the usual gap, in points."""
    if extra < -_OVERLAP * _height(row):
        return False
    if len(row) == 1:
        return leading or extra > 0.3 * _height(row) or _is_wide(row, run)
    return len(row) < _most(run) and (extra > 0.5 * _height(row) or _is_wide(row, run))


def _most(run: Sequence[VisualRow]) -> int:
    return max(len(row) for row in run)


def _height(row: VisualRow) -> float:
    return row[0].y1 - row[0].y0


def _is_wide(row: VisualRow, run: Sequence[VisualRow]) -> bool:
    """True where a piece of the row is wider than half of the table: a sentence, not a cell."""
    width = max(run_row[-1].x1 for run_row in run) - min(run_row[0].x0 for run_row in run)
    return any(line.x1 - line.x0 > 0.5 * width for line in row)
