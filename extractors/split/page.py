"""One page: its text and words, and whether it is sent as text, with figures, or as a picture.

Each verdict has its reason. A page becomes a picture only where its text cannot be trusted.
"""

from dataclasses import dataclass
from typing import Literal

import pymupdf

from extractors.split.canvas import Canvas, Picture, overlap
from extractors.split.figures import Repeats, find_figures
from extractors.split.forms import put_fields, read_fields
from extractors.split.hidden import find_hidden
from extractors.split.lines import Line, read_fonts, read_lines
from extractors.split.markdown import to_markdown
from extractors.split.notes import read_notes
from extractors.split.picture import is_empty, render
from extractors.split.tables import Table, find_tables
from extractors.split.trust import is_doubtful_ocr, is_garbled
from schemas.pipeline import Page, SentAs, Word

Images = Literal["auto", "never", "pages"]
_SCAN = 0.6  # of the page: pictures that cover more are a scan
_FEW_WORDS = 15  # beside a scan these are a stamp, not its text


@dataclass(slots=True)
class _Reading:
    """What was read from a page's own text."""

    text: str
    words: tuple[Word, ...]
    lines: list[Line]
    tables: list[Table]
    hidden: int
    ocr: bool


def read_page(document: pymupdf.Document, number: int, images: Images, repeats: Repeats) -> Page:
    """Page `number`, counted from 1."""
    canvas = Canvas.of(document.load_page(number - 1))
    reading = _read(canvas)
    sent_as, reason = _verdict(canvas, reading)
    figures = ()
    image = None
    if images == "never":
        sent_as, reason = _without_pictures(sent_as, reason, reading)
    elif images == "pages" and sent_as != "blank":
        sent_as, reason = "image", "pictures of all pages were asked for"
    if sent_as == "image":
        image = render(canvas.drawn, canvas.rect)
    elif sent_as == "text" and images == "auto":
        figures = tuple(find_figures(canvas, reading.lines, [table.box for table in reading.tables if not table.pairs], repeats))
        if figures:
            sent_as, reason = "figures", "1 figure" if len(figures) == 1 else f"{len(figures)} figures"
    return Page(
        number,
        canvas.rect.width,
        canvas.rect.height,
        reading.text,
        reading.words,
        sent_as,
        reason,
        image=image,
        figures=figures,
        hidden_text=reading.hidden,
    )


def _read(canvas: Canvas) -> _Reading:
    hidden = find_hidden(canvas)
    raw_words = canvas.textpage.extractWORDS()
    if hidden.ranges:
        raw_words = hidden.visible(raw_words)
    lines = read_lines(raw_words, read_fonts(canvas.blocks))
    fields, unseen = read_fields(canvas.page)
    tables = find_tables(lines, canvas.shapes)
    if fields:
        lines = put_fields(lines, fields)
        tables = [table for table in tables if all(line in lines and line.text for line in table.lines)]
    text = to_markdown(lines, tables)
    notes, unshown = read_notes(canvas.page, text)
    text = "\n\n".join([text, *notes]).strip() if notes else text
    words = tuple([word for line in lines for word in line.words])
    seen = sum([len(word.text) for word in words])
    return _Reading(text, words, lines, tables, hidden.characters + unseen + unshown, hidden.ocr > 0.5 * seen)


def _verdict(canvas: Canvas, reading: _Reading) -> tuple[SentAs, str]:
    words = reading.words
    if not words:
        if is_empty(canvas.drawn, canvas.rect):
            return "blank", "nothing is drawn on the page"
        return "image", "no text layer"
    if is_garbled(words):
        return "image", "unmapped glyphs"
    covered = _covered(canvas, canvas.pictures) if canvas.pictures else 0.0
    if reading.ocr:
        return ("image", "OCR layer of doubtful quality") if is_doubtful_ocr(words) else ("text", "OCR layer reads well")
    if covered > _SCAN and len(words) < _FEW_WORDS:
        return "image", "a picture fills the page"
    return "text", "text is enough"


def _covered(canvas: Canvas, pictures: list[Picture]) -> float:
    """The share of the page under pictures; stripes of one scan add up."""
    page = tuple(canvas.rect)
    return sum(overlap(picture.box, page) for picture in pictures) / max(1.0, canvas.rect.width * canvas.rect.height)


def _without_pictures(sent_as: SentAs, reason: str, reading: _Reading) -> tuple[SentAs, str]:
    if sent_as != "image":
        return sent_as, reason
    return ("text" if reading.text else "blank"), f"{reason}, and pictures were ruled out"
