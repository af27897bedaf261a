"""Items of pages that were asked for once more, in the place of those that the first answers have for these pages."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from extractors.complete import anchors
from schemas.fields import keys_of, value_at
from schemas.pipeline import Evidence, Located


def splice(located: Sequence[Located], again: Mapping[int, Sequence[Located]], pointer: str) -> list[Located]:
    """The answers with the items of one list anew for the pages in `again`; items stay in page order."""
    homes = [_item_pages(each, pointer) for each in located]
    targets: dict[int, list[int]] = {}
    for page in sorted(again):
        targets.setdefault(_target(located, homes, page), []).append(page)
    spliced: list[Located] = []
    for at, (each, home) in enumerate(zip(located, homes, strict=True)):
        kept = [place for place, page in enumerate(home) if page not in again]
        if at not in targets:
            spliced.append(each if len(kept) == len(home) else _with_items(each, pointer, kept))
            continue
        edges = [0, *targets[at], max((*home, *each.pages, *targets[at])) + 1]
        for before, after in itertools.pairwise(edges):
            mine = [place for place in kept if before <= home[place] < after]
            piece = _list_alone(each, pointer, mine) if before else _with_items(each, pointer, mine)
            if before:
                spliced += [_list_alone(new, pointer, range(len(_list_at(new, pointer)))) for new in again[before]]
            spliced.append(
                replace(piece, pages=tuple(page for page in each.pages if before <= page < after and page not in again))
            )
    return spliced


def _target(located: Sequence[Located], homes: Sequence[Sequence[int]], page: int) -> int:
    """The answer among whose items those of `page` belong: one that has some, else one that is of the page."""
    holding = [at for at, home in enumerate(homes) if page in home]
    asked = [at for at, each in enumerate(located) if page in each.pages]
    before = [at for at, each in enumerate(located) if min(each.pages, default=0) < page]
    return (holding or asked or before[-1:] or [0])[0]


def _item_pages(located: Located, pointer: str) -> list[int]:
    """The page of each item; one that was found nowhere stays with the item before it."""
    found = anchors(located, pointer)
    pages: list[int] = []
    for place in range(len(_list_at(located, pointer))):
        anchor = found.get(place)
        known = pages[-1] if pages else min(located.pages, default=0)
        pages.append(anchor.page if anchor is not None and anchor.page is not None else known)
    return pages


def _with_items(located: Located, pointer: str, places: Iterable[int]) -> Located:
    """The answer with only these items of one list."""
    moved = {place: target for target, place in enumerate(places)}
    evidence: dict[str, Evidence] = {}
    for key, each in located.evidence.items():
        if not key.startswith(f"{pointer}/"):
            evidence[key] = each
        elif (new := _moved(key, pointer, moved)) is not None:
            evidence[new] = replace(each, field=new)
    problems = []
    for problem in located.answer.problems:
        if not problem.field.startswith(f"{pointer}/"):
            problems.append(problem)
        elif (new := _moved(problem.field, pointer, moved)) is not None:
            problems.append(replace(problem, field=new))
    listed = _list_at(located, pointer)
    value = _with_list(located.answer.value, pointer, [listed[place] for place in moved])
    return replace(located, answer=replace(located.answer, value=value, problems=tuple(problems)), evidence=evidence)


def _moved(key: str, pointer: str, moved: Mapping[int, int]) -> str | None:
    """The pointer of a value once its item stands elsewhere; null where the item goes."""
    place, slash, rest = key[len(pointer) + 1 :].partition("/")
    target = moved.get(int(place))
    return None if target is None else f"{pointer}/{target}{slash}{rest}"


def _list_alone(located: Located, pointer: str, places: Iterable[int]) -> Located:
    """These items of one list, and nothing else that the answer says."""
    kept = _with_items(located, pointer, places)
    evidence = {key: each for key, each in kept.evidence.items() if key.startswith(f"{pointer}/")}
    problems = tuple(each for each in kept.answer.problems if each.field.startswith(f"{pointer}/"))
    value = _with_list({}, pointer, list(_list_at(kept, pointer)))
    return replace(kept, answer=replace(kept.answer, value=value, problems=problems), evidence=evidence)


def _list_at(located: Located, pointer: str) -> Sequence[Any]:
    found = value_at(located.answer.value, keys_of(pointer))
    return found if isinstance(found, list) else []


def _with_list(value: Mapping[str, Any], pointer: str, items: list[Any]) -> dict[str, Any]:
    copy = dict(value)
    here = copy
    *path, last = keys_of(pointer)
    for step in path:
        here[step] = dict(here.get(step) or {})
        here = here[step]
    here[last] = items
    return copy
