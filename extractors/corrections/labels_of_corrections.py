"""Corrections as labels: values that a machine had read, beside those that people have made of them.

Only places that people spoke of are scored: a value that was corrected is one that was read wrongly, one that was confirmed
is right, an item that was taken out was found too much, one that was added was missed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from extractors.evaluate.score import Scored, score_at
from extractors.parse.coerce import parse_json
from schemas.fields import Field, escape, field_at, is_index, keys_of, pattern_of, value_at
from schemas.pipeline import Correction


@dataclass(slots=True)
class _Place:
    """A place that people spoke of: what stood there first, and what they have said last.

    `said` is the pointer that they used, `at` where that is now, `path` the same for all items of a list.
    """

    said: str
    at: str
    path: str
    first: Any
    last: Any


@dataclass(slots=True)
class _Reading:
    """The record as it was while the corrections were made: how long its lists were."""

    lengths: dict[str, int] = field(default_factory=dict)
    places: list[_Place] = field(default_factory=list)


def confirmed(extracted: Mapping[str, Any], corrections: Sequence[Correction], root: Field) -> Scored:
    """The counts of the places that `corrections` (oldest first) speak of; `extracted` is the record as the machine read it.

    An acceptance of the whole record is passed over: who has one scores the whole record.
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
        score_at(position.last, position.first, target, (position.path, position.said), scored)
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
    known = next((position for position in reading.places if position.at == at), None)
    outer = next((position for position in reading.places if position.at and at.startswith(f"{position.at}/")), None)
    if known is not None:
        known.last = new
    elif outer is not None:  # within what people have given as a whole
        *path, key = keys_of(at.removeprefix(outer.at))
        inside = value_at(outer.last, path)
        if isinstance(inside, dict):
            inside[key] = new
    else:
        reading.places.append(_Place(correction.field, at, pattern_of(root, at), old, new))
    if is_item and correction.new is None:
        _close_gap(reading, lists, int(last))


def _close_gap(reading: _Reading, lists: str, index: int) -> None:
    """The item at `place` was taken out: what was said of its values counts no more, and those behind it move up."""
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
            entry.at = ""  # it is nowhere now: another item may come to stand there
            kept.append(entry)
    reading.places = kept


def _value(text: str | None, target: Field) -> Any:
    if text is None or target.is_leaf:
        return text
    return parse_json(text)
