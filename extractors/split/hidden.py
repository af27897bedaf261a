"""Text that no eye sees: found by how it is painted, and where that leaves a doubt, by looking at the rendered page.

Certain from the paint alone: no fill and no stroke, full transparency, letters too small to see. Doubtful: nearly white,
painted over later, or standing on an area of its own colour; it is hidden if no pixel there differs from its neighbours.
An OCR layer (unpainted text with a scan around it) is not hidden: the scan shows what it says.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pymupdf

from extractors.split.canvas import Canvas, Picture, Shape, area, overlap
from schemas.pipeline import Box

_PAINTED = 16 | 32  # MuPDF's character flags: filled, stroked
_FAINT = 13  # of 255: an opacity of 5 %
_TINY = 1.0  # points: a capital of 0.7 points is a third of a millimetre high
_LIGHT = 200  # of 255, the darkest channel of a colour that may vanish on white paper
_CONTRAST = 16  # of 255: less is not seen on paper or screen
_MOST_PAIRS = 20_000  # spans times areas that are compared one by one; beyond, every span is looked at

Span = Mapping[str, Any]
Place = tuple[int, int]  # block and line number


@dataclass(slots=True)
class Hidden:
    """What is hidden: x ranges by line, and how many characters. `ocr` counts the characters of a scan's OCR layer."""

    ranges: dict[Place, list[tuple[float, float]]] = field(default_factory=dict)
    characters: int = 0
    ocr: int = 0

    def add(self, place: Place, span: Span) -> None:
        """Count a span as hidden."""
        self.ranges.setdefault(place, []).append((span["bbox"][0], span["bbox"][2]))
        self.characters += _count(span["text"])

    def visible(self, words: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """The words that are not hidden."""
        return [word for word in words if not self._covers(word)]

    def _covers(self, word: tuple[Any, ...]) -> bool:
        middle = (word[0] + word[2]) / 2
        return any(x0 <= middle <= x1 for x0, x1 in self.ranges.get((word[5], word[6]), ()))


def find_hidden(canvas: Canvas) -> Hidden:
    """Hidden text of a page."""
    hidden = Hidden()
    doubtful: list[tuple[Place, Span]] = []
    areas = [s for s in canvas.shapes if not s.stroked and s.x1 - s.x0 > 4 and s.y1 - s.y0 > 4 and s.alpha > 200]
    scans: list[Picture] | None = None
    pictures: list[Picture] | None = None
    spans = [
        ((block["number"], index), span)
        for block in canvas.blocks
        if block["type"] == 0
        for index, line in enumerate(block["lines"])
        for span in line["spans"]
    ]
    crowded = len(spans) * len(areas) > _MOST_PAIRS
    if canvas.pictures:
        pictures = canvas.pictures
    for place, span in spans:
        size = span["size"]
        if span["char_flags"] & _PAINTED == 0 or span["alpha"] < _FAINT:
            scans = canvas.pictures if scans is None else scans
            if any(overlap(span["bbox"], scan.box) > 0.5 * area(span["bbox"]) for scan in scans):
                hidden.ocr += _count(span["text"])
            elif span["text"].strip():
                hidden.add(place, span)
        elif size < _TINY or _squeezed(span):
            if span["text"].strip():
                hidden.add(place, span)
        elif _is_doubtful(span, place[0], areas, pictures, crowded=crowded) and span["text"].strip():
            doubtful.append((place, span))
    _look(canvas, doubtful, hidden)
    hidden.characters += _cut_away(canvas, _count("".join([span["text"] for _, span in spans])))
    return hidden


def _is_doubtful(span: Span, order: int, areas: Sequence[Shape], pictures: Sequence[Picture] | None, *, crowded: bool) -> bool:
    if crowded:
        return True
    box = span["bbox"]
    color = span["color"]
    behind: int | None = None
    if areas:
        x = (box[0] + box[2]) / 2
        y = (box[1] + box[3]) / 2
        for shape in areas:
            if shape[0] <= x <= shape[2] and shape[1] <= y <= shape[3]:
                if shape[4] > order:
                    return True
                behind = shape[7]
    if pictures:
        for picture in pictures:
            if overlap(box, picture.box) > 0.5 * area(box):
                return True
    if behind is not None:
        return _distance(color, behind) < 3 * _CONTRAST
    return color != 0 and min(color >> 16, color >> 8 & 255, color & 255) > _LIGHT


def _look(canvas: Canvas, doubtful: Sequence[tuple[Place, Span]], hidden: Hidden) -> None:
    """Move the spans that leave no trace on the rendered page to the hidden ones."""
    if not doubtful:
        return
    pixmap = canvas.drawn.get_pixmap(matrix=pymupdf.Matrix(1.5, 1.5), alpha=0)
    for place, span in doubtful:
        if not _leaves_trace(pixmap, canvas.rect, span, canvas.pictures):
            hidden.add(place, span)


def _leaves_trace(pixmap: pymupdf.Pixmap, page: pymupdf.Rect, span: Span, pictures: Sequence[Picture]) -> bool:
    zoom = pixmap.width / page.width
    box = span["bbox"]
    x0, x1 = max(0, int((box[0] - page.x0) * zoom)), min(pixmap.width, int((box[2] - page.x0) * zoom) + 1)
    y0, y1 = max(0, int((box[1] - page.y0) * zoom)), min(pixmap.height, int((box[3] - page.y0) * zoom) + 1)
    if x1 <= x0 or y1 <= y0:
        return False
    samples, stride, n = pixmap.samples_mv, pixmap.stride, pixmap.n
    rows = [bytes(samples[y * stride + x0 * n : y * stride + x1 * n]) for y in range(y0, y1)]
    spread = max(max(max(row[c::n]) for row in rows) - min(min(row[c::n]) for row in rows) for c in range(n))
    if spread < _CONTRAST:
        return False
    covered = any(not p.masked and overlap(box, p.box) > 0.9 * area(box) for p in pictures)
    return not covered or _has_color(rows, n, span["color"])


def _has_color(rows: Sequence[bytes], n: int, color: int) -> bool:
    """Whether some of the pixels are of the text's own colour, as they are when it stands on a picture."""
    r, g, b = color >> 16 & 255, color >> 8 & 255, color & 255
    near = total = 0
    for row in rows:
        for x in range(0, len(row), n):
            near += abs(row[x] - r) + abs(row[x + 1] - g) + abs(row[x + 2] - b) < 120
        total += len(row) // n
    return near > 0.02 * total


def _cut_away(canvas: Canvas, shown: int) -> int:
    """Characters outside the page's crop box or cut away by a clip path: they never came out, so they are only counted."""
    everything = _count(canvas.replay(0).extractText())
    return max(0, everything - _count(canvas.textpage.extractText())) if everything != shown else 0


def _squeezed(span: Span) -> bool:
    box: Box = span["bbox"]
    thin = min(box[2] - box[0], box[3] - box[1])
    return bool(thin < 0.3 or max(box[2] - box[0], box[3] - box[1]) < 0.05 * span["size"] * len(span["text"]))


def _distance(a: int, b: int) -> int:
    return max(abs((a >> 16 & 255) - (b >> 16 & 255)), abs((a >> 8 & 255) - (b >> 8 & 255)), abs((a & 255) - (b & 255)))


def _count(text: str) -> int:
    return len("".join(text.split()))
