"""Visual rows are pieces side by side; runs are rows under each other that look tabular.

Running text is left out first, so that a paragraph beside a table, or two columns of prose, never become cells.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from extractors.split.lines import Line

VisualRow = list[Line]
_PROSE_CHARS = 40  # mean length of a paragraph's lines; wrapped cells are narrower
_NARROW_CHARS = 25  # the same for the narrow columns of a newspaper
_MANY_LINES = 5
_MAX_LEADING = 1.9  # of a line's height: the widest gap between two rows of one table
_MAX_APART = 5.0  # the same for rows whose pieces are aligned
_WIDER = 0.35  # of a line's height, beyond the usual gap
_OTHER_SIZE = 1.15
_SAME_COLUMNS = 0.5  # share of aligned pieces
_MAX_SINGLE = 3  # consecutive rows of one piece (wrapped cells, a group's title) before the table ends


def find_runs(lines: Sequence[Line]) -> list[list[VisualRow]]:
    """Runs of rows that may be tables, from top to bottom."""
    if len(lines) < 4:
        return []
    prose = _prose_blocks(lines)
    return group(visual_rows([line for line in lines if line.block not in prose and line.font.upright]))


def segments(run: Sequence[VisualRow]) -> list[list[VisualRow]]:
    """The run divided where another table begins: at a gap or a change of type size, with pieces at other positions."""
    gaps = sorted(gap(a, b) for a, b in pairwise(run))
    usual = gaps[len(gaps) // 2] if gaps else 0.0
    parts: list[list[VisualRow]] = [[]]
    for index, row in enumerate(run):
        if index and _is_border(run, index, usual) and sum(len(earlier) > 1 for earlier in parts[-1]) > 1:
            parts.append([])
        parts[-1].append(row)
    return parts


def _is_border(run: Sequence[VisualRow], index: int, usual: float) -> bool:
    above, below = run[index - 1], run[index]
    wide = gap(above, below) - usual > _WIDER * (below[0].y1 - below[0].y0)
    sizes = sorted((above[0].font.size, below[0].font.size))
    if not wide and sizes[1] < _OTHER_SIZE * sizes[0]:
        return False
    before = [row for row in run[:index] if len(row) > 1][-2:]
    after = [row for row in run[index:] if len(row) > 1][:2]
    return bool(before) and len(after) > 1 and max(_aligned(a, b) for a in before for b in after) < _SAME_COLUMNS


def _aligned(a: VisualRow, b: VisualRow) -> float:
    """Share of the pieces that are aligned (left, right or centred) with a piece of the other row."""
    few, many = sorted((a, b), key=len)
    hits = sum(any(_is_under(piece, neighbour) for neighbour in many) for piece in few)
    return 2 * hits / (len(few) + len(many))


def _is_under(a: Line, b: Line) -> bool:
    return abs(a.x0 - b.x0) < 3 or abs(a.x1 - b.x1) < 3 or abs(a.x0 + a.x1 - b.x0 - b.x1) < 6


def gap(above: VisualRow, below: VisualRow) -> float:
    """Height between two rows in points, below 0 where they overlap."""
    return min([line.y0 for line in below]) - max([line.y1 for line in above])


def group(rows: Sequence[VisualRow]) -> list[list[VisualRow]]:
    """Runs of close rows, some of which have several pieces."""
    runs: list[list[VisualRow]] = []
    run: list[VisualRow] = []
    for row in rows:
        if run and (_far(run[-1], row) or _singles(run) > _MAX_SINGLE):
            _keep(run, runs)
            run = []
        if run or len(row) > 1:
            run.append(row)
    _keep(run, runs)
    return runs


def visual_rows(lines: Iterable[Line]) -> list[VisualRow]:
    """Lines side by side as rows, from top to bottom, each row from left to right."""
    rows: list[VisualRow] = []
    middle = -1e9
    for line in sorted(lines, key=lambda item: item.y0 + item.y1):
        own = line.middle
        if own - middle > 0.4 * (line.y1 - line.y0):
            rows.append([])
            middle = own
        rows[-1].append(line)
    for row in rows:
        if len(row) > 1:
            row.sort(key=lambda item: item.x0)
    return rows


def _prose_blocks(lines: Sequence[Line]) -> set[int]:
    """Numbers of paragraphs: blocks of long whole lines, or of many shorter ones; a justified line may be in pieces."""
    blocks: defaultdict[int, list[Line]] = defaultdict(list)
    for line in lines:
        blocks[line.block].append(line)
    return {number for number, block in blocks.items() if len(block) > 1 and _is_prose(block)}


def _is_prose(block: Sequence[Line]) -> bool:
    rows = 1 + sum(b.y0 > a.middle for a, b in pairwise(block))
    if rows < 2 or len(block) > 2 * rows:
        return False
    chars = sum([len(line.text) for line in block])
    if rows > 2 and len(block) <= rows + 1 and chars - len(block[-1].text) > _PROSE_CHARS * (rows - 1):
        return True  # the last line of a paragraph is shorter
    if len(block) == rows:
        return chars > _PROSE_CHARS * rows or (rows >= _MANY_LINES and chars > _NARROW_CHARS * rows)
    return rows >= _MANY_LINES and chars > _NARROW_CHARS * rows and _whole(block) >= 0.5 * rows


def _whole(block: Sequence[Line]) -> int:
    """Number of lines wider than 85 % of the block."""
    width = max(line.x1 for line in block) - min(line.x0 for line in block)
    return sum(line.x1 - line.x0 > 0.85 * width for line in block)


def _far(above: VisualRow, below: VisualRow) -> bool:
    most = _MAX_APART if _alike(above, below) else _MAX_LEADING
    return gap(above, below) > most * (below[0].y1 - below[0].y0)


def _alike(above: VisualRow, below: VisualRow) -> bool:
    """True where the pieces of both rows are aligned, so that even a wide gap does not separate them."""
    if len(above) != len(below) or len(above) < 3:
        return False
    return all(abs(a.x0 - b.x0) < 4 or abs(a.x1 - b.x1) < 4 for a, b in zip(above, below, strict=True))


def _singles(run: list[VisualRow]) -> int:
    count = 0
    for row in reversed(run):
        if len(row) > 1:
            break
        count += 1
    return count


def _keep(run: list[VisualRow], runs: list[list[VisualRow]]) -> None:
    while run and len(run[-1]) == 1 and _far(run[-2], run[-1]):
        run.pop()
    if sum(len(row) > 1 for row in run) >= 2:
        runs.append(run)
