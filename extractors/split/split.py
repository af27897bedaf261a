"""Bytes to one DocumentInfo and then every page, one page in memory at a time.

A fault of the whole document is an error; a fault of one page is its `problem`, and the other pages are read.
"""

from collections.abc import Iterator
from dataclasses import replace

from extractors.split.attached import attachment_names, attachment_text
from extractors.split.clean import clean
from extractors.split.clipped_text import layers_off
from extractors.split.formats import open_document
from extractors.split.mupdf import MuDocument, pymupdf
from extractors.split.options import SPLIT_VERSION, SplitOptions
from extractors.split.page import Opened, read_page
from schemas.errors import UnreadableDocumentError
from schemas.step_data import DocumentInfo, Page

__all__ = ["SPLIT_VERSION", "SplitOptions", "split"]


def split(data: bytes, file_name: str, options: SplitOptions) -> Iterator[DocumentInfo | Page]:
    """One DocumentInfo, then the pages in order. The document is opened when the first item is taken."""
    pymupdf.TOOLS.mupdf_display_errors(False)
    pymupdf.TOOLS.mupdf_display_warnings(False)
    document, kind = open_document(data, file_name, options.passwords)
    try:
        count = _page_count(document, file_name)
        yield DocumentInfo(count, _title(document), kind, attachment_names(document))
        opened = Opened(document, options.images, layers_off(document))
        for number in range(1, count + 1):
            page = _page_or_problem(opened, number)
            if number == count and options.attachments == "text" and (extra := attachment_text(document)):
                page = replace(page, text=f"{page.text}\n\n{extra}".strip())
            yield page
    finally:
        document.close()


def _page_or_problem(opened: Opened, number: int) -> Page:
    try:
        return read_page(opened, number)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - PyMuPDF raises anything on a broken page, and the other pages go on
        problem = f"page {number} could not be read: {clean(str(error)) or type(error).__name__}"
        return Page(number, 0.0, 0.0, "", (), "blank", "page could not be read", problem=problem)


def _page_count(document: MuDocument, file_name: str) -> int:
    try:
        count = int(document.page_count)
    except Exception as error:
        raise UnreadableDocumentError(
            f"{file_name}: its pages cannot be counted ({error}); check that the file is complete"
        ) from error
    if count < 1:
        raise UnreadableDocumentError(f"{file_name}: no pages; check that the file is complete")
    return count


def _title(document: MuDocument) -> str | None:
    try:
        title = clean((document.metadata or {}).get("title") or "").strip()
    except Exception:  # noqa: BLE001 - a broken title is no title
        return None
    return title or None
