"""One page, interpreted once.

Its display list is replayed for text, for pictures and for checks, which is faster than to interpret the page again.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from extractors.split.mupdf import MuDisplayList, MuPage, MuRect, MuTextPage, mupdf, pymupdf
from schemas.step_data import Box

# MuPDF leaves out clipped characters, and yields drawings as boxes, after the line they are in.
_TEXT = pymupdf.TEXT_CLIP | pymupdf.TEXT_COLLECT_VECTORS | pymupdf.TEXT_LAZY_VECTORS


PictureKey = tuple[int, int, int]  # width, height, bytes: pictures equal in all three are the same


class Shape(NamedTuple):
    """The box of a drawn shape, in points. `order` is its number in the order of painting, shared with the text blocks."""

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
    """A raster image and its box in points. Repeated images have an equal `key`; a `masked` one may be transparent in parts."""

    box: Box
    width: int
    height: int
    key: PictureKey
    masked: bool
    order: int


@dataclass(frozen=True)
class Canvas:
    """A page of a document and its display list; `rect` is the page as displayed, in points."""

    page: MuPage
    drawn: MuDisplayList
    rect: MuRect

    @classmethod
    def of(cls, page: MuPage) -> "Canvas":
        """Interpret a page."""
        drawn = page.get_displaylist()
        return cls(page, drawn, drawn.rect)

    def replay(self, flags: int) -> MuTextPage:
        """A text page with MuPDF's own flags."""
        return pymupdf.TextPage(self.drawn.get_textpage(flags))

    @cached_property
    def textpage(self) -> MuTextPage:
        """The text page with words and blocks, those outside of the page included."""
        everywhere = mupdf.FzRect(mupdf.FzRect.Fixed_INFINITE)
        options = mupdf.FzStextOptions()
        options.flags = _TEXT
        stext = mupdf.FzStextPage(everywhere)
        device = mupdf.fz_new_stext_device(stext, options)
        mupdf.fz_run_display_list(self.drawn.this, device, mupdf.FzMatrix(), everywhere, mupdf.FzCookie())
        mupdf.fz_close_device(device)
        return pymupdf.TextPage(stext)

    @cached_property
    def blocks(self) -> list[dict[str, Any]]:
        """Text and drawings, in the order of painting."""
        blocks: list[dict[str, Any]] = self.textpage.extractDICT()["blocks"]
        return blocks

    @cached_property
    def paragraphs(self) -> list[dict[str, Any]]:
        """The blocks of text. A word's block number is an index into this list: MuPDF counts no drawings there."""
        return [block for block in self.blocks if block["type"] == 0]

    @cached_property
    def characters(self) -> str:
        """All characters as MuPDF decoded them, before any cleaning."""
        return "".join([span["text"] for block in self.paragraphs for line in block["lines"] for span in line["spans"]])

    @cached_property
    def shapes(self) -> list[Shape]:
        """All drawn lines and areas."""
        return [
            Shape._make(
                (*block["bbox"], block["number"], block["stroked"], block["isrect"], block["color"], block["alpha"])
            )
            for block in self.blocks
            if block["type"] == 3
        ]

    @cached_property
    def pictures(self) -> list[Picture]:
        """Every raster image that is visible on the page."""
        if self.page.parent.is_pdf and self.paragraphs and not self.page.get_images():
            return []  # images drawn inline beside text are tiny: not worth a replay of every page
        images = self._with_images.extractIMGINFO()
        return [
            Picture(
                info["bbox"],
                info["width"],
                info["height"],
                (info["width"], info["height"], info["size"]),
                info["has-mask"],
                info["number"],
            )
            for info in images
        ]

    def painted_at(self, box: Box) -> int:
        """Number of the text inside `box` in the order of painting, comparable with the pictures' `order`."""
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        around = [block[5] for block in self._text_places if block[0] <= x <= block[2] and block[1] <= y <= block[3]]
        return max(around, default=0)

    @cached_property
    def _with_images(self) -> MuTextPage:
        return self.replay(pymupdf.TEXT_CLIP | pymupdf.TEXT_PRESERVE_IMAGES)

    @cached_property
    def _text_places(self) -> list[tuple[Any, ...]]:
        return [block for block in self._with_images.extractBLOCKS() if block[6] == 0]


def area(box: Box) -> float:
    """Area in square points, 0 for an inverted box."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def clip_box(box: Box, page: Box) -> Box:
    """Part of a box within the page."""
    return (max(box[0], page[0]), max(box[1], page[1]), min(box[2], page[2]), min(box[3], page[3]))


def overlap(a: Box, b: Box) -> float:
    """Area that two boxes share, in square points."""
    return area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))
