"""What a viewer shows in a form's fields is in the text beside its label, drawn or not."""

import json

import pymupdf
import pytest

from extractors.split.options import SplitOptions
from extractors.split.split import split
from schemas.step_data import Page
from tests.conftest import SHARED

FORMS = SHARED / "truth" / "acroform"


def page_of(document: pymupdf.Document) -> Page:
    return next(item for item in split(document.tobytes(), "x.pdf", SplitOptions()) if isinstance(item, Page))


def form(
    kind: int, value: object, *, caption: str = "Surname", tooltip: str = "", drawn: bool = True, **more: object
) -> pymupdf.Document:
    document = pymupdf.open()
    page = document.new_page()
    page.insert_text((72, 112), caption, fontsize=11)
    widget = pymupdf.Widget()
    widget.field_name, widget.field_type, widget.field_value, widget.field_label = "f1", kind, value, tooltip
    widget.rect = pymupdf.Rect(180, 98, 320, 116)
    for name, given in more.items():
        setattr(widget, name, given)
    added = page.add_widget(widget)
    if not drawn:
        document.xref_set_key(added.xref, "AP", "null")
    return document


@pytest.mark.parametrize("drawn", [True, False], ids=["drawn", "not drawn"])
def test_a_text_field_is_its_label_and_value_once(drawn):
    page = page_of(form(pymupdf.PDF_WIDGET_TYPE_TEXT, "van der Berg", drawn=drawn))
    assert page.text == "Surname: van der Berg"
    words = [word for word in page.words if word.text == "Berg"]
    assert len(words) == 1
    assert 180 <= words[0].x0 <= 320


def test_a_tooltip_is_a_better_label_than_the_nearest_text():
    page = page_of(form(pymupdf.PDF_WIDGET_TYPE_TEXT, "Berg", tooltip="Family name"))
    assert "Family name: Berg" in page.text


def test_a_choice_shows_what_is_chosen():
    page = page_of(form(pymupdf.PDF_WIDGET_TYPE_COMBOBOX, "Blue", caption="Colour", choice_values=["Red", "Blue"]))
    assert page.text == "Colour: Blue"


@pytest.mark.parametrize(("value", "expected"), [(True, "[x] Agreed"), (False, "Agreed")], ids=["ticked", "empty"])
def test_a_box_is_ticked_or_not(value, expected):
    page = page_of(form(pymupdf.PDF_WIDGET_TYPE_CHECKBOX, value, caption="Agreed"))
    assert page.text == expected


@pytest.mark.skipif(not FORMS.is_dir(), reason="the shared folder of labelled documents is not here")
def test_values_of_real_forms_are_all_in_the_text():
    found = total = 0
    for record in map(json.loads, (FORMS / "truth.jsonl").open(encoding="utf-8")):
        with pymupdf.open(FORMS / record["doc"]) as document:
            pages = [
                item
                for item in split(document.tobytes(), "x.pdf", SplitOptions(images="never"))
                if isinstance(item, Page)
            ]
        for field in record["fields"]["kv"]:
            if field["type"] in ("Text", "ComboBox", "ListBox"):
                total += 1
                found += "".join(str(field["value"]).split()) in "".join(pages[field["page"] - 1].text.split())
    assert found >= 0.95 * total
