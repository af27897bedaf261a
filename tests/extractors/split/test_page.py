"""Each page is sent as what it is, and says why."""

import pymupdf
import pytest

from extractors.split.options import SplitOptions
from extractors.split.split import split
from schemas.step_data import Page


def page_of(document: pymupdf.Document, **options: str) -> Page:
    return next(item for item in split(document.tobytes(), "x.pdf", SplitOptions(**options)) if isinstance(item, Page))


def scan(layer: str = "", mode: int = 3) -> pymupdf.Document:
    document = pymupdf.open()
    page = document.new_page()
    pixmap = pymupdf.Pixmap(pymupdf.csRGB, (0, 0, 300, 420))
    pixmap.clear_with(235)
    for y in range(40, 400, 20):
        pixmap.set_rect((40, y, 260, y + 4), (30, 30, 30))
    page.insert_image(page.rect, pixmap=pixmap)
    for index, line in enumerate(layer.split("\n")):
        page.insert_text((60, 90 + 20 * index), line, render_mode=mode)
    return document


GOOD = "\n".join(["Grayling Bay Shipyard owes the sum of 1,204.50 to"] * 6)
BAD = "\n".join(["«POAH «3E*»CM tanntxim. / ^ . ^ toi n»Bfl. ts£rootj s@ifii~ n|u;t s*r;t"] * 6)


@pytest.mark.parametrize(
    ("layer", "sent_as", "reason"),
    [
        ("", "image", "no text layer"),
        (GOOD, "text", "OCR layer reads well"),
        (BAD, "image", "OCR layer of doubtful quality"),
    ],
    ids=["no layer", "good layer", "bad layer"],
)
def test_a_scan_is_sent_as_its_layer_deserves(layer, sent_as, reason):
    page = page_of(scan(layer))
    assert (page.sent_as, page.reason) == (sent_as, reason)
    assert page.hidden_text == 0
    assert bool(page.text) == bool(layer)


def test_a_scan_with_a_stamp_is_a_picture():
    page = page_of(scan("Scanned by copier 7", mode=0))
    assert (page.sent_as, page.reason) == ("image", "a picture fills the page")
    assert "copier" in page.text


def test_without_pictures_a_scan_is_blank_and_says_why():
    page = page_of(scan(), images="never")
    assert (page.sent_as, page.image) == ("blank", None)
    assert page.reason == "no text layer, and pictures were ruled out"


def test_a_page_picture_is_no_larger_than_the_encoder_uses():
    image = page_of(scan()).image
    assert (image.mime, image.height) == ("image/jpeg", 1540)
    assert image.width == pytest.approx(1088, abs=2)
    decoded = pymupdf.Pixmap(image.data)
    assert (decoded.width, decoded.height) == (image.width, image.height)


def test_glyphs_without_meaning_make_a_picture():
    document = pymupdf.open()
    page = document.new_page()
    page.insert_textbox((60, 60, 500, 300), "Amount 1204 due " * 20, fontsize=11)
    font = next(iter(page.get_fonts()))[0]
    codes = "\n".join(f"<{code:02x}> <ffff>" for code in range(32, 100))
    xref = document.get_new_xref()
    document.update_object(xref, "<<>>")
    document.update_stream(xref, (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap 1 begincodespacerange <00> <ff> endcodespacerange\n"
        f"68 beginbfchar\n{codes.replace('ffff', 'e000')}\nendbfchar endcmap end end"
    ).encode())  # fmt: skip
    document.xref_set_key(font, "ToUnicode", f"{xref} 0 R")
    page = page_of(document)
    assert (page.sent_as, page.reason) == ("image", "unmapped glyphs")


def test_notes_are_added_and_named():
    document = pymupdf.open()
    page = document.new_page()
    page.insert_text((72, 72), "Total 100.00")
    annot = page.add_text_annot((300, 60), "Please pay 90.00 only")
    annot.set_info(title="R. Vance")
    annot.update()
    assert page_of(document).text == "Total 100.00\n\nNote (R. Vance): Please pay 90.00 only"


def test_free_text_that_is_drawn_stands_once():
    document = pymupdf.open()
    page = document.new_page()
    page.insert_text((72, 72), "Total 100.00")
    page.add_freetext_annot((72, 100, 300, 130), "approved by Vance")
    assert page_of(document).text.count("approved by Vance") == 1
