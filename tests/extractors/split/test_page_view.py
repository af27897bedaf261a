"""One page as people look at it: the picture, the size and the words that split gives, of every format."""

from io import BytesIO

import pymupdf
import pytest
from PIL import Image as Pixels

from extractors.split.options import SplitOptions
from extractors.split.page_view import look_at
from extractors.split.picture import LONGEST_SIDE
from extractors.split.split import split
from schemas.errors import EncryptedDocumentError, UnreadableDocumentError
from schemas.step_data import Page
from tests.conftest import SAMPLES

DOCUMENTS = sorted(SAMPLES.glob("*/*.pdf"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_a_page_has_its_picture_its_size_and_the_words_that_split_gives(path) -> None:
    data = path.read_bytes()
    pages = [item for item in split(data, path.name, SplitOptions()) if isinstance(item, Page)]
    for page in (pages[0], pages[-1]):
        seen = look_at(data, path.name, page.number)
        assert (seen.number, seen.width, seen.height, seen.words) == (page.number, page.width, page.height, page.words)
        assert seen.image is not None
        pixels = Pixels.open(BytesIO(seen.image.data))
        assert pixels.size == (seen.image.width, seen.image.height)
        assert Pixels.MIME[pixels.format] == seen.image.mime
        assert LONGEST_SIDE - 1 <= max(pixels.size) <= LONGEST_SIDE
        assert pixels.size[0] / pixels.size[1] == pytest.approx(seen.width / seen.height, rel=0.01)


def test_a_word_stands_in_the_picture_where_its_box_says() -> None:
    document = pymupdf.open()
    page = document.new_page(width=400, height=300)
    page.insert_text((220, 150), "HERE", fontsize=40)
    page.set_rotation(90)
    seen = look_at(document.tobytes(), "turned.pdf", 1)
    (word,) = seen.words
    pixels = Pixels.open(BytesIO(seen.image.data)).convert("L")
    scale = pixels.size[0] / seen.width
    inside = pixels.crop(tuple(round(side * scale) for side in word[1:]))
    assert inside.getextrema()[0] < 50
    pixels.paste(255, tuple(round(side * scale) + pad for side, pad in zip(word[1:], (-4, -4, 4, 4), strict=True)))
    assert pixels.getextrema()[0] > 200


@pytest.mark.parametrize(("name", "data"), [("a.txt", b"Invoice 7\f"), ("a.html", b"<html><p>Invoice 7</p></html>"), ("a.svg", b'<svg xmlns="http://www.w3.org/2000/svg" width="90" height="90"><text x="9" y="30">Invoice 7</text></svg>')])  # fmt: skip
def test_every_format_has_pictures(name: str, data: bytes) -> None:
    seen = look_at(data, name, 1)
    assert [word.text for word in seen.words] == ["Invoice", "7"]
    assert seen.image is not None


def test_a_large_page_has_no_larger_picture() -> None:
    document = pymupdf.open()
    document.new_page(width=14_000, height=10).insert_text((10, 9), "wide")
    seen = look_at(document.tobytes(), "wide.pdf", 1)
    assert (seen.image.width, seen.width) == (LONGEST_SIDE, 14_000)


def test_a_page_that_is_not_there_is_refused() -> None:
    path = DOCUMENTS[0]
    for number in (0, 4):
        with pytest.raises(
            UnreadableDocumentError, match=rf"{path.name}: page {number} cannot be drawn \(it has 3 pages\)"
        ):
            look_at(path.read_bytes(), path.name, number)


def test_a_locked_document_is_opened_with_its_password_alone() -> None:
    document = pymupdf.open()
    document.new_page().insert_text((50, 50), "secret")
    data = document.tobytes(encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="pass", owner_pw="own")
    with pytest.raises(EncryptedDocumentError):
        look_at(data, "locked.pdf", 1)
    assert look_at(data, "locked.pdf", 1, ("wrong", "pass")).words[0].text == "secret"
