"""Words aligned in columns become Markdown tables; labels, prose and lists do not."""

import csv
import json

import pymupdf
import pytest

from extractors.split.options import SplitOptions
from extractors.split.split import split
from schemas.step_data import Page
from tests.conftest import SHARED

TRUTH = SHARED / "truth" / "tables"


def text_of(document: pymupdf.Document) -> str:
    return "\n".join(item.text for item in split(document.tobytes(), "x.pdf", SplitOptions()) if isinstance(item, Page))


def sheet(*rows: tuple[tuple[float, str], ...], leading: float = 18, top: float = 100) -> pymupdf.Document:
    """A page with the pieces of each row at their x."""
    document = pymupdf.open()
    page = document.new_page()
    for index, row in enumerate(rows):
        for x, text in row:
            page.insert_text((x, top + leading * index), text, fontsize=10)
    return document


HEADER = ((72, "Item"), (250, "Qty"), (330, "Price"), (420, "Amount"))
CHAIR = ((72, "Chair, oak"), (250, "2"), (330, "45.00"), (420, "90.00"))
TABLE = ((72, "Table, walnut, 180 cm"), (250, "1"), (330, "610.00"), (420, "610.00"))


def test_aligned_rows_become_a_table_with_its_header():
    assert text_of(sheet(HEADER, CHAIR, TABLE)) == (
        "| Item | Qty | Price | Amount |\n"
        "| --- | --- | --- | --- |\n"
        "| Chair, oak | 2 | 45.00 | 90.00 |\n"
        "| Table, walnut, 180 cm | 1 | 610.00 | 610.00 |"
    )


def test_a_single_row_under_a_header_is_a_table():
    assert "| Chair, oak | 2 | 45.00 | 90.00 |" in text_of(sheet(HEADER, CHAIR))


def test_a_pipe_in_a_cell_is_escaped():
    row = ((72, "A|B"), *CHAIR[1:])
    assert "| A\\|B | 2 |" in text_of(sheet(HEADER, CHAIR, row))


def test_an_empty_cell_stays_empty():
    assert "| Delivery |  |  | 15.00 |" in text_of(sheet(HEADER, CHAIR, TABLE, ((72, "Delivery"), (420, "15.00"))))


def test_amounts_of_different_widths_stay_in_their_column():
    rows = [
        ((72, f"Thing {n}"), (250, "1"), (330 - 5 * len(a), a), (420 - 5 * len(a), a))
        for n, a in enumerate(["1.00", "1,000.00", "22.00", "1,234,567.00"])
    ]
    assert "| Thing 3 | 1 | 1,234,567.00 | 1,234,567.00 |" in text_of(sheet(*rows))


def test_a_wrapped_cell_is_one_cell():
    document = sheet(HEADER, CHAIR, leading=40)
    page = document[0]
    page.insert_text((72, 180), "Room divider, leather,", fontsize=10)
    for x, text in ((250, "2"), (330, "1,860.00"), (420, "3,720.00")):
        page.insert_text((x, 180), text, fontsize=10)
    page.insert_text((72, 192), "made to measure", fontsize=10)
    assert "| Room divider, leather, made to measure | 2 | 1,860.00 | 3,720.00 |" in text_of(document)


def test_labels_and_values_stay_on_their_line():
    text = text_of(sheet(((72, "Invoice number"), (250, "2026-117")), ((72, "Date"), (250, "3 May 2026"))))
    assert text == "Invoice number   2026-117\nDate   3 May 2026"


def test_labels_written_before_their_values_are_joined_with_them():
    document = pymupdf.open()
    page = document.new_page()
    for x, column in ((72, ["Invoice number:", "Date:", "Due:"]), (250, ["2026-117", "3 May 2026", "2 June 2026"])):
        for index, text in enumerate(column):
            page.insert_text((x, 100 + 16 * index), text, fontsize=10)
    assert text_of(document) == "Invoice number:   2026-117\nDate:   3 May 2026\nDue:   2 June 2026"


def test_two_columns_of_prose_are_read_one_after_the_other():
    document = pymupdf.open()
    page = document.new_page()
    left = "The harbour was busy all year and the cranes never stood still for long. " * 6
    right = "Every berth will have shore power before the trust is a hundred years old. " * 6
    page.insert_textbox((50, 80, 285, 500), left, fontsize=10)
    page.insert_textbox((310, 80, 545, 500), right, fontsize=10)
    text = text_of(document).replace("\n", " ")
    assert "|" not in text
    assert left.strip() in text
    assert right.strip() in text


def test_a_sidebar_beside_a_table_is_no_part_of_it():
    document = pymupdf.open()
    page = document.new_page()
    for index, text in enumerate(["From", "Studio Veldkamp", "Oudegracht 311", "Utrecht", "VAT number", "NL862417305"]):
        page.insert_text((30, 100 + 13 * index), text, fontsize=9)
    for index, row in enumerate((HEADER, CHAIR, TABLE, CHAIR, TABLE)):
        for x, text in row:
            page.insert_text((x + 100, 100 + 16 * index), text, fontsize=9)
    text = text_of(document)
    assert "Studio Veldkamp\nOudegracht 311\nUtrecht" in text
    assert "| Item | Qty | Price | Amount |" in text


def test_lines_drawn_between_rows_keep_them_apart_and_together():
    document = pymupdf.open()
    page = document.new_page()
    y = 100.0
    for first, second in (("Curriculum", "development"), ("Students", "and advice"), ("Evaluation", "of lessons")):
        page.draw_line((60, y - 14), (500, y - 14))
        for x, text in ((72, first), (250, "yes"), (400, "no")):
            page.insert_text((x, y), text, fontsize=10)
        page.insert_text((72, y + 13), second, fontsize=10)
        y += 32
    page.draw_line((60, y - 14), (500, y - 14))
    text = text_of(document)
    assert "| Curriculum development | yes | no |" in text
    assert "| Evaluation of lessons | yes | no |" in text


@pytest.mark.skipif(not TRUTH.is_dir(), reason="the shared folder of labelled documents is not here")
@pytest.mark.parametrize("name", ["eu-002.pdf", "eu-004.pdf", "eu-006.pdf", "eu-009a.pdf", "eu-017.pdf"])
def test_cells_of_real_tables_stand_in_rows_of_their_own(name):
    record = next(r for r in map(json.loads, (TRUTH / "truth.jsonl").open(encoding="utf-8")) if r["doc"].endswith(name))
    with pymupdf.open(TRUTH / record["doc"]) as document:
        found = {cell for row in csv.reader(text_of(document).split("\n"), delimiter="|") for cell in map(fold, row)}
    cells = [
        fold(cell["text"]) for table in record["fields"]["tables"] for cell in table["cells"] if cell["text"].strip()
    ]
    assert sum(cell in found for cell in cells) > 0.85 * len(cells)


def fold(text: str) -> str:
    return "".join(char for char in text.lower() if char.isalnum())
