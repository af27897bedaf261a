"""Form fields: their visible values become `label: value` lines at their position, drawn or not."""

from collections.abc import Sequence
from typing import NamedTuple

from extractors.split.clean import clean
from extractors.split.interpreted_page import overlap
from extractors.split.lines import Font, Line
from extractors.split.mupdf import MuPage, MuWidget, pymupdf
from schemas.step_data import Box, Word

_HIDDEN = 2 | 32  # annotation flags: hidden, no view
_OFF = ("", "Off", "False", "No", "None")
_LABEL_REACH = 150.0  # points to the left in which a label is looked for
_ABOVE_REACH = 16.0  # points from the field's top edge to a label's middle


class FormField(NamedTuple):
    """A filled field, box in points. `ticked` is true for check boxes and radio buttons, which have no text."""

    box: Box
    value: str
    label: str
    ticked: bool


def read_fields(page: MuPage) -> tuple[list[FormField], int]:
    """The filled visible fields of a page, and the number of characters in its hidden fields."""
    if not page.parent.is_pdf or page.first_widget is None:
        return [], 0
    fields = []
    hidden = 0
    for widget in page.widgets():
        ticked = widget.field_type in (pymupdf.PDF_WIDGET_TYPE_CHECKBOX, pymupdf.PDF_WIDGET_TYPE_RADIOBUTTON)
        value = _value(widget, ticked=ticked)
        if not value:
            continue
        if _flags(widget) & _HIDDEN:
            hidden += len("".join(value.split()))
            continue
        box = tuple(widget.rect * page.rotation_matrix)
        fields.append(FormField(box, value, clean(widget.field_label or "").strip(), ticked))
    return fields, hidden


def put_fields(lines: list[Line], fields: Sequence[FormField]) -> list[Line]:
    """The lines with each field's value after its label, in place of the field's drawn appearance."""
    for field in fields:
        inside = [line for line in lines if _inside(line, field.box)]
        drawn = [] if field.ticked else [word for line in inside for word in line.words]
        words = drawn or _spread(field)
        lines = [line for line in lines if line not in inside]
        label, box = _label(field, lines)
        text = (
            f"[x] {label}".strip() if field.ticked else f"{label.rstrip(' :')}: {field.value}" if label else field.value
        )
        new = Line(words, -1, Font(field.box[3] - field.box[1], False, True), 0)
        new.text = text
        if box is not None and not field.label:
            new.block = lines[box].block
            lines[box].text = ""
        lines.insert(len(lines) if box is None else box + 1, new)
    return lines


def _flags(widget: MuWidget) -> int:
    kind, value = widget.parent.parent.xref_get_key(widget.xref, "F")
    return int(value) if kind == "int" else 0


def _value(widget: MuWidget, *, ticked: bool) -> str:
    value = widget.field_value
    if widget.field_type in (pymupdf.PDF_WIDGET_TYPE_BUTTON, pymupdf.PDF_WIDGET_TYPE_SIGNATURE) or value is None:
        return ""
    if ticked:
        state = widget.parent.parent.xref_get_key(widget.xref, "AS")[1].removeprefix("/")
        return "" if state in (*_OFF, "null") else state
    values = value if isinstance(value, (list, tuple)) else [value]
    return clean(" ".join(str(item) for item in values)).strip()


def _inside(line: Line, box: Box) -> bool:
    own = (line.x0, line.y0, line.x1, line.y1)
    return overlap(own, box) > 0.6 * max((line.x1 - line.x0) * (line.y1 - line.y0), 0.01)


def _spread(field: FormField) -> list[Word]:
    """The value's words over the field's box, each as wide as its share of the characters."""
    texts = field.value.split() if not field.ticked else ["[x]"]
    x0, y0, x1, y1 = field.box
    step = min((x1 - x0) / max(1, sum(len(text) + 1 for text in texts)), 0.6 * (y1 - y0))
    words = []
    for text in texts:
        words.append(Word(text, x0, y0, x0 + step * len(text), y1))
        x0 += step * (len(text) + 1)
    return words


def _label(field: FormField, lines: Sequence[Line]) -> tuple[str, int | None]:
    """The label's text, and the index of the nearest line, which may be the label."""
    x0, y0, x1, y1 = field.box
    best: int | None = None
    distance = 1e9
    for index, line in enumerate(lines):
        if not line.text or line.block == -1:
            continue
        if y0 - 2 <= line.middle <= y1 + 2:
            if line.x1 <= x0 + 4:
                away = x0 - line.x1
            elif field.ticked and line.x0 >= x1 - 4:
                away = (line.x0 - x1) * 0.5
            else:
                continue
            if away > _LABEL_REACH:
                continue
        elif 0 < y0 - line.middle < _ABOVE_REACH and line.x0 < x1 and line.x1 > x0:
            away = 60 + y0 - line.middle
        else:
            continue
        if away < distance:
            best, distance = index, away
    label = field.label or (lines[best].text if best is not None else "")
    return label, best
