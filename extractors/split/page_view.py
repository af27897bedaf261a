"""One page for people: its picture, its size in points, and its words with their boxes."""

from dataclasses import replace

from extractors.split.clean import clean
from extractors.split.clipped_text import layers_off
from extractors.split.formats import open_document
from extractors.split.interpreted_page import Canvas
from extractors.split.mupdf import MuDocument, pymupdf
from extractors.split.page import Opened, read_page
from extractors.split.picture import render_picture
from schemas.errors import UnreadableDocumentError
from schemas.step_data import Page


def look_at(data: bytes, file_name: str, number: int, passwords: tuple[str, ...] = ()) -> Page:
    """Page `number`, counted from 1, with an `image` of the whole page (PNG, a scan JPEG), at most 1540 pixels on a side.

    Its words are those of `split`. Raises UnreadableDocumentError for a document that cannot be opened, a page that does not
    exist and a page that cannot be drawn.
    """
    pymupdf.TOOLS.mupdf_display_errors(False)
    pymupdf.TOOLS.mupdf_display_warnings(False)
    document, _ = open_document(data, file_name, passwords)
    try:
        return _drawn(document, number)
    except MemoryError:
        raise
    except Exception as error:
        reason = clean(str(error)) or type(error).__name__
        raise UnreadableDocumentError(
            f"{file_name}: page {number} cannot be drawn ({reason}); look at the file"
        ) from error
    finally:
        document.close()


def _drawn(document: MuDocument, number: int) -> Page:
    if not 1 <= number <= document.page_count:
        raise IndexError(f"it has {document.page_count} pages")
    page = read_page(Opened(document, "never", layers_off(document)), number)
    canvas = Canvas.of(document.load_page(number - 1))
    return replace(page, image=render_picture(canvas.drawn, canvas.rect, flat=bool(page.words)))
