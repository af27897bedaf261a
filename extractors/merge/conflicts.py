"""Conflicts settled by arithmetic: of several values stated for one field, the value with which the checks hold.

"Terms: net 30" on the first page and a net total on the last are a conflict; only one of the two adds up. The model is not
asked.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.checks import Check, run_check
from schemas.fields import keys_of, value_at
from schemas.step_data import Evidence, Located

_MOST_COMBINATIONS = 256


@dataclass(frozen=True, slots=True)
class Settled:
    """A value that replaces the first stated one: its field, its evidence, and the reason in words."""

    field: str
    value: Any
    evidence: Evidence | None
    why: str


def settle_conflicts(
    record: Mapping[str, Any], located: Sequence[Located], conflicts: Sequence[str], checks: Sequence[Check]
) -> list[Settled]:
    """The changes to `record` with which every evaluated check holds; none where no choice of candidates does.

    `conflicts` are the JSON pointers of scalars with several stated values. The fewest changes win; where two choices of
    equally many changes add up, nothing is settled. Only equations settle: inequalities hold for many wrong values.
    """
    failing = [
        check
        for check in checks
        if check.operator == "=" and (result := run_check(check, record)) is not None and not result.ok
    ]
    wanted = [pointer for pointer in conflicts if any(pointer in check.fields for check in failing)]
    stated = {pointer: list(candidates(located, pointer))[1:] for pointer in wanted}
    tries = 0
    for count in range(1, len(wanted) + 1):
        holding: list[dict[str, tuple[Any, Evidence | None]]] = []
        for pointers in itertools.combinations(wanted, count):
            for values in itertools.product(*(stated[pointer] for pointer in pointers)):
                tries += 1
                if tries > _MOST_COMBINATIONS:
                    return []
                changed = dict(zip(pointers, values, strict=True))
                tried = _with(record, {pointer: value for pointer, (value, _) in changed.items()})
                results = [run_check(check, tried) for check in checks]
                if all(result is None or result.ok for result in results) and _are_made(failing, tried):
                    holding.append(changed)
        if len(holding) == 1:  # two ways to add up prove neither
            why = f"adds up ({', '.join(check.name for check in failing)})"
            return [Settled(pointer, value, evidence, why) for pointer, (value, evidence) in holding[0].items()]
        if holding:
            return []
    return []


def chosen(located: Sequence[Located], choices: Mapping[str, int]) -> list[Settled]:
    """The chosen candidates, by their index among those of each pointer; index 0 changes nothing."""
    settled = []
    for pointer, choice in choices.items():
        listed = list(candidates(located, pointer))
        if 0 < choice < len(listed):
            settled.append(Settled(pointer, *listed[choice], "was chosen by the model when it saw both"))
    return settled


def _are_made(failing: Sequence[Check], record: Mapping[str, Any]) -> bool:
    """True when every failed check is evaluated again, not skipped for a null."""
    return all(run_check(check, record) is not None for check in failing)


def candidates(located: Sequence[Located], pointer: str) -> Iterator[tuple[Any, Evidence | None]]:
    """The distinct values stated at `pointer`, in page order."""
    yielded: list[Any] = []
    for answer in located:
        value = value_at(answer.answer.value, keys_of(pointer))
        if value is not None and value not in yielded:
            yielded.append(value)
            yield value, answer.evidence.get(pointer)


def _with(record: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the record with other values at some pointers."""
    copy = dict(record)
    for pointer, value in changes.items():
        *path, last = keys_of(pointer)
        here = copy
        for step in path:
            here[step] = dict(here[step])
            here = here[step]
        here[last] = value
    return copy
