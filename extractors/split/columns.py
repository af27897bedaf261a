"""Columns of a run of rows, separated at gutters that hardly any row crosses.

Only full rows count, since a heading or a total may span columns; a gutter must be wider than a space.
"""

from collections.abc import Sequence

from extractors.split.rows import VisualRow
from schemas.step_data import Word

_MIN_GUTTER = 0.55  # of the font size
_CROSSING = 0.12  # share of the full rows that may cross a gutter


def find_columns(run: Sequence[VisualRow]) -> list[float]:
    """The x positions between columns; empty for a single column."""
    counts = sorted(len(row) for row in run if len(row) > 1)
    if not counts:
        return []
    most = counts[len(counts) * 3 // 4]
    full = [row for row in run if len(row) >= max(2, 0.6 * most)]
    size = sorted(line.font.size for row in full for line in row)[len(full) // 2]
    allowed = int(_CROSSING * len(full))
    crossings = _crossings([[word for line in row for word in line.words] for row in full])
    needed = 2 if len(full) > 2 else 1
    splits = []
    left = 0.0
    for x0, x1, split in _gutters(crossings, allowed):
        if x1 - x0 >= _MIN_GUTTER * size and _supported(full, left, split, needed):
            splits.append(split)
            left = split
    while splits and not _supported(full, splits[-1], 1e9, needed):
        splits.pop()
    return splits


def _crossings(rows: Sequence[Sequence[Word]]) -> list[tuple[float, int]]:
    """Number of rows with a word over each stretch of x, as (start, count); words of a row do not overlap."""
    edges = sorted([(word.x0, 1) for row in rows for word in row] + [(word.x1, -1) for row in rows for word in row])
    stretches: list[tuple[float, int]] = []
    count = 0
    for x, step in edges:
        count += step
        if stretches and stretches[-1][0] == x:
            stretches[-1] = (x, count)
        else:
            stretches.append((x, count))
    return stretches


def _gutters(stretches: Sequence[tuple[float, int]], allowed: int) -> list[tuple[float, float, float]]:
    """(start, end, split) of every stretch of x that at most `allowed` rows cross, the page's margins left out."""
    gutters = []
    begin: int | None = None
    in_text = False
    for index, (x, count) in enumerate(stretches):
        if count > allowed:
            if begin is not None and in_text:
                inner = range(begin, index)
                least = min(stretches[i][1] for i in inner)
                best = max(
                    (i for i in inner if stretches[i][1] == least), key=lambda i: stretches[i + 1][0] - stretches[i][0]
                )
                gutters.append((stretches[begin][0], x, (stretches[best][0] + stretches[best + 1][0]) / 2))
            begin, in_text = None, True
        elif begin is None:
            begin = index
    return gutters


def _supported(rows: Sequence[VisualRow], left: float, right: float, needed: int) -> bool:
    return (
        sum(any(left <= (line.x0 + line.x1) / 2 < right or left <= line.x0 < right for line in row) for row in rows)
        >= needed
    )
