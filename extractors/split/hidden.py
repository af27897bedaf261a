"""Invisible text: recognised by its paint, and in doubt by the rendered page.

Hidden by the paint alone: no fill and no stroke, full transparency, letters too small to see. Doubtful: nearly white,
painted over later, or on an area of its own colour; such text is hidden if no pixel in its box differs from the others.
An OCR layer (unpainted text with a scan around it) is not hidden: the scan shows the same text.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from extractors.split.clipped_text import count, count_clipped
from extractors.split.interpreted_page import Canvas, Picture, Shape, area, overlap
from extractors.split.mupdf import MuPixmap, MuRect, pymupdf
from schemas.step_data import Box

_PAINTED = 16 | 32  # MuPDF's character flags: filled, stroked
_FAINT = 13  # of 255: an opacity of 5 %
_TINY = 1.0  # points: a capital of 0.7 points is a third of a millimetre high
_LIGHT = 200  # of 255, the darkest channel of a colour that may vanish on white paper
_CONTRAST = 16  # of 255: lower contrast is invisible on paper or screen
_SCAN = 0.6  # of the page: a picture that covers more is a scan
_PART_OF_A_SCAN = 0.25  # of the page
_TAIL = 12  # characters of a span by which a repetition is recognised
_LOOK_SIDE = 3000.0  # pixels: enough for A2 at 1.5 pixels a point
_MOST_PAIRS = 20_000  # spans times areas that are compared one by one; beyond, every span is checked by rendering

XRange = Mapping[str, Any]
LineKey = tuple[int, int]  # block and line number


@dataclass(slots=True)
class Hidden:
    """Hidden text: x ranges in points by line, and its number of characters. `ocr` counts characters of a scan's OCR layer."""

    ranges: dict[LineKey, list[tuple[float, float]]] = field(default_factory=dict)
    characters: int = 0
    ocr: int = 0

    def add(self, line_key: LineKey, span: XRange, *, counted: bool = True) -> None:
        """Leave a span out, and count it unless it repeats visible text."""
        self.ranges.setdefault(line_key, []).append((span["bbox"][0], span["bbox"][2]))
        self.characters += count(span["text"]) if counted else 0

    def visible(self, words: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """The words that are not hidden."""
        return [word for word in words if not self._covers(word)]

    def _covers(self, word: tuple[Any, ...]) -> bool:
        middle = (word[0] + word[2]) / 2
        return any(x0 <= middle <= x1 for x0, x1 in self.ranges.get((word[5], word[6]), ()))


def find_hidden(canvas: Canvas, layers_off: tuple[int, ...]) -> Hidden:
    """Hidden text of a page."""
    hidden = Hidden()
    doubtful: list[tuple[LineKey, XRange]] = []
    areas = [s for s in canvas.shapes if not s.stroked and s.x1 - s.x0 > 4 and s.y1 - s.y0 > 4 and s.alpha > 200]
    pictures = [p for p in canvas.pictures if p.box[2] - p.box[0] > 4 and p.box[3] - p.box[1] > 4]
    scans = _scans(canvas)
    page = tuple(canvas.rect)
    spans = [
        ((number, index), block["number"], span)
        for number, block in enumerate(canvas.paragraphs)
        for index, line in enumerate(block["lines"])
        for span in line["spans"]
    ]
    crowded = len(spans) * (len(areas) + len(pictures)) > _MOST_PAIRS
    for line_key, order, span in spans:
        if span["char_flags"] & _PAINTED == 0 or span["alpha"] < _FAINT:
            if any(overlap(span["bbox"], scan.box) > 0.5 * area(span["bbox"]) for scan in scans):
                hidden.ocr += count(span["text"])
            elif count(span["text"]):
                hidden.add(line_key, span)
        elif _is_outside(span["bbox"], page) or _is_tiny(span):
            # An icon may contain the words beside it as text: written twice, visible once.
            is_repeated = canvas.characters.count(span["text"].strip()[-_TAIL:]) > 1
            hidden.add(line_key, span, counted=not is_repeated)
        elif _is_doubtful(span, order, areas, pictures, crowded=crowded) and count(span["text"]):
            doubtful.append((line_key, span))
    _look(canvas, doubtful, pictures, hidden)
    hidden.characters += count_clipped(canvas, layers_off)
    return hidden


def _scans(canvas: Canvas) -> list[Picture]:
    """Pictures that may have an OCR layer: large ones, or all if together they cover the page."""
    page: Box = tuple(canvas.rect)
    shares = [overlap(picture.box, page) / max(area(page), 1.0) for picture in canvas.pictures]
    if sum(shares) > _SCAN:
        return canvas.pictures
    return [picture for picture, share in zip(canvas.pictures, shares, strict=True) if share > _PART_OF_A_SCAN]


def _is_doubtful(
    span: XRange, order: int, areas: Sequence[Shape], pictures: Sequence[Picture], *, crowded: bool
) -> bool:
    if crowded:
        return True
    box = span["bbox"]
    color: int = span["color"]
    behind: int | None = None
    if areas:
        x = (box[0] + box[2]) / 2
        y = (box[1] + box[3]) / 2
        for shape in areas:
            if shape.x0 <= x <= shape.x1 and shape.y0 <= y <= shape.y1:
                if shape.order > order:
                    return True
                behind = shape.color
    if pictures:
        for picture in pictures:
            if overlap(box, picture.box) > 0.5 * area(box):
                return True
    if behind is not None:
        return _distance(color, behind) < 3 * _CONTRAST
    return color != 0 and min(color >> 16, color >> 8 & 255, color & 255) > _LIGHT


def _look(
    canvas: Canvas, doubtful: Sequence[tuple[LineKey, XRange]], pictures: Sequence[Picture], hidden: Hidden
) -> None:
    """Add the doubtful spans without a trace on the rendered page to `hidden`."""
    if not doubtful:
        return
    zoom = min(1.5, _LOOK_SIDE / max(canvas.rect.width, canvas.rect.height, 1.0))
    pixmap = canvas.drawn.get_pixmap(matrix=pymupdf.Matrix(zoom, zoom), alpha=0)
    for line_key, span in doubtful:
        cover = _cover(canvas, pictures, span)
        if cover is not None and overlap(cover.box, tuple(canvas.rect)) > _SCAN * area(tuple(canvas.rect)):
            hidden.ocr += count(span["text"])  # some OCR programs put the scan over its text
        elif cover is not None or not _leaves_trace(pixmap, canvas.rect, span):
            hidden.add(line_key, span)


def _cover(canvas: Canvas, pictures: Sequence[Picture], span: XRange) -> Picture | None:
    """The opaque picture painted over the span, or None."""
    box = span["bbox"]
    over = [picture for picture in pictures if not picture.masked and overlap(box, picture.box) > 0.9 * area(box)]
    return next((picture for picture in over if picture.order > canvas.painted_at(box)), None)


def _leaves_trace(pixmap: MuPixmap, page: MuRect, span: XRange) -> bool:
    zoom = pixmap.width / page.width
    box = span["bbox"]
    x0, x1 = max(0, int((box[0] - page.x0) * zoom)), min(pixmap.width, int((box[2] - page.x0) * zoom) + 1)
    y0, y1 = max(0, int((box[1] - page.y0) * zoom)), min(pixmap.height, int((box[3] - page.y0) * zoom) + 1)
    if x1 <= x0 or y1 <= y0:
        return False
    samples, stride, n = pixmap.samples_mv, pixmap.stride, pixmap.n
    rows = [bytes(samples[y * stride + x0 * n : y * stride + x1 * n]) for y in range(y0, y1)]
    if any(_spread([row], n) >= _CONTRAST for row in rows[len(rows) // 2 :: 4]):
        return True
    return _spread(rows, n) >= _CONTRAST


def _spread(rows: Sequence[bytes], n: int) -> int:
    """The largest difference within one of the colour channels, of 255."""
    together = b"".join(rows)
    return max([max(together[c::n]) - min(together[c::n]) for c in range(n)])


def _is_outside(box: Box, page: Box) -> bool:
    return box[2] <= page[0] or box[0] >= page[2] or box[3] <= page[1] or box[1] >= page[3]


def _is_tiny(span: XRange) -> bool:
    """True for text too small or too narrow to see. A Type 3 font may state any size, so the box must be small as well."""
    x0, y0, x1, y1 = span["bbox"]
    if y1 - y0 > 2 and x1 - x0 > 2 and x1 - x0 > 0.05 * span["size"] * len(span["text"]):
        return False  # a fast answer for nearly all text
    thin, long = sorted((x1 - x0, y1 - y0))
    if all(unicodedata.combining(char) for char in span["text"]):
        return False
    height = thin if len(span["text"].strip()) > 1 else long
    squeezed = thin < 0.3 or long < 0.05 * span["size"] * len(span["text"])
    return bool(squeezed or height < 1.4 * _TINY)


def _distance(a: int, b: int) -> int:
    return max(abs((a >> 16 & 255) - (b >> 16 & 255)), abs((a >> 8 & 255) - (b >> 8 & 255)), abs((a & 255) - (b & 255)))
