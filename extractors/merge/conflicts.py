"""Conflicts that arithmetic settles: of values stated differently on different pages, those with which the checks hold.

"Terms: net 30" on the first page and a net total on the last are a conflict; only one of the two adds up. No model is asked.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.checks import Check, run_check
from schemas.fields import keys_of, value_at
from schemas.pipeline import Evidence, Located

_MOST_COMBINATIONS = 256


@dataclass(frozen=True, slots=True)
class Settled:
    """One value that replaces the first stated one: which, where it stands, and what says so."""

    field: str
    value: Any
    evidence: Evidence | None
    why: str


def settle_conflicts(
    record: Mapping[str, Any], located: Sequence[Located], conflicts: Sequence[str], checks: Sequence[Check]
) -> list[Settled]:
    """The changes to `record` with which every check holds that can be made; none where no choice of candidates does.

    `conflicts` are the JSON pointers of scalars that are stated differently. The fewest changes win; where
    as few changes add up in two ways, nothing is settled. Only equations settle: an inequality holds for many a wrong value.
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
        if len(holding) == 1:  # of two ways to add up, neither is proven
            why = f"adds up ({', '.join(check.name for check in failing)})"
            return [Settled(pointer, value, evidence, why) for pointer, (value, evidence) in holding[0].items()]
        if holding:
            return []
    return []


def chosen(located: Sequence[Located], choices: Mapping[str, int]) -> list[Settled]:
    """The candidates that were chosen, by their place among those of each pointer; the first one changes nothing."""
    found = []
    for pointer, choice in choices.items():
        listed = list(candidates(located, pointer))
        if 0 < choice < len(listed):
            found.append(Settled(pointer, *listed[choice], "was chosen by the model when it saw both"))
    return found


def _are_made(failing: Sequence[Check], record: Mapping[str, Any]) -> bool:
    """True when every check that failed is made again, rather than skipped for a null."""
    return all(run_check(check, record) is not None for check in failing)


def candidates(located: Sequence[Located], pointer: str) -> Iterator[tuple[Any, Evidence | None]]:
    """Each value that is stated at `pointer`, once, in page order."""
    seen: list[Any] = []
    for answer in located:
        value = value_at(answer.answer.value, keys_of(pointer))
        if value is not None and value not in seen:
            seen.append(value)
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
