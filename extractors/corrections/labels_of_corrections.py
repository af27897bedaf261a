"""Corrections as labels: values as the model read them, beside the values that people have set.

Only the fields of corrections are scored: a corrected value was read wrongly, a confirmed one is right, a removed item was
one too many, an added item was missed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from extractors.evaluate.score import Scored, score_at
from extractors.parse.coerce import parse_json
from schemas.fields import Field, escape, field_at, is_index, keys_of, pattern_of, value_at
from schemas.step_data import Correction


@dataclass(slots=True)
class _Place:
    """A corrected place: its value as read (`first`) and as last corrected (`last`).

    `named` is the pointer in the correction, `at` the pointer now, `path` the pointer with `*` for every index.
    """

    named: str
    at: str
    path: str
    first: Any
    last: Any


@dataclass(slots=True)
class _Reading:
    """State of the record while corrections are replayed: the lengths of its lists, and the corrected places."""

    lengths: dict[str, int] = field(default_factory=dict)
    places: list[_Place] = field(default_factory=list)


def confirmed(extracted: Mapping[str, Any], corrections: Sequence[Correction], root: Field) -> Scored:
    """The counts of the places in `corrections` (oldest first); `extracted` is the record as the model read it.

    An acceptance of the whole record is skipped: for such a record the caller scores all fields.
    """
    reading = _Reading()
    for correction in corrections:
        target = field_at(root, ["*" if key == "-" else key for key in keys_of(correction.field)])
        if correction.field and target is not None:
            _enter(reading, correction, target, root, extracted)
    scored = Scored()
    for position in reading.places:
        target = field_at(root, keys_of(position.path))
        assert target is not None
        score_at(position.last, position.first, target, (position.path, position.named), scored)
    return scored


def _enter(reading: _Reading, correction: Correction, target: Field, root: Field, extracted: Mapping[str, Any]) -> None:
    *above, last = keys_of(correction.field)
    holder = field_at(root, above)
    is_item = holder is not None and holder.item is not None
    lists = "".join(f"/{escape(key)}" for key in above)
    if is_item and lists not in reading.lengths:
        reading.lengths[lists] = len(value_at(extracted, above) or ())
    old, new = _value(correction.old, target), _value(correction.new, target)
    at = correction.field
    if last == "-":
        at = f"{lists}/{reading.lengths[lists]}"
        reading.lengths[lists] += 1
    corrected = next((entry for entry in reading.places if entry.at == at), None)
    outer = next((entry for entry in reading.places if entry.at and at.startswith(f"{entry.at}/")), None)
    if corrected is not None:
        corrected.last = new
    elif outer is not None:  # within an item or object that people have set as a whole
        *path, key = keys_of(at.removeprefix(outer.at))
        inside = value_at(outer.last, path)
        if isinstance(inside, dict):
            inside[key] = new
    else:
        reading.places.append(_Place(correction.field, at, pattern_of(root, at), old, new))
    if is_item and correction.new is None:
        _close_gap(reading, lists, int(last))


def _close_gap(reading: _Reading, lists: str, index: int) -> None:
    """Remove the item at `index`: corrections of its values no longer count, and the items after it move up."""
    reading.lengths[lists] -= 1
    kept = []
    for entry in reading.places:
        step, slash, rest = entry.at.removeprefix(f"{lists}/").partition("/")
        if not entry.at.startswith(f"{lists}/") or not is_index(step) or int(step) < index:
            kept.append(entry)
        elif int(step) > index:
            entry.at = f"{lists}/{int(step) - 1}{slash}{rest}"
            kept.append(entry)
        elif not slash:
            entry.at = ""  # the removed item has no pointer: another item may get its index
            kept.append(entry)
    reading.places = kept


def _value(text: str | None, target: Field) -> Any:
    if text is None or target.is_leaf:
        return text
    return parse_json(text)
