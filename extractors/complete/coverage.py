"""Proof that a list is complete: the rows that a document's pages show, counted by code, against the items of its answers.

What a row of a list looks like is learned from the rows that its items were found on: where its first word begins and
where its numbers end. Lines that look the same and that no item stands on are rows that the model left out, where they
stand together with rows that it did not: among them, on pages that go on with them, or under the same head. Others of that
look may be of another table: they are told apart, and never called missing. On a page without words nothing can be counted,
and a list without numbers has no shape that could be told from running text.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from extractors.complete.lines import PageLines, PrintedLine
from extractors.complete.row_shapes import LEAST_ROWS, fits, is_row_beyond_doubt, shapes_of
from schemas.fields import Field, escape, keys_of, value_at
from schemas.step_data import Box, Evidence, Located

_AT_EDGE = 2  # lines at the top and the bottom of a page that may be its header and footer
_LEAST_GAP = 2  # lines between two rows of one table, at least: a description that goes on, a heading
_HEAD = 3  # lines above a table by which it is known again
_LINE_GAP = 4.0  # heights of a line between two rows of one table, at least


@dataclass(frozen=True, slots=True)
class Coverage:
    """Rows of the list at `pointer` that a page shows, and those that an item covers, as indexes of lines.

    `doubtful` are lines of that look in what seems to be another table; `again` says whether the page deserves a second look.
    """

    pointer: str
    page: int
    rows: frozenset[int]
    covered: frozenset[int]
    doubtful: frozenset[int]
    missing: int
    again: bool

    @property
    def shown(self) -> int:
        """Rows of the list on the page."""
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class Fresh:
    """Item of a second answer: its index there, and its height on the page, in points."""

    height: float
    answer: Located
    index: int


@dataclass(slots=True)
class _Table:
    """Adjacent lines of one page that look like rows; `head` are the lines above it, the nearest first."""

    page: int
    rows: list[int]
    head: tuple[int, ...]
    is_covered: bool
    goes_on_above: bool  # nothing but running lines stands between it and the page's top
    goes_on_below: bool
    is_of_list: bool = False


def coverage(located: Sequence[Located], root: Field, sheets: Sequence[PageLines]) -> list[Coverage]:
    """For each list of objects and each page with words: the rows shown and covered by the answers for a document.

    Pages that show no rows are left out.
    """
    places = {
        pointer: [item_place for answer in located for item_place in _item_places(answer, pointer)]
        for pointer in tables_of(root)
    }
    taken = {pointer: _lines_of(sheets, there) for pointer, there in places.items()}
    found: list[Coverage] = []
    for pointer, there in places.items():
        covered = taken[pointer]
        others = {
            sheet.number: set().union(*(rows[sheet.number] for other, rows in taken.items() if other != pointer))
            for sheet in sheets
        }
        counts = _answers_on(located, pointer)
        found += _of_list(pointer, sheets, covered, others, counts) if there else ()
    return found


def fresh_items(again: Sequence[Located], sheet: PageLines, known: Coverage, known_count: int) -> list[Fresh]:
    """Items of a second answer for one page on rows that no item covered before, one for each row, in order.

    `held` are the items that the page has already: there are never more of them than rows.
    """
    open_rows = (known.rows | known.doubtful) - known.covered
    found: dict[int, Fresh] = {}
    for answer in again:
        for key, anchor in anchors(answer, known.pointer).items():
            at = _index_on(sheet.lines, anchor.box) if anchor.page == sheet.number and anchor.box else None
            if at in open_rows and at is not None and at not in found:
                found[at] = Fresh(sheet.lines[at].middle, answer, key)
    most = len(known.rows | known.doubtful) - known_count
    return [found[at] for at in sorted(found)][: max(0, most)]


def uncounted(located: Iterable[Located], root: Field, sheets: Sequence[PageLines]) -> list[tuple[str, int]]:
    """Lists with items, and pages whose rows cannot be counted, since only a picture shows them."""
    blind = {sheet.number for sheet in sheets if sheet.is_blind}
    return sorted(
        {
            (pointer, page)
            for answer in located
            for pointer in tables_of(root)
            if value_at(answer.answer.value, keys_of(pointer))
            for page in blind.intersection(answer.pages)
        }
    )


def tables_of(root: Field, pointer: str = "") -> Iterator[str]:
    """The pointers of the lists of objects that are in no other list."""
    for child in root.fields:
        here = f"{pointer}/{escape(child.name)}"
        if child.kind == "object":
            yield from tables_of(child, here)
        elif child.is_table:
            yield here


def anchors(located: Located, pointer: str) -> dict[int, Evidence]:
    """Evidence in the middle of all located values of an item, by the index of the item."""
    by_item: dict[int, list[Evidence]] = {}
    for key, entry in located.evidence.items():
        if key.startswith(f"{pointer}/") and entry.box is not None and entry.page is not None:
            by_item.setdefault(int(key[len(pointer) + 1 :].partition("/")[0]), []).append(entry)
    for leaves in by_item.values():
        leaves.sort(key=lambda entry: (entry.page or 0, (entry.box or (0, 0, 0, 0))[1]))
    return {item: leaves[len(leaves) // 2] for item, leaves in by_item.items()}


def _of_list(
    pointer: str,
    sheets: Sequence[PageLines],
    covered: Mapping[int, set[int]],
    others: Mapping[int, set[int]],
    counts: Mapping[int, int],
) -> Iterator[Coverage]:
    shapes = shapes_of(sheets, covered)
    if shapes is None:
        return
    running = _running(sheets, covered)
    gap, reach = _gap(covered), _reach(sheets, covered)
    is_few = sum(map(len, covered.values())) < LEAST_ROWS
    tables: list[_Table] = []
    for sheet in sheets:
        shape = shapes[sheet.number]
        rows = [
            at
            for at, line in enumerate(sheet.lines)
            if at in covered[sheet.number]
            or (
                at not in others[sheet.number]
                and fits(line, shape)
                and (
                    _key(line) not in running
                    or is_row_beyond_doubt(line, shape)
                    or _AT_EDGE <= at < len(sheet.lines) - _AT_EDGE
                )
            )
        ]
        tables += _tables(sheet, rows, covered[sheet.number], running, gap, reach)
    _tell_apart(tables)
    for sheet in sheets:
        own = covered[sheet.number]
        here = [table for table in tables if table.page == sheet.number]
        of_list = {at for table in here if table.is_of_list for at in table.rows} | own
        if is_few and len(of_list - own) == 1:
            of_list = own  # below a row or two stands their sum, as a rule
        doubtful = {at for table in here if not table.is_of_list and len(table.rows) >= LEAST_ROWS for at in table.rows}
        if of_list or doubtful:
            missing = max(0, len(of_list) - max(len(own), counts[sheet.number]))
            again = bool(missing or (doubtful and not own))
            yield Coverage(
                pointer, sheet.number, frozenset(of_list), frozenset(own), frozenset(doubtful), missing, again
            )


def _tables(
    sheet: PageLines, rows: Sequence[int], covered: set[int], running: set[tuple[int, int]], gap: int, reach: float
) -> Iterator[_Table]:
    """Rows of a page in runs: a total, more than `gap` other lines or `reach` points part two tables."""
    lines = sheet.lines
    runs: list[list[int]] = []
    for at in rows:
        between = lines[runs[-1][-1] + 1 : at] if runs else ()
        is_far = bool(runs) and lines[at].middle - lines[runs[-1][-1]].middle > reach
        if runs and not is_far and len(between) <= gap and not any(line.sums == "total" for line in between):
            runs[-1].append(at)
        else:
            runs.append([at])
    for index, run in enumerate(runs):
        above = lines[runs[index - 1][-1] + 1 if index else 0 : run[0]]
        below = lines[run[-1] + 1 : runs[index + 1][0] if index + 1 < len(runs) else len(lines)]
        head = tuple(line.likeness for line in reversed(above[-_HEAD:]))
        plain_above = [line for line in above if _key(line) not in running]
        plain_below = [line for line in below if _key(line) not in running and not line.sums]
        yield _Table(
            page=sheet.number,
            rows=run,
            head=head,
            is_covered=not covered.isdisjoint(run),
            goes_on_above=index == 0 and not plain_above,
            goes_on_below=index == len(runs) - 1 and len(plain_below) <= _AT_EDGE,
        )


def _tell_apart(tables: Sequence[_Table]) -> None:
    """Tables that are the list's: those with an item, those under the same head, and those that go on from page to page."""
    heads = {table.head for table in tables if table.is_covered and table.head}
    for table in tables:
        table.is_of_list = table.is_covered or table.head in heads
    links = [
        (before, after)
        for before, after in itertools.pairwise(tables)
        if after.page == before.page + 1 and before.goes_on_below and after.goes_on_above
    ]
    for before, after in links:
        after.is_of_list |= before.is_of_list
    nearest = {head[0] for head in heads}
    for before, after in reversed(links):  # another head is another table
        before.is_of_list |= after.is_of_list and (not before.head or not heads or before.head[0] in nearest)


def _gap(covered: Mapping[int, set[int]]) -> int:
    """Number of other lines between two rows of the list, nearly always."""
    gaps = sorted(
        after - before - 1 for there in covered.values() for before, after in itertools.pairwise(sorted(there))
    )
    return max(_LEAST_GAP, gaps[int(0.9 * (len(gaps) - 1))] if gaps else 0)


def _reach(sheets: Sequence[PageLines], covered: Mapping[int, set[int]]) -> float:
    """Largest distance in points between two adjacent rows of the list."""
    apart = sorted(
        sheet.lines[after].middle - sheet.lines[before].middle
        for sheet in sheets
        for before, after in itertools.pairwise(sorted(covered[sheet.number]))
    )
    height = max((line.height for sheet in sheets for line in sheet.lines), default=0.0)
    return max(_LINE_GAP * height, 1.5 * apart[int(0.9 * (len(apart) - 1))] if apart else 0.0)


def _answers_on(located: Sequence[Located], pointer: str) -> Counter[int]:
    """Items on pages that several answers are of, in parts: equal rows of two parts may have been found on one line."""
    items: Counter[int] = Counter()
    answers: Counter[int] = Counter()
    for answer in located:
        pages = [found.page for found in anchors(answer, pointer).values() if found.page is not None]
        items.update(pages)
        answers.update(set(pages))
    return Counter({page: count for page, count in items.items() if answers[page] > 1})


def _lines_of(sheets: Iterable[PageLines], places: Iterable[tuple[int, Box]]) -> dict[int, set[int]]:
    """Lines with an item on them, by page."""
    by_page: dict[int, list[Box]] = {}
    for page, box in places:
        by_page.setdefault(page, []).append(box)
    return {
        sheet.number: {at for box in by_page.get(sheet.number, ()) if (at := _index_on(sheet.lines, box)) is not None}
        for sheet in sheets
    }


def _item_places(located: Located, pointer: str) -> Iterator[tuple[int, Box]]:
    return ((anchor.page, anchor.box) for anchor in anchors(located, pointer).values() if anchor.page and anchor.box)


def _key(line: PrintedLine) -> tuple[int, int]:
    return line.likeness, round(line.middle)


def _running(sheets: Sequence[PageLines], covered: Mapping[int, set[int]]) -> set[tuple[int, int]]:
    """Running heads: lines at one height on most pages that differ in digits only, and are on no page an item's row.

    Those are headers and footers.
    """
    counts = Counter(found for sheet in sheets for found in {_key(line) for line in sheet.lines})
    rows = {_key(sheet.lines[at]) for sheet in sheets for at in covered[sheet.number]}
    return {found for found, count in counts.items() if count > max(1, len(sheets) / 2)} - rows


def _index_on(lines: Sequence[PrintedLine], box: Box) -> int | None:
    """Index of the line that a box is on."""
    middle = (box[1] + box[3]) / 2
    near = min(range(len(lines)), key=lambda at: abs(lines[at].middle - middle), default=None)
    return near if near is not None and abs(lines[near].middle - middle) <= max(1.0, lines[near].height) else None
