"""A record while corrections are put into it: values, evidence, problems and places of items."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from extractors.parse.coerce import parse_json, parse_value
from extractors.values import json_text, printed
from schemas.fields import Field, escape, is_index, keys_of, value_at
from schemas.step_data import Correction, Evidence, Problem, Record

ABOUT_VALUES = {
    "rejected",
    "conflict",
    "unanswered",
    "absent",
    "joined",
}  # problems that a correction of their place ends


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Value that a model reads otherwise than a person has corrected it: both as text."""

    field: str
    machine: str | None
    corrected: str | None


@dataclass(slots=True)
class Draft:
    """Record in change, from the extraction to people's corrections.

    `machine` is what the model read, with the same items in the same places as `value`: None for an item that a person added.
    `disagreements` are of values, the last of a place counts; `moves` are items added or taken out, each of which counts.
    """

    value: dict[str, Any]
    evidence: list[Evidence]
    problems: list[Problem]
    item_pages: dict[str, int | None]
    corrected: list[str]
    machine: dict[str, Any]
    disagreements: list[Disagreement] = field(default_factory=list)
    moves: list[Disagreement] = field(default_factory=list)

    @classmethod
    def of(cls, record: Record) -> "Draft":
        """A draft of `record`, which stays as it is."""
        value: dict[str, Any] = copy.deepcopy(dict(record.value))
        return cls(
            value,
            list(record.evidence),
            list(record.problems),
            dict(record.item_pages),
            list(record.corrected_fields),
            copy.deepcopy(dict(record.value)),
        )


def accept_record(draft: Draft, correction: Correction, root: Field) -> None:
    """Make the record the accepted one; values that a model reads otherwise are disagreements."""
    accepted = as_typed(parse_json(correction.new or "{}"), root)
    before, after = dict(leaves_of(draft.value, root, "")), dict(leaves_of(accepted, root, ""))
    machine = dict(leaves_of(draft.machine, root, ""))
    draft.value = accepted
    draft.disagreements = [
        Disagreement(pointer, as_text(machine.get(pointer)), as_text(after.get(pointer)))
        for pointer in dict.fromkeys((*machine, *after))
        if machine.get(pointer) != after.get(pointer)
    ]
    for pointer in dict.fromkeys((*before, *after)):
        if before.get(pointer) != after.get(pointer):
            draft.evidence = [entry for entry in draft.evidence if entry.field != pointer]
            draft.problems = [
                problem for problem in draft.problems if problem.field != pointer or problem.kind not in ABOUT_VALUES
            ]
            if after.get(pointer) is not None:
                draft.evidence.append(corrected_evidence(pointer, after[pointer], None))
    draft.item_pages = {key: page for key, page in draft.item_pages.items() if is_present(accepted, key)}
    mark_corrected(draft, "")


def record_evidence(
    draft: Draft, correction: Correction, pointer: str, target: Field, new: Any, *, is_same: bool = False
) -> None:
    """Replace the evidence of a model by that of a person; a confirmed value keeps its place on the page."""
    known = next((entry for entry in draft.evidence if entry.field == pointer and entry.match != "conflict"), None)
    evidence = correction.evidence or (known if is_same else None)
    draft.evidence = [
        entry for entry in draft.evidence if not is_within(entry.field, pointer) or entry.match == "conflict"
    ]
    draft.problems = [
        problem
        for problem in draft.problems
        if not is_within(problem.field, pointer) or problem.kind not in ABOUT_VALUES
    ]
    if target.is_leaf:
        draft.evidence.append(corrected_evidence(pointer, new, evidence))
    else:
        draft.evidence += [
            corrected_evidence(below, value, evidence)
            for below, value in leaves_of(new, target, pointer)
            if value is not None
        ]
        lists = [item_page for item_page in draft.item_pages if item_page.startswith(f"{pointer}/")]
        for entry in lists:
            del draft.item_pages[entry]


def corrected_evidence(pointer: str, value: Any, evidence: Evidence | None) -> Evidence:
    """Evidence of a corrected value; `evidence` has its place on a page, if any."""
    text = None if value is None else printed(value)
    if evidence is None:
        return Evidence(pointer, text, None, None, None, "corrected", 1.0)
    return replace(evidence, field=pointer, value=text, match="corrected", confidence=1.0)


def close_gap(draft: Draft, list_pointer: str, index: int) -> None:
    """Remove the item at `index` from evidence, problems and pages, and move the items behind it up by one."""

    def moved(pointer: str) -> str | None:
        if not pointer.startswith(f"{list_pointer}/"):
            return pointer
        step, slash, rest = pointer[len(list_pointer) + 1 :].partition("/")
        if not is_index(step) or int(step) < index:
            return pointer
        return None if int(step) == index else f"{list_pointer}/{int(step) - 1}{slash}{rest}"

    draft.evidence = [
        replace(entry, field=moved_pointer)
        for entry in draft.evidence
        if (moved_pointer := moved(entry.field)) is not None
    ]
    draft.problems = [
        replace(problem, field=moved_pointer)
        for problem in draft.problems
        if (moved_pointer := moved(problem.field)) is not None
    ]
    draft.item_pages = {
        moved_pointer: page for key, page in draft.item_pages.items() if (moved_pointer := moved(key)) is not None
    }
    draft.disagreements = [
        replace(entry, field=moved_pointer)
        for entry in draft.disagreements
        if (moved_pointer := moved(entry.field)) is not None
    ]
    draft.corrected = [moved_pointer for entry in draft.corrected if (moved_pointer := moved(entry)) is not None]


def take_out(draft: Draft, list_keys: Sequence[str], index: int) -> None:
    """Take the item at `index` out of a list of the record; what the model read there is a disagreement."""
    value_at(draft.value, list_keys).pop(index)
    read = value_at(draft.machine, list_keys)
    was = read.pop(index) if isinstance(read, list) and index < len(read) else None
    pointer = "".join(f"/{escape(key)}" for key in list_keys)
    draft.moves.append(Disagreement(f"{pointer}/{index}", as_text(was), None))
    close_gap(draft, pointer, index)


def put_in(draft: Draft, list_keys: Sequence[str], new: Any) -> int:
    """Add an item to a list of the record, which the model has not read there; returns its index."""
    items = value_at(draft.value, list_keys)
    items.append(new)
    read = value_at(draft.machine, list_keys)
    if isinstance(read, list):
        read += [None] * (len(items) - len(read))
    return len(items) - 1


def as_typed(value: Any, target: Field) -> Any:
    """Value that `json_text` has written, in the types of its fields again; items without a value are items, too."""
    if target.kind == "object":
        mapping = value if isinstance(value, Mapping) else {}
        return {child.name: as_typed(mapping.get(child.name), child) for child in target.fields}
    if target.item is not None:
        return [as_typed(entry, target.item) for entry in value or ()]
    return parse_value(value, target, "")[0]


def is_present(value: Any, pointer: str) -> bool:
    """True where `value` has an item or a key at `pointer`."""
    *path, last = keys_of(pointer)
    holder = value_at(value, path)
    if isinstance(holder, list):
        return is_index(last) and int(last) < len(holder)
    return isinstance(holder, Mapping) and last in holder


def leaves_of(value: Any, target: Field, pointer: str) -> Iterator[tuple[str, Any]]:
    """Every leaf below a value, with its JSON pointer; None included."""
    if target.kind == "object":
        for child in target.fields:
            below = value.get(child.name) if isinstance(value, Mapping) else None
            yield from leaves_of(below, child, f"{pointer}/{escape(child.name)}")
    elif target.item is not None:
        for index, entry in enumerate(value or ()):
            yield from leaves_of(entry, target.item, f"{pointer}/{index}")
    else:
        yield pointer, value


def set_value(value: Any, keys: Sequence[str], new: Any) -> None:
    """Put `new` at the path `keys` of `value`, whose holder must exist."""
    *path, last = keys
    holder = value_at(value, path)
    holder[int(last) if isinstance(holder, list) else last] = new


def mark_corrected(draft: Draft, pointer: str) -> None:
    """Name `pointer` among the corrected fields, once."""
    if pointer not in draft.corrected:
        draft.corrected.append(pointer)


def is_within(pointer: str, outer: str) -> bool:
    """True for `outer` itself and for every pointer below it."""
    return pointer == outer or pointer.startswith(f"{outer}/")


def as_text(value: Any) -> str | None:
    """A value as corrections keep it: JSON for objects and lists, else as printed; None for None."""
    if value is None:
        return None
    return json_text(value) if isinstance(value, Mapping | list) else printed(value)
