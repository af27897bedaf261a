"""Pictures that carry meaning are cut out; logos, backgrounds, frames and tables are not."""

import pymupdf
import pytest

from extractors.split.options import SplitOptions
from extractors.split.split import split
from schemas.step_data import Page
from tests.conftest import SAMPLES

PROSE = "The trust was founded in a year of storms, and its books were kept by hand for long. " * 8


def pages_of(document: pymupdf.Document, **options: str) -> list[Page]:
    return [item for item in split(document.tobytes(), "x.pdf", SplitOptions(**options)) if isinstance(item, Page)]


def photo(width: int = 300, height: int = 200) -> pymupdf.Pixmap:
    pixmap = pymupdf.Pixmap(pymupdf.csRGB, (0, 0, width, height))
    for x in range(0, width, 10):
        pixmap.set_rect((x, 0, x + 10, height), (x % 256, 90, 200 - x % 200))
    return pixmap


def report(pages: int = 1) -> pymupdf.Document:
    document = pymupdf.open()
    for _ in range(pages):
        document.new_page().insert_textbox((60, 60, 530, 250), PROSE, fontsize=11)
    return document


def bars(page: pymupdf.Page) -> None:
    for index in range(10):
        x = 120 + 30 * index
        page.draw_rect((x, 500 - 15 * (index + 1), x + 18, 500), color=None, fill=(0.1, 0.3, 0.1 * (index % 3)))
    page.draw_line((110, 500), (430, 500))
    page.insert_text((200, 540), "Figure 2: Cargo by year", fontsize=9)


def test_a_photo_is_a_figure_with_its_caption():
    document = report()
    document[0].insert_image((100, 300, 400, 500), pixmap=photo())
    document[0].insert_text((100, 515), "Figure 1: The grain pier", fontsize=9)
    page = pages_of(document)[0]
    assert (page.sent_as, page.reason) == ("figures", "1 figure")
    figure = page.figures[0]
    assert (figure.number, figure.kind, figure.caption) == (1, "raster", "Figure 1: The grain pier")
    assert figure.box == pytest.approx((100, 300, 400, 500), abs=1)
    assert page.images == (figure.image,)
    assert figure.image.data.startswith(b"\xff\xd8")


def test_a_chart_drawn_with_lines_is_a_figure():
    document = report()
    bars(document[0])
    figure = pages_of(document)[0].figures[0]
    assert (figure.kind, figure.caption) == ("drawing", "Figure 2: Cargo by year")


def test_a_picture_cut_into_stripes_is_one_figure():
    document = report()
    for index in range(8):
        document[0].insert_image(
            (100, 300 + 25 * index, 400, 325 + 25 * index), pixmap=photo(300, 24 + index), keep_proportion=False
        )
    assert len(pages_of(document)[0].figures) == 1


def logo(page):
    page.insert_image((500, 20, 550, 50), pixmap=photo())


def background(page):
    page.insert_image(page.rect, pixmap=photo(), overlay=False, keep_proportion=False)


def frames(page):
    for index in range(12):
        page.draw_rect((60, 300 + 20 * index, 500, 320 + 20 * index))


def shaded_table(page):
    for row in range(8):
        for column in range(4):
            x, y = 60 + 110 * column, 300 + 20 * row
            page.draw_rect((x, y, x + 110, y + 20), color=None, fill=(0.8, 0.9, 1) if row % 2 else (0.9, 0.95, 0.8))
            page.insert_text((x + 6, y + 14), f"{row}.{column}0", fontsize=10)


@pytest.mark.parametrize("draw", [logo, background, frames, shaded_table], ids=lambda draw: draw.__name__)
def test_what_says_nothing_new_is_no_figure(draw):
    document = report()
    draw(document[0])
    page = pages_of(document)[0]
    assert page.figures == ()
    assert page.sent_as == "text"


def test_a_picture_on_every_page_is_sent_once():
    document = report(3)
    for page in document:
        page.insert_image((100, 300, 400, 500), pixmap=photo())
    assert [len(page.figures) for page in pages_of(document)] == [1, 0, 0]


@pytest.mark.parametrize(("images", "sent_as"), [("never", "text"), ("pages", "image")])
def test_the_caller_may_rule_pictures_out_or_ask_for_all(images, sent_as):
    document = report()
    document[0].insert_image((100, 300, 400, 500), pixmap=photo())
    page = pages_of(document, images=images)[0]
    assert page.sent_as == sent_as
    assert len(page.images) == (sent_as == "image")
    assert "founded" in page.text


def test_the_charts_of_the_sample_report_are_found():
    data = (SAMPLES / "reports" / "brightwater_2025.pdf").read_bytes()
    captions = [
        figure.caption
        for item in split(data, "b.pdf", SplitOptions())
        if isinstance(item, Page)
        for figure in item.figures
    ]
    assert "Figure 1: Cargo handled by trade, 2021 to 2025" in captions
    assert "Figure 2: Vessel calls by month, 2024 and 2025" in captions
