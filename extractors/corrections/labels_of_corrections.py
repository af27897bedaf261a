"""What a machine had read beside what people have made of it: corrections as labels.

Only places that people spoke of are scored: a value that was corrected is one that was read wrongly, one that was confirmed
is right, an item that was taken out was found too much, one that was added was missed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from extractors.evaluate.score import Scored, score_at
from extractors.parse.coerce import parse_json
from schemas.fields import Field, escape, field_at, keys_of, value_at
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
    for each in corrections:
        target = field_at(root, ["*" if key == "-" else key for key in keys_of(each.field)])
        if each.field and target is not None:
            _enter(reading, each, target, root, extracted)
    scored = Scored()
    for place in reading.places:
        target = field_at(root, keys_of(place.path))
        assert target is not None
        score_at(place.last, place.first, target, (place.path, place.said), scored)
    return scored


def _enter(reading: _Reading, said: Correction, target: Field, root: Field, extracted: Mapping[str, Any]) -> None:
    *above, last = keys_of(said.field)
    holder = field_at(root, above)
    is_item = holder is not None and holder.item is not None
    lists = "".join(f"/{escape(key)}" for key in above)
    if is_item and lists not in reading.lengths:
        reading.lengths[lists] = len(value_at(extracted, above) or ())
    old, new = _value(said.old, target), _value(said.new, target)
    at = said.field
    if last == "-":
        at = f"{lists}/{reading.lengths[lists]}"
        reading.lengths[lists] += 1
    known = next((each for each in reading.places if each.at == at), None)
    outer = next((each for each in reading.places if each.at and at.startswith(f"{each.at}/")), None)
    if known is not None:
        known.last = new
    elif outer is not None:  # within what people have given as a whole
        *path, key = keys_of(at.removeprefix(outer.at))
        inside = value_at(outer.last, path)
        if isinstance(inside, dict):
            inside[key] = new
    else:
        reading.places.append(_Place(said.field, at, _general(keys_of(at)), old, new))
    if is_item and said.new is None:
        _close_gap(reading, lists, int(last))


def _close_gap(reading: _Reading, lists: str, place: int) -> None:
    """The item at `place` was taken out: what was said of its values counts no more, and those behind it move up."""
    reading.lengths[lists] -= 1
    kept = []
    for each in reading.places:
        step, slash, rest = each.at.removeprefix(f"{lists}/").partition("/")
        if not each.at.startswith(f"{lists}/") or not step.isdigit() or int(step) < place:
            kept.append(each)
        elif int(step) > place:
            each.at = f"{lists}/{int(step) - 1}{slash}{rest}"
            kept.append(each)
        elif not slash:
            each.at = ""  # it is nowhere now: another item may come to stand there
            kept.append(each)
    reading.places = kept


def _general(keys: Sequence[str]) -> str:
    return "".join(f"/{'*' if key.isdigit() else escape(key)}" for key in keys)


def _value(text: str | None, target: Field) -> Any:
    if text is None or target.is_leaf:
        return text
    return parse_json(text)
