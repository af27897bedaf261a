"""What the bytes are decides; the extension only hints."""

import io
import zipfile

import pymupdf
import pytest

from extractors.split.formats import FORMATS, recognise
from extractors.split.options import SUFFIXES, SplitOptions
from extractors.split.split import split
from schemas.errors import UnsupportedDocumentError


def pdf() -> bytes:
    document = pymupdf.open()
    document.new_page().insert_text((72, 72), "Hello")
    return document.tobytes()


def picture(kind: str) -> bytes:
    pixmap = pymupdf.Pixmap(pymupdf.csRGB, (0, 0, 200, 100))
    pixmap.set_rect((10, 10, 90, 60), (200, 0, 0))
    return pixmap.tobytes(kind)


def epub() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as book:
        book.writestr("mimetype", "application/epub+zip")
        book.writestr("META-INF/container.xml", (
            '<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="c.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
        ))  # fmt: skip
        book.writestr("c.opf", (
            '<package xmlns="http://www.idpf.org/2007/opf" version="2.0"><manifest>'
            '<item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest>'
            '<spine><itemref idref="a"/></spine></package>'
        ))  # fmt: skip
        book.writestr("a.xhtml", '<html xmlns="http://www.w3.org/1999/xhtml"><body><p>Hello</p></body></html>')
    return archive.getvalue()


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="200" height="100"><text x="10" y="40">Hello</text></svg>'
FB2 = b'<?xml version="1.0"?><FictionBook><body><section><p>Hello</p></section></body></FictionBook>'
HTML = b"<!DOCTYPE html><html><body><p>Hello</p></body></html>"


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (pdf(), "x.txt", ".pdf"),
        (b"junk before\n" + pdf(), "x.pdf", ".pdf"),
        (picture("png"), "x.pdf", ".png"),
        (picture("jpg"), "x.png", ".jpg"),
        (b"Hello", "x.txt", ".txt"),
        (b"# Hello", "x.md", ".md"),
        (epub(), "x.zip", ".epub"),
        (SVG, "x.xml", ".svg"),
        (FB2, "x", ".fb2"),
        (HTML, "x.htm", ".html"),
    ],
)
def test_bytes_decide(data, name, kind):
    assert recognise(data, name) == kind


@pytest.mark.parametrize("name", ["x.pdf", "x", "x.csv", "x.docx"])
def test_plain_text_is_only_taken_under_a_text_name(name):
    with pytest.raises(UnsupportedDocumentError, match="convert it to PDF"):
        recognise(b"only words", name)


@pytest.mark.parametrize(
    ("data", "name"),
    [(pdf(), "x.pdf"), (b"Hello", "x.txt"), (epub(), "x.epub"), (SVG, "x.svg"), (FB2, "x.fb2"), (HTML, "x.html")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_format_gives_its_text(data, name):
    info, page = split(data, name, SplitOptions())
    assert page.text == "Hello"
    assert info.format == name.split(".")[1]


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_a_picture_is_one_page_sent_as_a_picture(kind):
    info, page = split(picture(kind), f"scan.{kind}", SplitOptions())
    assert (info.pages, page.sent_as, page.reason) == (1, "image", "no text layer")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_text_is_decoded_whatever_its_encoding(encoding):
    _, page = split("Größe 10 €".encode(encoding), "x.txt", SplitOptions())
    assert page.text == "Größe 10 €"


def test_long_lines_of_text_are_not_broken():
    line = "word " * 60
    _, page = split(line.encode(), "x.txt", SplitOptions())
    assert page.text == line.strip()


def test_pdf_stands_first_among_the_formats():
    assert next(iter(FORMATS)) == ".pdf"
    assert tuple(FORMATS) == SUFFIXES
