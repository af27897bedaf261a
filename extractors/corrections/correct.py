"""Corrections by people applied to a record: once when they are made, and again over every later extraction.

A correction is of one place, by JSON pointer. The record around it may be another one by the time it is put in again, so an
item of a list is found by what it said (`Correction.context`), and nearest to where it stood; one that is not there any more
is a problem of the record, never a value in the wrong row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from extractors.corrections.draft import (
    Disagreement,
    Draft,
    accept_record,
    as_text,
    as_typed,
    is_present,
    is_within,
    leaves_of,
    mark_corrected,
    put_in,
    record_evidence,
    set_value,
    take_out,
)
from extractors.merge.status import checked, is_doubtful, status_of
from extractors.parse.coerce import is_empty, parse_json, parse_value
from extractors.values import json_text
from schemas.document_type import DocumentType
from schemas.errors import ConfigurationError
from schemas.fields import Field, escape, field_at, is_index, keys_of, value_at
from schemas.step_data import Correction, Evidence, Problem, Record

_SAME_ITEM = 0.5  # of the values that an item had; the others may be what another recipe reads otherwise
_SAME_ROW = 0.8  # of an item that is added or taken out as a whole
_FOUND_ANEW = {"check", "required", "misplaced"}


def correction_of(
    record: Record, pointer: str, text: str | None, document_type: DocumentType, evidence: Evidence | None = None
) -> Correction:
    """Correction of `record` from a person's input: `text` as typed, None or empty for no value.

    Raises ConfigurationError, for people, where there is no such place, or the value is none that the schema allows.
    """
    root = document_type.root
    text = None if text is None or not text.strip() else text.strip()
    if not pointer:
        if text is not None:
            raise ConfigurationError(f"name a field; {_known(root)}")
        return Correction("", None, json_text(record.value))
    keys = keys_of(pointer) if pointer.startswith("/") else [pointer]
    target = field_at(root, ["*" if key == "-" else key for key in keys])
    holder = value_at(record.value, keys[:-1])
    is_added = keys[-1] == "-" and isinstance(holder, list)
    is_there = (
        is_added
        or (isinstance(holder, Mapping) and keys[-1] in holder)
        or (isinstance(holder, list) and is_index(keys[-1]) and int(keys[-1]) < len(holder))
    )
    if target is None or not is_there:
        count = f": {pointer.rpartition('/')[0]} has {len(holder)} items" if isinstance(holder, list) else ""
        raise ConfigurationError(f"{pointer} is no place of the record{count}; {_known(root)}")
    if text is None and (is_added or (not target.is_leaf and not isinstance(holder, list))):
        raise ConfigurationError(f"{pointer}: give a value as JSON" + ("" if is_added else ", such as [] or {}"))
    before = None if is_added else value_at(record.value, keys)
    after = None if text is None else _read(text, target, pointer)
    correction = Correction(pointer, as_text(before), as_text(after), evidence=evidence)
    if is_added:
        correction = replace(correction, context=json_text({"equal": _alike(holder, after)}))
    elif (item := _item_of(record.value, keys)) is not None:
        correction = replace(correction, context=json_text(item))
    _refuse_invalid(corrected(record, correction, document_type), document_type, pointer)
    return correction


def corrected(record: Record, correction: Correction, document_type: DocumentType) -> Record:
    """The record with one more correction, at exactly its pointer."""
    draft = Draft.of(record)
    _put(draft, correction, keys_of(correction.field), document_type)
    return _finished(draft, record, document_type)


def reapplied(
    record: Record, corrections: Sequence[Correction], document_type: DocumentType
) -> tuple[Record, tuple[Disagreement, ...]]:
    """Newly read record with all earlier corrections applied, oldest first; and the values where the two differ."""
    draft = Draft.of(record)
    lost: list[Problem] = []
    for correction in corrections:
        try:
            keys = _found_again(draft, correction, document_type.root)
            if keys is None:
                why = "that place is not there any more"
                lost.append(
                    Problem(correction.field, "misplaced", f"it was corrected to {correction.new!r}, and {why}")
                )
            elif keys or not correction.field:
                _put(draft, correction, keys, document_type)
        except ConfigurationError as error:  # the type is another one by now
            lost.append(
                Problem(
                    correction.field, "misplaced", f"it was corrected to {correction.new!r}, which is refused: {error}"
                )
            )
    last = {disagreement.field: disagreement for disagreement in draft.disagreements}
    draft.problems = [problem for problem in draft.problems if problem.kind != "misplaced"] + lost
    found = tuple(value for value in (*last.values(), *draft.moves) if value.machine != value.corrected)
    return _finished(draft, record, document_type, lost), found


def _put(draft: Draft, correction: Correction, keys: Sequence[str], document_type: DocumentType) -> None:
    """Apply one correction at the path `keys`."""
    root = document_type.root
    if not keys:
        accept_record(draft, correction, root)
        return
    target = field_at(root, ["*" if key == "-" else key for key in keys])
    assert target is not None
    pointer = "".join(f"/{escape(key)}" for key in keys)
    holder = value_at(draft.value, keys[:-1])
    new = None if correction.new is None else _read(correction.new, target, pointer)
    if keys[-1] == "-":
        pointer = f"{pointer[:-2]}/{put_in(draft, keys[:-1], new)}"
        draft.item_pages[pointer] = correction.evidence.page if correction.evidence else None
        record_evidence(draft, correction, pointer, target, new)
    elif isinstance(holder, list) and new is None:
        take_out(draft, keys[:-1], int(keys[-1]))
        mark_corrected(draft, pointer.rpartition("/")[0])
        return
    else:
        before = value_at(draft.value, keys)
        machine = value_at(draft.machine, keys)
        draft.disagreements.append(Disagreement(pointer, as_text(machine), as_text(new)))
        set_value(draft.value, keys, new)
        record_evidence(draft, correction, pointer, target, new, is_same=before == new)
    mark_corrected(draft, pointer)


def _finished(draft: Draft, record: Record, document_type: DocumentType, lost: Sequence[Problem] = ()) -> Record:
    """The record of a draft, with its checks made and its problems found again."""
    root = document_type.root
    kept = [
        problem for problem in draft.problems if problem.kind not in _FOUND_ANEW and not _is_of_whole(problem, root)
    ]
    known = {(entry.field, entry.kind) for entry in kept}
    kept += [problem for problem in document_type.validate(draft.value) if (problem.field, problem.kind) not in known]
    checks, failed = checked(draft.value, document_type)
    kept += [*failed, *lost]
    is_accepted = "" in draft.corrected and not lost
    return replace(
        record,
        value=draft.value,
        evidence=tuple(draft.evidence),
        problems=tuple(kept),
        status=status_of(kept),
        needs_review=not is_accepted and is_doubtful(kept, draft.evidence, checks, root),
        item_pages=draft.item_pages,
        checks=checks,
        corrected_fields=tuple(draft.corrected),
    )


def _is_of_whole(problem: Problem, root: Field) -> bool:
    """True for a validation problem of a list or an object as a whole, such as too few items."""
    if problem.kind != "rejected" or not problem.field:
        return False
    target = field_at(root, keys_of(problem.field))
    return target is not None and not target.is_leaf


def _refuse_invalid(record: Record, document_type: DocumentType, pointer: str) -> None:
    wrong = [
        problem
        for problem in document_type.validate(record.value)
        if problem.kind == "rejected"
        and problem.field
        and (is_within(problem.field, pointer) or is_within(pointer, problem.field))
    ]
    if wrong:
        raise ConfigurationError(f"{pointer}: {wrong[0].message}; nothing was changed")


def _read(text: str, target: Field, pointer: str) -> Any:
    """A value of the field's type from text: as people type it for a leaf, else JSON."""
    value: Any = text
    if not target.is_leaf:
        try:
            value = parse_json(text)
        except (ValueError, RecursionError) as error:
            raise ConfigurationError(f"{pointer}: not JSON: {error}; nothing was changed") from None
    found, problems = parse_value(value, target, pointer)
    if problems:
        raise ConfigurationError(f"{problems[0].field}: {problems[0].message}; nothing was changed")
    return found


def _found_again(draft: Draft, correction: Correction, root: Field) -> list[str] | None:
    """Present keys of a correction: empty where nothing is left to do; None where its row has gone."""
    keys = keys_of(correction.field)
    if field_at(root, ["*" if key == "-" else key for key in keys]) is None:
        return None
    if correction.context is None:
        return keys if not keys or is_present(draft.value, correction.field) else None
    context = parse_json(correction.context)
    if keys[-1] == "-":
        holder = value_at(draft.value, keys[:-1])
        target = field_at(root, ["*" if key == "-" else key for key in keys])
        assert target is not None
        new = _read(correction.new or "", target, correction.field)
        if not isinstance(holder, list):
            return None
        if _alike(holder, new) > context["equal"]:  # read by the machine, too, by now
            return []
        draft.moves.append(Disagreement(correction.field, None, correction.new))
        return keys
    at = next(index for index, key in enumerate(keys) if is_index(key) and _is_list(root, keys[:index]))
    items = value_at(draft.value, keys[:at])
    item = field_at(root, keys[: at + 1])
    assert item is not None
    is_whole = len(keys) == at + 1
    is_removed = is_whole and correction.new is None
    known = as_typed(context, item)
    index = _nearest(items or [], known, int(keys[at]), item, keys[at + 1 :], _SAME_ROW if is_removed else _SAME_ITEM)
    if index is None:
        return [] if is_removed else None
    found = [*keys[:at], str(index), *keys[at + 1 :]]
    return found if is_whole or is_present(draft.value, "".join(f"/{escape(key)}" for key in found)) else None


def _nearest(
    items: Sequence[Any], known: Any, index: int, item: Field, below: Sequence[str], least: float
) -> int | None:
    """Item that is most like the known one, without the corrected value; of equals the nearest.

    Where nothing else is known of it, it is the one that says at that place what was corrected.
    """
    but = "".join(f"/{escape(key)}" for key in below)
    stated = {at: value for at, value in leaves_of(known, item, "") if value is not None}
    wanted = {at: value for at, value in stated.items() if at != but} or stated
    best: tuple[float, int] | None = None
    for at, entry in enumerate(items):
        there = dict(leaves_of(entry, item, ""))
        share = sum(there.get(pointer) == value for pointer, value in wanted.items()) / max(1, len(wanted))
        if share >= least and (best is None or (share, -abs(at - index)) > (best[0], -abs(best[1] - index))):
            best = share, at
    return None if best is None else best[1]


def _alike(items: Sequence[Any], new: Any) -> int:
    """Number of items that are like one that is added."""
    if not isinstance(new, Mapping):
        return sum(item == new for item in items)
    wanted = {key: value for key, value in new.items() if not is_empty(value)}
    return sum(
        sum(item.get(key) == value for key, value in wanted.items()) >= _SAME_ROW * len(wanted) for item in items
    )


def _item_of(value: Mapping[str, Any], keys: Sequence[str]) -> Any:
    """Outermost list item that a path leads through."""
    here: Any = value
    for key in keys:
        if isinstance(here, list):
            return here[int(key)]
        here = here.get(key) if isinstance(here, Mapping) else None
    return None


def _is_list(root: Field, keys: Sequence[str]) -> bool:
    found = field_at(root, keys)
    return found is not None and found.item is not None


def _known(root: Field) -> str:
    names = ", ".join(f"/{escape(child.name)}" + ("/0" if child.item is not None else "") for child in root.fields)
    return f"its fields are {names}"
