"""Proof of a document's lists: pages with rows that no item covers are asked once more; the rest is reported."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from extractors.complete.coverage import Coverage, Fresh, coverage, fresh_items, uncounted
from extractors.complete.lines import PageLines, page_lines
from extractors.complete.splice import items_on, splice
from flows.documents.ask import Asker, ChunkResult
from flows.documents.recipe import chunks_of
from flows.documents.sandbox import read_frames
from schemas.step_data import Chunk, Completion, Located, Problem

PAGES_IN_FLIGHT = 4


@dataclass(slots=True)
class PageNotes:
    """Notes of pages whose words are gone: their lines, the chunk they were in, and those without an answer."""

    sheets: dict[int, PageLines] = field(default_factory=dict)
    chunks: dict[int, int] = field(default_factory=dict)
    unread: set[int] = field(default_factory=set)

    def add(self, whole: Chunk) -> None:
        """Note the pages of a chunk."""
        for page in whole.pages:
            if page.number not in self.sheets:
                self.sheets[page.number] = page_lines(page)
                self.chunks[page.number] = whole.index


@dataclass(frozen=True, slots=True)
class CompletedLists:
    """Answers of a document after the proof, the completions that it took, and the unproven rows."""

    located: list[Located]
    completions: list[Completion]
    problems: list[Problem]


async def complete_lists(asker: Asker, frames: Path, notes: PageNotes, located: list[Located]) -> CompletedLists:
    """Ask once more for each page that shows rows without an item, and take the items on these rows."""
    root = asker.recipe.document_type.root
    sheets = [notes.sheets[number] for number in sorted(notes.sheets)]
    counted = coverage(located, root, sheets)
    gaps: dict[int, list[Coverage]] = {}
    for coverage_of_list in counted:
        if coverage_of_list.again and coverage_of_list.page not in notes.unread:
            gaps.setdefault(coverage_of_list.page, []).append(coverage_of_list)
    completions: list[Completion] = []
    fresh: dict[str, dict[int, list[Fresh]]] = {}
    for number, results in (await _again(asker, frames, notes, gaps)).items():
        completions += [
            completion for coverage_of_list in results for completion in coverage_of_list.completions
        ]  # paid for, used or not
        answers = [coverage_of_list.located for coverage_of_list in results if coverage_of_list.located is not None]
        if any(coverage_of_list.problem is not None for coverage_of_list in results):
            continue
        for gap in gaps[number]:
            found = fresh_items(answers, notes.sheets[number], gap, items_on(located, gap.pointer, number))
            if found:
                fresh.setdefault(gap.pointer, {})[number] = found
    for pointer, items in fresh.items():
        located = splice(located, items, pointer)
    if fresh:
        counted = coverage(located, root, sheets)
    return CompletedLists(located, completions, list(_problems(counted, uncounted(located, root, sheets))))


async def _again(
    asker: Asker, frames: Path, notes: PageNotes, gaps: Mapping[int, Collection[Coverage]]
) -> dict[int, list[ChunkResult]]:
    """The second answers for each page with a gap, a few pages in flight."""
    slots = asyncio.Semaphore(PAGES_IN_FLIGHT)

    async def one(parts: Sequence[Chunk], pointers: Collection[str]) -> list[ChunkResult]:
        try:
            return [result for part in parts for result in await asker.ask_again(part, pointers)]
        finally:
            slots.release()

    tasks: dict[int, asyncio.Task[list[ChunkResult]]] = {}
    try:
        for page in read_frames(frames) if gaps else ():
            if page.number in gaps:
                await slots.acquire()
                index = notes.chunks[page.number]
                parts = [replace(chunk, index=index) for chunk in chunks_of(asker.recipe, asker.reader, [page])]
                pointers = {gap.pointer for gap in gaps[page.number]}
                tasks[page.number] = asyncio.create_task(one(parts, pointers))
        return {number: await task for number, task in tasks.items()}
    finally:
        await asyncio.gather(*tasks.values(), return_exceptions=True)


def _problems(counted: Sequence[Coverage], blind: Sequence[tuple[str, int]]) -> list[Problem]:
    problems = []
    for found in counted:
        where, name = f"page {found.page}", found.pointer[1:]
        if found.missing:
            message = f"{where}: {found.missing} of {found.shown} rows of {name} are not in it"
            problems.append(Problem("", "rows", message))
        if found.doubtful:
            message = f"{where}: {len(found.doubtful)} lines look like rows of {name}, but seem to be of another table"
            problems.append(Problem("", "uncounted", message))
    message = "{}: the rows of {} cannot be counted"
    problems += [Problem("", "uncounted", message.format(f"page {page}", name[1:])) for name, page in blind]
    return problems
