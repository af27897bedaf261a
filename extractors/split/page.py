"""One page: its text and words, and whether it is sent as text, with figures, or as a picture.

Each decision is recorded with its reason. By default a page becomes a picture only where its text cannot be trusted.
"""

from dataclasses import dataclass, field
from typing import Literal

from extractors.split.figures import find_figures
from extractors.split.forms import put_fields, read_fields
from extractors.split.hidden import find_hidden
from extractors.split.interpreted_page import Canvas, Picture, PictureKey, area, overlap
from extractors.split.lines import Line, read_fonts, read_lines
from extractors.split.markdown import to_markdown
from extractors.split.mupdf import MuDocument
from extractors.split.notes import read_notes
from extractors.split.picture import is_blank, render_picture
from extractors.split.tables import Table, find_tables
from extractors.split.trust import is_doubtful_ocr, is_garbled, is_useless, unknown_share
from schemas.step_data import Box, Figure, Page, SentAs, Word

Images = Literal["auto", "never", "pages"]
_SCAN = 0.6  # of the page: pictures that cover more are a scan
_FEW_WORDS = 15  # fewer words beside a scan are a stamp, not its text


@dataclass(slots=True)
class Opened:
    """A document while its pages are read. `shown` are the pictures already sent as figures."""

    document: MuDocument
    images: Images
    layers_off: tuple[int, ...] = ()
    shown: set[PictureKey] = field(default_factory=set)


@dataclass(slots=True)
class _Reading:
    """Text layer of a page: `hidden` characters, `ocr` for an OCR layer, `unknown` share of unmapped characters."""

    text: str
    words: tuple[Word, ...]
    lines: list[Line]
    tables: list[Table]
    hidden: int
    ocr: bool
    unknown: float


def read_page(opened: Opened, number: int) -> Page:
    """Read page `number`, counted from 1."""
    canvas = Canvas.of(opened.document.load_page(number - 1))
    reading = _read(canvas, opened.layers_off)
    sent_as, reason = _verdict(canvas, reading)
    figures: tuple[Figure, ...] = ()
    image = None
    if opened.images == "never":
        sent_as, reason = _without_pictures(sent_as, reason, reading)
    elif opened.images == "pages" and sent_as != "blank":
        sent_as, reason = "image", "pictures of all pages were asked for"
    if sent_as == "image":
        image = render_picture(canvas.drawn, canvas.rect)
    elif sent_as == "text" and opened.images == "auto":
        figures = tuple(
            find_figures(
                canvas, reading.lines, [table.box for table in reading.tables if not table.pairs], opened.shown
            )
        )
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


def _read(canvas: Canvas, layers_off: tuple[int, ...]) -> _Reading:
    hidden = find_hidden(canvas, layers_off)
    raw_words = canvas.textpage.extractWORDS()
    if hidden.ranges:
        raw_words = hidden.visible(raw_words)
    lines = read_lines(raw_words, read_fonts(canvas.paragraphs))
    fields, hidden_in_fields = read_fields(canvas.page)
    tables = find_tables(lines, canvas.shapes)
    if fields:
        lines = put_fields(lines, fields)
        tables = [table for table in tables if all(line in lines and line.text for line in table.lines)]
    text = to_markdown(lines, tables)
    notes, hidden_in_notes = read_notes(canvas.page, text)
    text = "\n\n".join([text, *notes]).strip() if notes else text
    words = tuple([word for line in lines for word in line.words])
    letters = sum([len(word.text) for word in words])
    unknown = unknown_share(canvas.characters)
    if is_useless(unknown):
        text, lines, tables, words = "", [], [], ()
    return _Reading(
        text,
        words,
        lines,
        tables,
        hidden.characters + hidden_in_fields + hidden_in_notes,
        hidden.ocr > 0.5 * letters,
        unknown,
    )


def _verdict(canvas: Canvas, reading: _Reading) -> tuple[SentAs, str]:
    words = reading.words
    if is_garbled(reading.unknown):
        return "image", "unmapped glyphs"
    if not words:
        if is_blank(canvas.drawn, canvas.rect):
            return "blank", "nothing is drawn on the page"
        return "image", "no text layer"
    covered = _covered(canvas, canvas.pictures) if canvas.pictures else 0.0
    if reading.ocr:
        return (
            ("image", "OCR layer of doubtful quality") if is_doubtful_ocr(words) else ("text", "OCR layer reads well")
        )
    if covered > _SCAN and len(words) < _FEW_WORDS:
        return "image", "a picture fills the page"
    return "text", "text is enough"


def _covered(canvas: Canvas, pictures: list[Picture]) -> float:
    """Share of the page under pictures; the stripes of one scan add up."""
    page: Box = tuple(canvas.rect)
    return sum(overlap(picture.box, page) for picture in pictures) / max(1.0, area(page))


def _without_pictures(sent_as: SentAs, reason: str, reading: _Reading) -> tuple[SentAs, str]:
    if sent_as != "image":
        return sent_as, reason
    return ("text" if reading.text else "blank"), f"{reason}, and pictures were ruled out"
