"""Lines become text: natural order, light marks, nothing invented."""

import pymupdf
import pytest

from extractors.split.options import SplitOptions
from extractors.split.split import split
from schemas.step_data import Page

PROSE = "The trust was founded in a year of storms, and its books were kept by hand for two decades."


def page_of(draw) -> Page:
    document = pymupdf.open()
    draw(document.new_page())
    return next(item for item in split(document.tobytes(), "x.pdf", SplitOptions()) if isinstance(item, Page))


def test_larger_type_is_a_heading():
    def draw(page):
        page.insert_text((72, 80), "Annual report", fontsize=24)
        page.insert_text((72, 120), "Foreword", fontsize=15)
        for line in range(8):
            page.insert_text((72, 160 + 14 * line), PROSE[:69], fontsize=10)

    text = page_of(draw).text
    assert text.startswith("# Annual report\n")
    assert "\n## Foreword\n" in text
    assert f"\n{PROSE[:69]}\n" in text


def test_a_bold_line_above_running_text_is_a_small_heading():
    def draw(page):
        page.insert_text((72, 80), "Pilotage and safety", fontname="hebo", fontsize=11)
        for line in range(8):
            page.insert_text((72, 110 + 14 * line), PROSE[:69], fontsize=11)

    assert page_of(draw).text.startswith("### Pilotage and safety\n")


@pytest.mark.parametrize("gap", [12, 40], ids=["near bullet", "far bullet"])
def test_bullets_become_list_items(gap):
    def draw(page):
        for line, item in enumerate(["first thing", "second thing"]):
            page.insert_text((72, 80 + 16 * line), "\u2022", fontsize=11)
            page.insert_text((72 + gap, 80 + 16 * line), item, fontsize=11)

    assert page_of(draw).text == "- first thing\n- second thing"


def test_a_broken_word_is_joined_and_a_real_hyphen_kept():
    def draw(page):
        for line, text in enumerate(["It was the most interna-", "tional of all ports, a well-", "Known place."]):
            page.insert_text((72, 80 + 14 * line), text, fontsize=11)

    assert page_of(draw).text == "It was the most international\nof all ports, a well-\nKnown place."


def test_what_is_written_first_is_read_first():
    def draw(page):
        page.insert_text((72, 400), "written first", fontsize=11)
        page.insert_text((72, 100), "written second", fontsize=11)

    assert page_of(draw).text.split("\n\n") == ["written first", "written second"]


def test_a_footer_stays_recognisable():
    def draw(page):
        page.insert_text((72, 100), PROSE, fontsize=10)
        page.insert_text((280, 820), "Page 3 of 7", fontsize=8)

    assert page_of(draw).text.endswith("\n\nPage 3 of 7")


def test_a_compound_broken_at_its_hyphen_keeps_it():
    def draw(page):
        for line, text in enumerate(["The market grew. Each sub market has a sub-", "market price."]):
            page.insert_text((72, 80 + 14 * line), text, fontsize=11)

    assert page_of(draw).text.endswith("has a sub-market\nprice.")
