"""Conflicts that arithmetic settles: of values stated differently on different pages, those with which the checks hold.

"Terms: net 30" on the first page and a net total on the last are a conflict; only one of the two adds up. No model is asked.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.checks import Check, run_check
from schemas.pipeline import Evidence, Located

_MOST_COMBINATIONS = 256


@dataclass(frozen=True, slots=True)
class Settled:
    """One value that replaces the first stated one: which, where it stands, and what says so."""

    field: str
    value: Any
    evidence: Evidence | None
    why: str


def settle(
    record: Mapping[str, Any], located: Sequence[Located], conflicts: Sequence[str], checks: Sequence[Check]
) -> list[Settled]:
    """The changes to `record` with which every check holds that can be made; none where no choice of candidates does.

    `conflicts` are the JSON pointers of scalars that are stated differently. The fewest changes win, and with equally many
    the values stated first.
    """
    failing = [check for check in checks if (result := run_check(check, record)) is not None and not result.ok]
    wanted = [pointer for pointer in conflicts if any(pointer in check.fields for check in failing)]
    if not wanted:
        return []
    stated = [list(candidates(located, pointer)) for pointer in wanted]
    choices = list(itertools.islice(itertools.product(*(range(len(each)) for each in stated)), _MOST_COMBINATIONS))
    for choice in sorted(choices, key=lambda places: sum(place > 0 for place in places)):
        chosen = [(pointer, each[place], place) for pointer, each, place in zip(wanted, stated, choice, strict=True)]
        changed = [(pointer, candidate) for pointer, candidate, place in chosen if place]
        tried = _with(record, {pointer: value for pointer, (value, _) in changed})
        results = [run_check(check, tried) for check in checks]
        if changed and all(result is None or result.ok for result in results) and _are_made(failing, tried):
            why = f"adds up ({', '.join(check.name for check in failing)})"
            return [Settled(pointer, value, evidence, why) for pointer, (value, evidence) in changed]
    return []


def chosen(located: Sequence[Located], choices: Mapping[str, int]) -> list[Settled]:
    """The candidates that were chosen, by their place among those of each pointer; the first one changes nothing."""
    found = []
    for pointer, place in choices.items():
        listed = list(candidates(located, pointer))
        if 0 < place < len(listed):
            found.append(Settled(pointer, *listed[place], "was chosen by the model when it saw both"))
    return found


def _are_made(failing: Sequence[Check], record: Mapping[str, Any]) -> bool:
    """True when every check that failed is made again, rather than skipped for a null."""
    return all(run_check(check, record) is not None for check in failing)


def candidates(located: Sequence[Located], pointer: str) -> Iterator[tuple[Any, Evidence | None]]:
    """Each value that is stated at `pointer`, once, in page order."""
    seen: list[Any] = []
    for each in located:
        value: Any = each.answer.value
        for step in pointer.split("/")[1:]:
            value = value.get(step) if isinstance(value, Mapping) else None
        if value is not None and value not in seen:
            seen.append(value)
            yield value, each.evidence.get(pointer)


def _with(record: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the record with other values at some pointers."""
    copy = dict(record)
    for pointer, value in changes.items():
        *path, last = pointer.split("/")[1:]
        here = copy
        for step in path:
            here[step] = dict(here[step])
            here = here[step]
        here[last] = value
    return copy
