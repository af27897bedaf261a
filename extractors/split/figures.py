"""Pictures on a page that carry meaning: raster images of a useful size, and drawings such as charts.

Logos, backgrounds and pictures repeated from page to page are left out.
"""

import re
from collections.abc import Sequence

from extractors.split.drawings import MIN_SHAPES, find_drawings
from extractors.split.interpreted_page import Canvas, PictureKey, area, clip_box, overlap
from extractors.split.lines import Line
from extractors.split.mupdf import MuRect, pymupdf
from extractors.split.picture import render_picture
from schemas.step_data import Box, Figure

_MIN_SIDE = 60.0  # points: smaller pictures are logos, icons and signatures
_MIN_SHARE = 0.025  # of the page
_MIN_PIXELS = 40  # along the shorter side
_BACKGROUND = 0.8  # of the page: a larger picture is behind the text
_TOUCHING = 2.0  # points between the stripes of one picture
_MOST_STRIPES = 200
_MOST_FIGURES = 8  # on one page; the largest are kept
_MARGIN = 3.0  # points around a crop
_CAPTION_REACH = 40.0  # points
_CAPTION = re.compile(
    r"^(?:fig(?:ure|\.)?|abb(?:ildung|\.)?|chart|diagram|exhibit|graph|image|photo|map|plate|tableau|bild)\b",
    re.IGNORECASE,
)


def find_figures(canvas: Canvas, lines: Sequence[Line], tables: Sequence[Box], shown: set[PictureKey]) -> list[Figure]:
    """The figures of a page, from top to bottom. `shown` are the pictures of earlier pages, which are not sent again."""
    page: Box = tuple(canvas.rect)
    boxes = [(box, "raster") for box in _rasters(canvas, page, shown)]
    if len(canvas.shapes) >= MIN_SHAPES:
        taken = [*tables, *_fields(canvas)]
        boxes += [(clip_box(box, page), "drawing") for box in find_drawings(canvas.shapes, page, lines, taken)]
    boxes = _distinct(boxes)[:_MOST_FIGURES]
    boxes.sort(key=lambda item: (item[0][1], item[0][0]))
    return [
        Figure(
            number,
            box,
            kind,
            _caption(box, lines),
            render_picture(canvas.drawn, _padded(box, canvas.rect), flat=kind == "drawing"),
        )
        for number, (box, kind) in enumerate(boxes, 1)
    ]


def _rasters(canvas: Canvas, page: Box, shown: set[PictureKey]) -> list[Box]:
    new = [p for p in canvas.pictures if p.key not in shown and min(p.width, p.height) >= _MIN_PIXELS]
    stripes = [p for p in canvas.pictures if p.key not in shown and min(p.width, p.height) < _MIN_PIXELS]
    boxes = _joined([clip_box(p.box, page) for p in [*new, *stripes][:_MOST_STRIPES]])
    useful = [
        box
        for box in boxes
        if min(box[2] - box[0], box[3] - box[1]) >= _MIN_SIDE and _MIN_SHARE <= area(box) / area(page) <= _BACKGROUND
    ]
    shown.update(p.key for p in new if any(overlap(p.box, box) > 0.9 * area(p.box) for box in useful))
    return useful


def _joined(boxes: Sequence[Box]) -> list[Box]:
    """Boxes with the stripes of one picture united: stripes touch and have the same width or height."""
    joined: list[Box] = []
    for box in sorted(boxes):
        for index, other in enumerate(joined):
            if _is_next(box, other, 0, 1) or _is_next(box, other, 1, 0):
                joined[index] = (
                    min(box[0], other[0]), min(box[1], other[1]), max(box[2], other[2]), max(box[3], other[3])
                )  # fmt: skip
                break
        else:
            joined.append(box)
    return joined


def _is_next(a: Box, b: Box, along: int, across: int) -> bool:
    same = abs(a[along] - b[along]) < _TOUCHING and abs(a[along + 2] - b[along + 2]) < _TOUCHING
    gap = max(a[across], b[across]) - min(a[across + 2], b[across + 2])
    return same and abs(gap) < _TOUCHING


def _fields(canvas: Canvas) -> list[Box]:
    """Boxes of a form's fields, whose frames are no drawings."""
    page = canvas.page
    if not page.parent.is_pdf or page.first_widget is None:
        return []
    return [tuple(widget.rect * page.rotation_matrix) for widget in page.widgets()]


def _distinct(boxes: Sequence[tuple[Box, str]]) -> list[tuple[Box, str]]:
    """The boxes from the largest down, without those inside a larger one."""
    kept: list[tuple[Box, str]] = []
    for box, kind in sorted(boxes, key=lambda item: -area(item[0])):
        if all(overlap(box, other) < 0.5 * area(box) for other, _ in kept):
            kept.append((box, kind))
    return kept


def _caption(box: Box, lines: Sequence[Line]) -> str | None:
    """The nearest line under or over the figure that begins like a caption."""
    near = []
    for line in lines:
        if _CAPTION.match(line.text) and line.x0 < box[2] and line.x1 > box[0]:
            distance = min(abs(line.y0 - box[3]), abs(box[1] - line.y1))
            if distance < _CAPTION_REACH:
                near.append((distance, line.text))
    return min(near)[1][:300] if near else None


def _padded(box: Box, page: MuRect) -> MuRect:
    return pymupdf.Rect(box[0] - _MARGIN, box[1] - _MARGIN, box[2] + _MARGIN, box[3] + _MARGIN) & page
