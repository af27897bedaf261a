"""One page interpreted once: its display list is replayed for text, for pictures and for checks, which is cheaper than reading the page again."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import pymupdf

from schemas.pipeline import Box

# Characters that a clip path cuts away never come out; drawings come out as boxes, after the line they stand in.
_TEXT = pymupdf.TEXT_CLIP | pymupdf.TEXT_COLLECT_VECTORS | pymupdf.TEXT_LAZY_VECTORS


class Shape(NamedTuple):
    """The box of something drawn. `order` is its place in the order of painting, among the numbers of the text blocks."""

    x0: float
    y0: float
    x1: float
    y1: float
    order: int
    stroked: bool
    rectangle: bool
    color: int
    alpha: int


class Picture(NamedTuple):
    """A raster image where it stands. `key` is equal for one that repeats; `masked` if what lies behind may shine through."""

    box: Box
    width: int
    height: int
    key: tuple[int, int, int]
    masked: bool
    order: int


@dataclass(frozen=True)
class Canvas:
    """A page of a document and what is drawn on it, `rect` as displayed."""

    page: pymupdf.Page
    drawn: pymupdf.DisplayList
    rect: pymupdf.Rect

    @classmethod
    def of(cls, page: pymupdf.Page) -> "Canvas":
        """The page interpreted."""
        drawn = page.get_displaylist()
        return cls(page, drawn, drawn.rect)

    def replay(self, flags: int) -> pymupdf.TextPage:
        """A text page with MuPDF's own flags."""
        return pymupdf.TextPage(self.drawn.get_textpage(flags))

    @cached_property
    def textpage(self) -> pymupdf.TextPage:
        """The text page that words and blocks come from."""
        return self.replay(_TEXT)

    @cached_property
    def blocks(self) -> list[dict[str, Any]]:
        """Text and drawings, in the order of painting."""
        blocks: list[dict[str, Any]] = self.textpage.extractDICT()["blocks"]
        return blocks

    @cached_property
    def has_text(self) -> bool:
        """Whether there are characters at all, seen or unseen."""
        return any(block["type"] == 0 for block in self.blocks)

    @cached_property
    def shapes(self) -> list[Shape]:
        """Everything drawn as lines or areas."""
        return [
            Shape(*block["bbox"], block["number"], block["stroked"], block["isrect"], block["color"], block["alpha"])
            for block in self.blocks
            if block["type"] == 3
        ]

    @cached_property
    def pictures(self) -> list[Picture]:
        """Every raster image that is visible on the page."""
        if self.page.parent.is_pdf and self.has_text and not self.page.get_images():
            return []  # only tiny images are drawn inline beside text: not worth a replay of every page
        found = self.replay(pymupdf.TEXT_CLIP | pymupdf.TEXT_PRESERVE_IMAGES).extractIMGINFO()
        return [
            Picture(info["bbox"], info["width"], info["height"], (info["width"], info["height"], info["size"]), info["has-mask"], info["number"])
            for info in found
        ]


def area(box: Box) -> float:
    """In square points, 0 for a box that is inside out."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def overlap(a: Box, b: Box) -> float:
    """The area that two boxes share."""
    return area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))

