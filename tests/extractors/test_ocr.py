"""The second reader on real pictures: words where they are printed, in the order of reading."""

from dataclasses import replace

import pytest

from extractors.complete.lines import page_lines
from extractors.ground.ground import ground
from extractors.ocr import is_unread, placed, words_of
from extractors.parse.parse import parse
from extractors.split.options import SplitOptions
from extractors.split.split import split
from extractors.values import fold_text
from schemas.document_types import DOCUMENT_TYPES
from schemas.step_data import Page, Word
from tests.conftest import SAMPLES


@pytest.fixture(scope="module")
def pages() -> tuple[Page, Page]:
    """A page as its text layer has it, and the same page read from its picture alone."""
    path = SAMPLES / "invoices" / "nordlicht.pdf"
    (page,) = [
        each for each in split(path.read_bytes(), path.name, SplitOptions(images="pages")) if isinstance(each, Page)
    ]
    assert page.image is not None
    scan = replace(page, words=(), text="")
    assert is_unread(scan)
    return page, placed(words_of(page.image), scan)


def overlap(one: Word, other: Word) -> bool:
    middle = (one.x0 + one.x1) / 2, (one.y0 + one.y1) / 2
    return other.x0 - 3 <= middle[0] <= other.x1 + 3 and other.y0 - 3 <= middle[1] <= other.y1 + 3


def test_words_are_found_where_they_are_printed(pages: tuple[Page, Page]) -> None:
    printed, read = pages
    assert read.is_scanned
    letters = [word for word in printed.words if len(word.text) > 3]
    hits = [
        word
        for word in letters
        if any(
            fold_text(word.text).strip(".,:") in fold_text(other.text) and overlap(word, other) for other in read.words
        )
    ]
    assert len(hits) / len(letters) > 0.9
    assert all(0 <= word.x0 < word.x1 <= read.width and 0 <= word.y0 < word.y1 <= read.height for word in read.words)


def test_values_of_a_scan_are_located_on_their_lines(pages: tuple[Page, Page]) -> None:
    printed, read = pages
    invoice = DOCUMENT_TYPES["invoice"]
    answer = parse('{"number": "RE-2026-00318", "gross_total": 8407.89, "issue_date": "2026-03-14"}', invoice.root)
    there = ground(answer, invoice.root, 0, [printed]).evidence
    found = ground(answer, invoice.root, 0, [read]).evidence
    for pointer, evidence in found.items():
        assert evidence.match in {"exact", "normalized"}, pointer
        assert evidence.box is not None
        assert evidence.box == pytest.approx(there[pointer].box, abs=8), pointer


def test_rows_of_a_scan_have_their_numbers_in_columns(pages: tuple[Page, Page]) -> None:
    printed, read = pages
    held = [
        {round(line.edges[-1]) for line in page_lines(page).lines if len(line.edges) >= 4} for page in (printed, read)
    ]
    assert (
        len(held[0]) == len(held[1]) == 2
    )  # of the items and of the head: boxes of a scan differ, and are set to one place


def test_a_page_without_a_picture_or_with_text_that_is_trusted_is_not_read() -> None:
    page = Page(1, 100, 100, "text", (Word("text", 0, 0, 10, 10),), "text", "text is enough")
    assert not is_unread(page)
    assert not is_unread(replace(page, words=(), sent_as="blank"))
