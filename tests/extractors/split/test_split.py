"""The contract of split: what comes out in which order, what stops a document, what stops only a page."""

import json
import pickle

import pymupdf
import pytest

from extractors.split.options import SplitOptions
from extractors.split.split import split
from schemas.errors import EncryptedDocumentError, UnreadableDocumentError, UnsupportedDocumentError
from schemas.step_data import DocumentInfo, Page
from tests.conftest import SAMPLES, SHARED

CORPORA = SHARED / "corpora"
needs_corpora = pytest.mark.skipif(not CORPORA.is_dir(), reason="the shared folder of nasty PDFs is not here")
AUTO = SplitOptions()


def simple(pages: int = 1, text: str = "Page {}") -> pymupdf.Document:
    document = pymupdf.open()
    for number in range(1, pages + 1):
        document.new_page().insert_text((72, 72), text.format(number))
    return document


def pages_of(data: bytes, name: str = "x.pdf", options: SplitOptions = AUTO) -> list[Page]:
    return [item for item in split(data, name, options) if isinstance(item, Page)]


def test_the_document_comes_first_and_then_its_pages_in_order():
    document = simple(3)
    document.set_metadata({"title": "Yearly  report"})
    document.embfile_add("factur-x.xml", b"<a/>")
    info, *pages = split(document.tobytes(), "x.pdf", AUTO)
    assert info == DocumentInfo(3, "Yearly report", "pdf", ("factur-x.xml",))
    assert [page.number for page in pages] == [1, 2, 3]
    assert [page.text for page in pages] == ["Page 1", "Page 2", "Page 3"]
    assert pages[0].sent_as == "text"
    assert pages[0].reason == "text is enough"


def test_pages_are_read_only_when_they_are_asked_for():
    document = simple(300)
    items = split(document.tobytes(), "x.pdf", AUTO)
    assert next(items).pages == 300
    assert next(items).number == 1
    items.close()


def test_the_contents_of_attachments_stay_out():
    document = simple()
    document.embfile_add("note.txt", b"SECRET")
    assert "SECRET" not in pages_of(document.tobytes())[0].text


def test_pages_survive_pickling():
    page = pages_of(simple().tobytes())[0]
    assert pickle.loads(pickle.dumps(page)) == page


def test_an_empty_page_is_blank():
    document = pymupdf.open()
    document.new_page()
    page = pages_of(document.tobytes())[0]
    assert (page.sent_as, page.text, page.words, page.problem) == ("blank", "", (), None)


def protected(password: str) -> bytes:
    return simple().tobytes(encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw=password, owner_pw="owner")


def test_a_password_opens_a_protected_document():
    options = SplitOptions(passwords=("wrong", "geheim"))
    assert pages_of(protected("geheim"), options=options)[0].text == "Page 1"


@pytest.mark.parametrize("passwords", [(), ("wrong",)], ids=["none given", "wrong one"])
def test_a_protected_document_names_the_file_and_the_remedy(passwords):
    with pytest.raises(EncryptedDocumentError, match=r"secret\.pdf: needs a password.*PAGEMILL_PASSWORDS_FILE"):
        list(split(protected("geheim"), "secret.pdf", SplitOptions(passwords=passwords)))


def test_a_document_protected_against_changes_only_needs_no_password():
    assert pages_of(protected(""))[0].text == "Page 1"


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", UnreadableDocumentError),
        (b"%PDF-1.7\n", UnreadableDocumentError),
        (
            b"%PDF-1.7\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\ntrailer\n<</Root 1 0 R>>",
            UnreadableDocumentError,
        ),
        (b"just some words", UnsupportedDocumentError),
        (b"\x7fELF\x02\x01\x01" + bytes(100), UnsupportedDocumentError),
        (b"PK\x03\x04" + bytes(60), UnsupportedDocumentError),
    ],
    ids=["empty", "header only", "no pages", "text", "program", "broken zip"],
)
def test_what_is_no_document_is_an_error_that_names_the_file(data, error):
    with pytest.raises(error, match=r"^odd\.pdf: ") as caught:
        list(split(data, "odd.pdf", AUTO))
    assert type(caught.value) is error


def test_a_broken_picture_is_a_page_with_a_problem():
    page = pages_of(b"\x89PNG\r\n\x1a\n" + bytes(50), "x.png")[0]
    assert page.sent_as == "blank"
    assert "page 1 could not be read" in page.problem


def test_a_truncated_file_is_repaired():
    data = simple(3).tobytes()
    assert len(pages_of(data[: len(data) - 40])) == 3


def test_a_broken_page_is_that_pages_problem():
    document = simple(3)
    document.xref_set_key(document.page_xref(1), "Type", "/Catalogue")
    document.xref_set_key(document.page_xref(1), "MediaBox", "(nonsense)")
    document.xref_set_key(document.page_xref(1), "Contents", f"[{document.page_xref(1)} 0 R 999 0 R]")
    pages = pages_of(document.tobytes())
    assert [page.number for page in pages] == [1, 2, 3]
    assert pages[2].text == "Page 3"


@pytest.mark.parametrize("side", [14_400, 3])
def test_pages_of_any_size_come_out(side):
    document = pymupdf.open()
    page = document.new_page(width=side, height=side)
    page.draw_rect(page.rect * 0.5, fill=(1, 0, 0))
    page = pages_of(document.tobytes())[0]
    assert (page.width, page.sent_as) == (side, "image")
    assert max(page.image.width, page.image.height) <= 1540


def test_a_form_that_draws_itself_ends():
    document = simple()
    page = document[0]
    form = document.get_new_xref()
    document.update_object(
        form, f"<</Type/XObject/Subtype/Form/BBox[0 0 500 500]/Resources<</XObject<</F {form} 0 R>>>>>>"
    )
    document.update_stream(form, b"q /F Do Q q /F Do Q")
    document.xref_set_key(
        int(document.xref_get_key(page.xref, "Resources")[1].split()[0]), "XObject", f"<</F {form} 0 R>>"
    )
    document.update_stream(page.get_contents()[0], b"/F Do BT /helv 11 Tf 72 700 Td (still here) Tj ET")
    assert "still here" in pages_of(document.tobytes())[0].text


def test_words_stand_where_they_are_displayed_on_a_turned_page():
    document = simple(1, "Hello {}")
    document[0].set_rotation(90)
    page = pages_of(document.tobytes())[0]
    assert (page.width, page.height) == (842, 595)
    word = page.words[0]
    assert word.text == "Hello"
    assert word.x0 > 700
    assert word.y0 == pytest.approx(72, abs=2)
    assert word.x1 - word.x0 < word.y1 - word.y0


def test_words_are_measured_from_the_crop_box():
    document = simple()
    document[0].set_cropbox((50, 50, 400, 400))
    page = pages_of(document.tobytes())[0]
    assert (page.width, page.height) == (350, 350)
    assert page.words[0].x0 == pytest.approx(22, abs=1)


@needs_corpora
@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("needs_password__065__issue6010_2.pdf", EncryptedDocumentError),
        ("not_openable__080__cyclic-toc.pdf", UnreadableDocumentError),
        ("not_openable__088__poppler-67295-0.pdf", UnreadableDocumentError),
        ("not_openable__086__poppler-742-0-fuzzed.pdf", UnreadableDocumentError),
    ],
)
def test_real_files_that_cannot_be_opened_say_so(name, error):
    with pytest.raises(error, match=name):
        list(split((CORPORA / name).read_bytes(), name, AUTO))


@needs_corpora
@pytest.mark.parametrize(
    ("pattern", "sent_as", "reason"),
    [
        ("garbled_text__113*", "image", "unmapped glyphs"),
        ("image_codecs__123*", "image", "no text layer"),
        ("no_text_no_image__129*", "text", "text is enough"),
    ],
)
def test_real_pages_are_sent_as_they_should(pattern, sent_as, reason):
    path = next(CORPORA.glob(pattern))
    items = split(path.read_bytes(), path.name, AUTO)
    next(items)
    first = next(items)
    assert (first.sent_as, first.reason) == (sent_as, reason)


def rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in text.split("\n") if line.startswith("|")]


def test_every_row_of_the_price_list_is_a_row_of_a_table():
    path = SAMPLES / "prices" / "kestrel_2026.pdf"
    expected = json.loads(path.with_suffix(".json").read_text("utf-8"))
    items = next(value for value in expected.values() if isinstance(value, list) and len(value) > 300)
    found = [row for page in pages_of(path.read_bytes(), path.name) for row in rows(page.text)]
    codes = {row[0]: row for row in found}
    for item in items:
        values = [str(value) for value in item.values()]
        row = next((codes[value] for value in values if value in codes), None)
        assert row is not None, item
        assert len(row) == 4
    assert found[0][0] == "Article number"


def test_invoice_rows_and_labels_hold_together():
    text = pages_of((SAMPLES / "invoices" / "nordlicht.pdf").read_bytes())[0].text
    assert "Rechnungsnummer:   RE-2026-00318" in text
    table = rows(text)
    assert table[0] == ["Pos.", "Bezeichnung", "Menge", "Einheit", "Einzelpreis", "MwSt.", "Gesamt EUR"]
    assert ["5", "Monteurstunden Elektrofachkraft", "46,5", "Std", "68,50", "19 %", "3.185,25"] in table
