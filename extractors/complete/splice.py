"""Items that a second answer for a page has beyond the first, inserted in the order of the page; no other item moves.

The first answers stay as they are. A model is most likely to misread a column on a single page, without the head of its
table pages before: only the missing items are taken from its second answer.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from extractors.complete.coverage import Fresh, anchors
from schemas.fields import keys_of, value_at
from schemas.step_data import Evidence, Located


def splice(located: Sequence[Located], fresh: Mapping[int, Sequence[Fresh]], pointer: str) -> list[Located]:
    """The answers with the `fresh` items of one list inserted by page; items stay in the order of the pages."""
    homes = [_homes(answer, pointer) for answer in located]
    added: dict[
        int, list[tuple[int, int, Fresh]]
    ] = {}  # by answer: index of the item before which to insert, page, item
    for page in sorted(fresh):
        target = _target(located, homes, page)
        for item in fresh[page]:
            here = (page, item.height)
            insert_at = next((at for at, home in enumerate(homes[target]) if home > here), len(homes[target]))
            added.setdefault(target, []).append((insert_at, page, item))
    spliced: list[Located] = []
    for at, (entry, home) in enumerate(zip(located, homes, strict=True)):
        inserts = sorted(added.get(at, ()), key=lambda insert: (insert[0], insert[1], insert[2].height))
        edges = [0, *(insert_at for insert_at, _, _ in inserts), len(home)]
        for number, (start, end) in enumerate(itertools.pairwise(edges)):
            if number:
                _, page, item = inserts[number - 1]
                spliced.append(replace(_list_alone(item.answer, pointer, [item.index]), pages=(page,)))
            if not inserts:
                spliced.append(entry)
            elif number == 0:
                first = inserts[0][1]
                kept = tuple(page for page in entry.pages if page <= first)
                spliced.append(replace(_with_items(entry, pointer, range(start, end)), pages=kept))
            elif start < end or number == len(inserts):
                since = home[start][0] if start < len(home) else inserts[-1][1] + 1
                rest = tuple(page for page in entry.pages if page >= since)
                spliced.append(replace(_list_alone(entry, pointer, range(start, end)), pages=rest))
    return spliced


def items_on(located: Iterable[Located], pointer: str, page: int) -> int:
    """Number of items that the answers have on a page, of one list."""
    return sum(home[0] == page for answer in located for home in _homes(answer, pointer))


def _target(located: Sequence[Located], homes: Sequence[Sequence[tuple[int, float]]], page: int) -> int:
    """Index of the answer that takes the items of `page`: one with its items, else one asked for it, else the last before it."""
    holding = [at for at, home in enumerate(homes) if any(item_page == page for item_page, _ in home)]
    asked = [at for at, answer in enumerate(located) if page in answer.pages]
    before = [at for at, answer in enumerate(located) if min(answer.pages, default=0) < page]
    return (holding or asked or before[-1:] or [0])[0]


def _homes(located: Located, pointer: str) -> list[tuple[int, float]]:
    """Page and height of each item; an item without a place stays with the item before it."""
    anchored = anchors(located, pointer)
    homes: list[tuple[int, float]] = []
    for index in range(len(_list_at(located, pointer))):
        anchor = anchored.get(index)
        home = homes[-1] if homes else (min(located.pages, default=0), 0.0)
        if anchor is not None and anchor.page is not None and anchor.box is not None:
            home = anchor.page, (anchor.box[1] + anchor.box[3]) / 2
        homes.append(home)
    return homes


def _with_items(located: Located, pointer: str, places: Iterable[int]) -> Located:
    """The answer with only these items of one list."""
    moved = {position: target for target, position in enumerate(places)}
    evidence: dict[str, Evidence] = {}
    for key, entry in located.evidence.items():
        if not key.startswith(f"{pointer}/"):
            evidence[key] = entry
        elif (new := _moved(key, pointer, moved)) is not None:
            evidence[new] = replace(entry, field=new)
    problems = []
    for problem in located.answer.problems:
        if not problem.field.startswith(f"{pointer}/"):
            problems.append(problem)
        elif (new := _moved(problem.field, pointer, moved)) is not None:
            problems.append(replace(problem, field=new))
    listed = _list_at(located, pointer)
    value = _with_list(located.answer.value, pointer, [listed[index] for index in moved])
    return replace(located, answer=replace(located.answer, value=value, problems=tuple(problems)), evidence=evidence)


def _moved(key: str, pointer: str, moved: Mapping[int, int]) -> str | None:
    """The pointer of a value after its item has moved; None where the item is left out."""
    index, slash, rest = key[len(pointer) + 1 :].partition("/")
    target = moved.get(int(index))
    return None if target is None else f"{pointer}/{target}{slash}{rest}"


def _list_alone(located: Located, pointer: str, places: Iterable[int]) -> Located:
    """The answer with these items of one list and no other value."""
    wanted = set(places)
    evidence = {
        key: entry
        for key, entry in located.evidence.items()
        if key.startswith(f"{pointer}/") and int(key[len(pointer) + 1 :].partition("/")[0]) in wanted
    }
    problems = tuple(problem for problem in located.answer.problems if problem.field.startswith(f"{pointer}/"))
    bare = replace(located, answer=replace(located.answer, problems=problems), evidence=evidence)
    kept = _with_items(bare, pointer, sorted(wanted))
    value = _with_list({}, pointer, list(_list_at(kept, pointer)))
    return replace(kept, answer=replace(kept.answer, value=value))


def _list_at(located: Located, pointer: str) -> Sequence[Any]:
    value = value_at(located.answer.value, keys_of(pointer))
    return value if isinstance(value, list) else []


def _with_list(value: Mapping[str, Any], pointer: str, items: list[Any]) -> dict[str, Any]:
    copy = dict(value)
    here = copy
    *path, last = keys_of(pointer)
    for step in path:
        here[step] = dict(here.get(step) or {})
        here = here[step]
    here[last] = items
    return copy
