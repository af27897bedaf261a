"""Annotations with text that the page does not have: notes, comments on highlighted text, undrawn free text."""

from extractors.split.clean import clean
from extractors.split.mupdf import MuPage, pymupdf

_HIDDEN = 2 | 32  # annotation flags: hidden, no view
_WITH_TEXT = {
    pymupdf.PDF_ANNOT_TEXT,
    pymupdf.PDF_ANNOT_FREE_TEXT,
    pymupdf.PDF_ANNOT_HIGHLIGHT,
    pymupdf.PDF_ANNOT_UNDERLINE,
    pymupdf.PDF_ANNOT_SQUIGGLY,
    pymupdf.PDF_ANNOT_STRIKE_OUT,
    pymupdf.PDF_ANNOT_STAMP,
    pymupdf.PDF_ANNOT_SQUARE,
    pymupdf.PDF_ANNOT_CIRCLE,
    pymupdf.PDF_ANNOT_CARET,
}


def read_notes(page: MuPage, text: str) -> tuple[list[str], int]:
    """One line per annotation whose text is not in `text` yet, and the number of characters in hidden annotations."""
    if not page.parent.is_pdf or page.first_annot is None:
        return [], 0
    page_letters = "".join(text.split())
    notes = []
    hidden = 0
    for annot in page.annots():
        if annot.type[0] not in _WITH_TEXT:
            continue
        content = clean(annot.info.get("content") or "").strip()
        letters = "".join(content.split())
        if not content or letters in page_letters:
            continue
        if annot.flags & _HIDDEN:
            hidden += len(letters)
            continue
        author = clean(annot.info.get("title") or "").strip()
        notes.append(f"Note ({author}): {content}" if author else f"Note: {content}")
    return notes, hidden
