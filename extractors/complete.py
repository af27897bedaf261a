"""Proof that a list is complete: the rows that pages show, counted by code, against the items of an answer.

What a row of a list looks like is learned from the rows that its items were found on: where its first word begins and
where its numbers end. Lines that look the same and that no item stands on are rows that the model left out. On a page
without words nothing can be counted, and a list without numbers has no shape that could be told from running text.
"""

import re
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from extractors.values import fold_text
from schemas.fields import Field, escape
from schemas.pipeline import Box, Evidence, Located, Page, Word

_EDGE = 2.0  # points by which the edges of one column differ from row to row
_OFTEN = 0.5  # of the rows in which a column must have a number to be one of the list's
_AT_EDGE = 2  # lines at the top and the bottom of a page that may be its header and footer
_PAGES = frozenset({"page", "seite", "blatt", "pagina"})  # words of lines that number pages
_ODD = 0.1  # of the rows a shape is learned from that may be none
_MANY_ROWS = 8  # from which on one column of numbers is shape enough
_AMOUNT = re.compile(
    r"[^\w\s]*\d[\d.,'\u2019]*[^\w\s]*"
)  # a word that is a number, with a sign, a currency or a per cent
_LEAST_ROWS = 3  # that a shape is learned from
_TOTALS = frozenset(  # first words of lines that sum up, in folded form
    (
        "amount", "discount", "shipping", "opening", "closing", "previous", "payment", "total", "totals", "subtotal", "sum",
        "net", "gross", "vat", "tax", "carried", "brought", "balance", "page", "summe", "zwischensumme", "gesamt",
        "gesamtbetrag", "nettobetrag", "bruttobetrag", "endbetrag", "rechnungsbetrag", "versand", "rabatt", "zzgl", "inkl",
        "ubertrag", "mwst", "seite", "totaal", "subtotaal", "btw", "totale", "somme", "report", "solde", "tva",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many rows of the list at `pointer` a page shows, and on how many of them an item stands."""

    pointer: str
    page: int
    shown: int
    covered: int

    @property
    def missing(self) -> int:
        """Rows that no item covers."""
        return max(0, self.shown - self.covered)


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a page: where its first word begins, and the right edges of its numbers."""

    middle: float
    height: float
    start: float
    edges: tuple[float, ...]
    is_total: bool
    likeness: str  # the line's text without its digits


@dataclass(frozen=True, slots=True)
class _Shape:
    starts: tuple[float, float]  # within which a row begins: a row number may be set to the right
    edges: tuple[float, ...]
    least: int  # numbers in columns that a row has


def coverage(located: Sequence[Located], root: Field, pages: Sequence[Page]) -> list[Coverage]:
    """For each list of objects and each page with words: the rows shown and covered by the answers for these pages.

    Pages that show no rows are left out, and so are parts of pages, whose other rows somebody else answers for.
    """
    lines = {page.number: _lines(page.words) for page in pages if page.words and not page.is_part}
    found: list[Coverage] = []
    places = {
        pointer: [place for each in located for place in _item_places(each, pointer)] for pointer in _lists(root, "")
    }
    taken = {pointer: _lines_of(lines, there) for pointer, there in places.items()}
    for pointer, there in places.items():
        shape = _shape([_on(lines[page], box) for page, box in there if page in lines])
        if shape is None:
            continue
        covered = taken[pointer]
        running = _running(lines, covered)
        for number, on_page in lines.items():
            others = set().union(*(rows[number] for other, rows in taken.items() if other != pointer))
            own = len(covered[number])
            uncovered = sum(
                at not in covered[number]
                and at not in others
                and _fits(line, shape)
                and not (
                    (line.likeness, round(line.middle)) in running and not _AT_EDGE <= at < len(on_page) - _AT_EDGE
                )
                for at, line in enumerate(on_page)
            )
            if own or uncovered:
                found.append(Coverage(pointer, number, own + uncovered, own))
    return found


def _lines_of(lines: Mapping[int, Sequence[_Line]], places: Sequence[tuple[int, Box]]) -> dict[int, set[int]]:
    """For each page the lines that items stand on."""
    return {
        number: {at for page, box in places if page == number and (at := _index_on(there, box)) is not None}
        for number, there in lines.items()
    }


def with_items_of_page(located: Sequence[Located], again: Sequence[Located], pointer: str, page: int) -> list[Located]:
    """The answers with the items of `again` in the place of their own on one page; the order of pages is kept."""
    homes = [_item_pages(each, pointer, len(_list_at(each.answer.value, pointer))) for each in located]
    holding = [at for at, home in enumerate(homes) if page in home]
    earlier = [at for at, home in enumerate(homes) if any(where < page for where in home)]
    target = holding[0] if holding else earlier[-1] if earlier else 0
    renewed: list[Located] = []
    for at, (each, home) in enumerate(zip(located, homes, strict=True)):
        before = [place for place, where in enumerate(home) if where < page]
        after = [place for place, where in enumerate(home) if where > page]
        if at != target:
            renewed.append(_with_items(each, pointer, [*before, *after]))
            continue
        head, tail = _with_items(each, pointer, before), _list_alone(each, pointer, after)
        renewed.append(replace(head, pages=tuple(number for number in each.pages if number < page)))
        renewed += [_list_alone(new, pointer, range(len(_list_at(new.answer.value, pointer)))) for new in again]
        renewed.append(replace(tail, pages=tuple(number for number in each.pages if number > page)))
    return renewed


def _with_items(located: Located, pointer: str, places: Sequence[int]) -> Located:
    """The answer with only these items of one list."""
    listed = _list_at(located.answer.value, pointer)
    evidence = {key: each for key, each in located.evidence.items() if not key.startswith(f"{pointer}/")}
    problems = [each for each in located.answer.problems if not each.field.startswith(f"{pointer}/")]
    for target, place in enumerate(places):
        old, new = f"{pointer}/{place}", f"{pointer}/{target}"
        for key, each in located.evidence.items():
            if key == old or key.startswith(f"{old}/"):
                evidence[new + key[len(old) :]] = replace(each, field=new + each.field[len(old) :])
        problems += [
            replace(each, field=new + each.field[len(old) :])
            for each in located.answer.problems
            if each.field == old or each.field.startswith(f"{old}/")
        ]
    value = _with_list(located.answer.value, pointer, [listed[place] for place in places])
    return replace(located, answer=replace(located.answer, value=value, problems=tuple(problems)), evidence=evidence)


def _list_alone(located: Located, pointer: str, places: Sequence[int]) -> Located:
    """These items of one list, and nothing else that the answer says."""
    kept = _with_items(located, pointer, places)
    evidence = {key: each for key, each in kept.evidence.items() if key.startswith(f"{pointer}/")}
    problems = tuple(each for each in kept.answer.problems if each.field.startswith(f"{pointer}/"))
    value = _with_list({}, pointer, list(_list_at(kept.answer.value, pointer)))
    return replace(kept, answer=replace(kept.answer, value=value, problems=problems), evidence=evidence)


def uncounted(located: Located, root: Field, pages: Sequence[Page]) -> list[tuple[str, int]]:
    """Lists with items, and pages whose rows cannot be counted: those that only a picture shows, and parts of pages."""
    blind = [page.number for page in pages if page.is_part or (page.images and not page.words)]
    return [
        (pointer, page) for pointer in _lists(root, "") if _list_at(located.answer.value, pointer) for page in blind
    ]


def _lists(field: Field, pointer: str) -> Iterator[str]:
    """The lists of objects that are in no other list."""
    for child in field.fields:
        here = f"{pointer}/{escape(child.name)}"
        if child.kind == "object":
            yield from _lists(child, here)
        elif child.is_table:
            yield here


def _list_at(value: Any, pointer: str) -> Sequence[Any]:
    for step in pointer.split("/")[1:]:
        value = value.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(value, Mapping) else None
    return value if isinstance(value, list) else []


def _with_list(value: Mapping[str, Any], pointer: str, items: list[Any]) -> dict[str, Any]:
    copy = dict(value)
    here = copy
    *path, last = (step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])
    for step in path:
        here[step] = dict(here.get(step) or {})
        here = here[step]
    here[last] = items
    return copy


def _item_places(located: Located, pointer: str) -> list[tuple[int, Box]]:
    """Page and box of the place on which most of an item's values stand, for each item that has one."""
    return [(each.page, each.box) for each in _anchors(located, pointer).values() if each.page and each.box]


def _anchors(located: Located, pointer: str) -> dict[str, Evidence]:
    """For each item the evidence that stands in the middle of all that was found of it."""
    by_item: dict[str, list[Evidence]] = {}
    for key, each in located.evidence.items():
        if key.startswith(f"{pointer}/") and each.box is not None and each.page is not None:
            by_item.setdefault(key[len(pointer) + 1 :].partition("/")[0], []).append(each)
    chosen = {}
    for item, held in by_item.items():
        held.sort(key=lambda each: (each.page or 0, (each.box or (0, 0, 0, 0))[1]))
        chosen[item] = held[len(held) // 2]
    return chosen


def _item_pages(located: Located, pointer: str, count: int) -> list[int]:
    """The page of each item; one that was found nowhere stays with the item before it."""
    anchors = _anchors(located, pointer)
    pages: list[int] = []
    for place in range(count):
        anchor = anchors.get(str(place))
        known = pages[-1] if pages else min(located.pages, default=0)
        pages.append(anchor.page if anchor is not None and anchor.page is not None else known)
    return pages


def _lines(words: Sequence[Word]) -> list[_Line]:
    """Words that stand at one height, as lines from top to bottom."""
    groups: list[list[Word]] = []
    for word in sorted(words, key=lambda word: (word.y0 + word.y1, word.x0)):
        middle = (word.y0 + word.y1) / 2
        last = groups[-1][0] if groups else None
        if last is not None and abs((last.y0 + last.y1) / 2 - middle) < 0.4 * max(1.0, word.y1 - word.y0):
            groups[-1].append(word)
        else:
            groups.append([word])
    lines = []
    for group in groups:
        group.sort(key=lambda word: word.x0)
        edges = tuple(word.x1 for word in group if _AMOUNT.fullmatch(word.text))
        middle = statistics.median((word.y0 + word.y1) / 2 for word in group)
        words_here = [fold_text(word.text).strip(".:") for word in group]
        is_total = bool(_TOTALS.intersection(words_here[:2]) or _PAGES.intersection(words_here))
        likeness = "".join("#" if character.isdigit() else character for character in " ".join(words_here))
        lines.append(_Line(middle, group[0].y1 - group[0].y0, group[0].x0, edges, is_total, likeness))
    return lines


def _running(pages: Mapping[int, Sequence[_Line]], covered: Mapping[int, set[int]]) -> set[tuple[str, int]]:
    """Lines that stand at one height on several pages, differ in nothing but digits, and are on none an item's row.

    Those are headers and footers.
    """
    counts = Counter(
        found for there in pages.values() for found in {(line.likeness, round(line.middle)) for line in there}
    )
    rows = {
        (line.likeness, round(line.middle))
        for number, there in pages.items()
        for at, line in enumerate(there)
        if at in covered[number]
    }
    return {found for found, count in counts.items() if count > 1} - rows


def _index_on(lines: Sequence[_Line], box: Box) -> int | None:
    """The line that a box stands on."""
    middle = (box[1] + box[3]) / 2
    near = min(range(len(lines)), key=lambda at: abs(lines[at].middle - middle), default=None)
    return near if near is not None and abs(lines[near].middle - middle) <= max(1.0, lines[near].height) else None


def _on(lines: Sequence[_Line], box: Box) -> _Line | None:
    at = _index_on(lines, box)
    return lines[at] if at is not None else None


def _shape(rows: Sequence[_Line | None]) -> _Shape | None:
    """What the covered rows have in common; null for too few of them, or without numbers in columns."""
    seen = [row for row in rows if row is not None]
    if len(seen) < _LEAST_ROWS:
        return None
    columns: list[tuple[float, int]] = []
    for edge in sorted(edge for row in seen for edge in row.edges):
        if columns and edge - columns[-1][0] <= _EDGE:
            columns[-1] = (edge, columns[-1][1] + 1)
        else:
            columns.append((edge, 1))
    edges = tuple(edge for edge, count in columns if count >= _OFTEN * len(seen))
    if not edges:
        return None
    counts = sorted(sum(_is_at(edge, edges) for edge in row.edges) for row in seen)
    starts = sorted(row.start for row in seen)
    odd = int(_ODD * len(seen))  # a value may have been found on a line that is no row
    least = counts[odd]
    enough = least > 1 or (least == 1 and len(seen) >= _MANY_ROWS)  # one column alone is soon met by chance
    return _Shape((starts[odd], starts[-1 - odd]), edges, least) if enough else None


def _fits(line: _Line, shape: _Shape) -> bool:
    aligned = sum(_is_at(edge, shape.edges) for edge in line.edges)
    first, last = shape.starts
    return not line.is_total and aligned >= shape.least and first - _EDGE <= line.start <= last + _EDGE


def _is_at(edge: float, edges: Sequence[float]) -> bool:
    return any(abs(edge - each) <= _EDGE for each in edges)
