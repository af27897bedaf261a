"""Charts, diagrams and maps drawn as lines and areas: groups of close shapes that are more than frames and rules."""

from collections import defaultdict
from collections.abc import Sequence

from extractors.split.interpreted_page import Shape, area, clip_box, overlap
from extractors.split.lines import Line
from schemas.step_data import Box

MIN_SHAPES = 8  # a drawing with fewer parts is a frame or an underline
_MIN_SIDE = 60.0  # points
_MIN_SHARE = 0.025  # of the page
_CELL = 12.0  # points: the parts of one drawing are closer
_CELLS = 80.0  # cells along a page's longer side at most: larger pages have larger cells
_LARGE = 0.25  # of the page: larger shapes are frames and backgrounds
_MOST_SHAPES = 4_000  # maps have more; a sample of their shapes has the same box
_WHITE = 0xF0  # of 255: lighter areas are paper
_WHOLE = 0.8  # of the page: a larger drawing with text on it is decoration
_MANY_LINES = 15
_LABEL_CHARS = 32  # length of the labels of axes and legends
_LABEL_REACH = 16.0  # points


def find_drawings(shapes: Sequence[Shape], page: Box, lines: Sequence[Line], taken: Sequence[Box]) -> list[Box]:
    """Boxes of drawings, with their labels. `taken` are the boxes of tables and form fields."""
    step = 1 + len(shapes) // _MOST_SHAPES
    kept = [Shape._make((*clip_box(s[:4], page), *s[4:])) for s in shapes[::step]]
    kept = [s for s in kept if s.x0 <= s.x1 and s.y0 <= s.y1 and area(s[:4]) < _LARGE * area(page)]
    if not _is_drawing(kept):
        return []
    cell = max(_CELL, max(page[2] - page[0], page[3] - page[1]) / _CELLS)
    drawings = []
    for group in _clusters(kept, cell):
        box = _around([s[:4] for s in group])
        if min(box[2] - box[0], box[3] - box[1]) < _MIN_SIDE or area(box) < _MIN_SHARE * area(page):
            continue
        if any(overlap(box, table) > 0.3 * min(area(box), area(table)) for table in taken):
            continue
        inside = [line for line in lines if overlap(line.box, box) > 0.5 * area(line.box)]
        if area(box) > _WHOLE * area(page) and len(inside) > _MANY_LINES:
            continue
        if sum(area(line.box) for line in inside) < 0.35 * area(box) and _is_drawing(group, inside):
            drawings.append(_with_labels(box, lines))
    return drawings


def _is_drawing(group: Sequence[Shape], inside: Sequence[Line] = ()) -> bool:
    """True for curves, slanted lines, or uneven bars without text; frames and cells of forms and tables are none."""
    if len(group) < MIN_SHAPES:
        return False
    if sum(not s.rectangle and min(s.x1 - s.x0, s.y1 - s.y0) > 1.5 for s in group) >= 4:
        return True
    bars = [s for s in group if _is_bar(s)]
    heights = {round(s.y1 - s.y0) for s in bars}
    widths = {round(s.x1 - s.x0) for s in bars}
    uneven = min(len(heights), len(widths)) <= 3 <= max(len(heights), len(widths))
    written = sum(any(overlap(line.box, s[:4]) > 0.5 * area(line.box) for line in inside) for s in bars)
    return len(bars) >= 3 and uneven and written < 0.4 * len(bars)


def _is_bar(shape: Shape) -> bool:
    paper = min(shape.color >> 16 & 255, shape.color >> 8 & 255, shape.color & 255) >= _WHITE
    return shape.rectangle and not shape.stroked and not paper and min(shape.x1 - shape.x0, shape.y1 - shape.y0) > 4


def _with_labels(box: Box, lines: Sequence[Line]) -> Box:
    """Box of the drawing and of the short texts around it: axes, legends."""
    for _ in range(2):
        reach = (box[0] - _LABEL_REACH, box[1] - _LABEL_REACH, box[2] + _LABEL_REACH, box[3] + _LABEL_REACH)
        labels = [line.box for line in lines if len(line.text) <= _LABEL_CHARS and overlap(line.box, reach) > 0]
        box = _around([box, *labels])
    return box


def _around(boxes: Sequence[Box]) -> Box:
    return (min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))


def _clusters(shapes: Sequence[Shape], cell: float) -> list[list[Shape]]:
    """Groups of shapes whose cells on a coarse grid touch."""
    cells: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    parent = list(range(len(shapes)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for index, shape in enumerate(shapes):
        for x in range(int(shape.x0 // cell), int(shape.x1 // cell) + 1):
            for y in range(int(shape.y0 // cell), int(shape.y1 // cell) + 1):
                cells[x, y].append(index)
    for (x, y), members in cells.items():
        for near in ((x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1), (x - 1, y + 1)):
            for other in cells.get(near, ())[:1]:
                parent[root(other)] = root(members[0])
        for other in members[1:]:
            parent[root(other)] = root(members[0])
    groups: defaultdict[int, list[Shape]] = defaultdict(list)
    for index, shape in enumerate(shapes):
        groups[root(index)].append(shape)
    return list(groups.values())
