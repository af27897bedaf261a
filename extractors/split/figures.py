"""Pictures on a page that carry meaning: raster images of a useful size, and drawings such as charts.

Logos, backgrounds and what repeats from page to page say nothing new: they are left out.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import pymupdf

from extractors.split.canvas import Canvas, Picture, Shape, area, overlap
from extractors.split.lines import Line
from extractors.split.picture import render
from schemas.pipeline import Box, Figure

_MIN_SIDE = 60.0  # points: smaller pictures are logos, icons and signatures
_MIN_SHARE = 0.025  # of the page
_BACKGROUND = 0.8  # of the page: a picture that large lies behind the text
_MIN_SHAPES = 8  # a drawing with fewer parts is a frame or an underline
_CELL = 12.0  # points: parts of one drawing are nearer to each other
_MOST_SHAPES = 50_000  # maps have more; a coarse sample of them finds the same place
_MOST_FIGURES = 8  # on one page; the largest are kept
_MARGIN = 3.0  # points around a crop
_CAPTION_REACH = 40.0  # points
_CAPTION = re.compile(r"^(?:fig(?:ure|\.)?|abb(?:ildung|\.)?|chart|diagram|exhibit|graph|image|photo|map|plate|tableau|bild)\b", re.IGNORECASE)


@dataclass(slots=True)
class Repeats:
    """Which pictures earlier pages have shown, so that a repeated one is sent once."""

    seen: set[tuple[int, int, int]] = field(default_factory=set)


def find_figures(canvas: Canvas, lines: Sequence[Line], tables: Sequence[Box], repeats: Repeats) -> list[Figure]:
    """The figures of a page, from top to bottom."""
    page = tuple(canvas.rect)
    boxes = [(box, "raster") for box in _rasters(canvas.pictures, page, repeats)]
    if len(canvas.shapes) >= _MIN_SHAPES:
        boxes += [(box, "drawing") for box in _drawings(canvas.shapes, page, lines, tables)]
    boxes = sorted(_distinct(boxes), key=lambda item: -area(item[0]))[:_MOST_FIGURES]
    boxes.sort(key=lambda item: (item[0][1], item[0][0]))
    return [
        Figure(number, box, kind, _caption(box, lines), render(canvas.drawn, _padded(box, canvas.rect)))
        for number, (box, kind) in enumerate(boxes, 1)
    ]


def _rasters(pictures: Sequence[Picture], page: Box, repeats: Repeats) -> list[Box]:
    boxes = []
    for picture in pictures:
        box = _clip(picture.box, page)
        share = area(box) / max(area(page), 1.0)
        if min(box[2] - box[0], box[3] - box[1]) < _MIN_SIDE or not _MIN_SHARE <= share <= _BACKGROUND:
            continue
        if min(picture.width, picture.height) < 40 or picture.key in repeats.seen:
            continue
        repeats.seen.add(picture.key)
        boxes.append(box)
    return boxes


def _drawings(shapes: Sequence[Shape], page: Box, lines: Sequence[Line], tables: Sequence[Box]) -> list[Box]:
    found = []
    step = 1 + len(shapes) // _MOST_SHAPES
    kept = [s for s in shapes[::step] if area(_clip(s[:4], page)) < 0.5 * area(page)]
    for group in _clusters(kept):
        box = _clip((min(s.x0 for s in group), min(s.y0 for s in group), max(s.x1 for s in group), max(s.y1 for s in group)), page)
        if min(box[2] - box[0], box[3] - box[1]) < _MIN_SIDE or area(box) < _MIN_SHARE * area(page):
            continue
        if any(overlap(box, table) > 0.3 * area(box) for table in tables) or not _is_drawing(group):
            continue
        text = sum(overlap(box, (line.x0, line.y0, line.x1, line.y1)) for line in lines)
        if text < 0.35 * area(box):
            found.append(box)
    return found


def _is_drawing(group: Sequence[Shape]) -> bool:
    """Curves, slanted lines or bars of several colours; not the frames and rules of forms and tables."""
    if len(group) < _MIN_SHAPES:
        return False
    curves = sum(not s.rectangle and min(s.x1 - s.x0, s.y1 - s.y0) > 1.5 for s in group)
    bars = [s for s in group if s.rectangle and not s.stroked and min(s.x1 - s.x0, s.y1 - s.y0) > 4]
    heights = {round(s.y1 - s.y0) for s in bars}
    widths = {round(s.x1 - s.x0) for s in bars}
    uneven = len(heights) >= 3 and len(widths) <= 3 or len(widths) >= 3 and len(heights) <= 3
    return curves >= 4 or (len(bars) >= 3 and uneven and len({s.color for s in bars}) >= 1)


def _clusters(shapes: Sequence[Shape]) -> list[list[Shape]]:
    """Shapes whose cells of a coarse grid touch."""
    cells: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    parent = list(range(len(shapes)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for index, shape in enumerate(shapes):
        for x in range(int(shape.x0 // _CELL), min(int(shape.x1 // _CELL), int(shape.x0 // _CELL) + 400) + 1):
            for y in range(int(shape.y0 // _CELL), min(int(shape.y1 // _CELL), int(shape.y0 // _CELL) + 400) + 1):
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


def _distinct(boxes: Sequence[tuple[Box, str]]) -> list[tuple[Box, str]]:
    kept: list[tuple[Box, str]] = []
    for box, kind in sorted(boxes, key=lambda item: -area(item[0])):
        if all(overlap(box, other) < 0.5 * area(box) for other, _ in kept):
            kept.append((box, kind))
    return kept


def _caption(box: Box, lines: Sequence[Line]) -> str | None:
    """The nearest line under or over the figure that begins as captions do."""
    near = []
    for line in lines:
        if _CAPTION.match(line.text) and line.x0 < box[2] and line.x1 > box[0]:
            distance = min(abs(line.y0 - box[3]), abs(box[1] - line.y1))
            if distance < _CAPTION_REACH:
                near.append((distance, line.text))
    return min(near)[1][:300] if near else None


def _clip(box: Box, page: Box) -> Box:
    return (max(box[0], page[0]), max(box[1], page[1]), min(box[2], page[2]), min(box[3], page[3]))


def _padded(box: Box, page: pymupdf.Rect) -> pymupdf.Rect:
    return pymupdf.Rect(box[0] - _MARGIN, box[1] - _MARGIN, box[2] + _MARGIN, box[3] + _MARGIN) & page
