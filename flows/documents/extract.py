"""One document to rows: the pipeline, top to bottom.

    uri -read-> bytes -split-> pages -chunk-> chunks -prompt-> requests -ask-> completions
        -parse-> answers -ground-> located -merge-> record -tabulate-> rows -publish-> Parquet

One place catches per document (flows/runs/shard.py): whatever happens to it becomes a row of `failures`, and the others go on.
What stops the whole run (budget, a dead endpoint) passes through; what was not done is then deferred.
"""

import asyncio
import datetime
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from extractors.chunk import is_sent
from extractors.confidence.confidence import document_context, rated
from extractors.merge.merge import merge
from extractors.tabulate.tabulate import Batches, Extraction, page_batches, tabulate
from flows.documents.ask import Asker, ChunkResult, KeepRow, StoredAnswers, unanswered_problem
from flows.documents.completeness import CompletedLists, PageNotes, complete_lists
from flows.documents.extraction_tools import Tools
from flows.documents.recipe import Reader, Recipe, chunks_of
from flows.documents.sandbox import read_frames
from schemas.errors import (
    InvalidCompletionError,
)
from schemas.step_data import Chunk, Completion, Document, Located, Problem, Record

CHUNKS_IN_FLIGHT = 4  # of one document: enough to keep long documents moving, few enough to bound memory
_LOST = frozenset({"rejected", "unanswered", "rows"})  # problems that another model might not have


@dataclass(frozen=True, slots=True)
class Extracted:
    """Rows of a document, and the facts for the accounting."""

    batches: Batches
    extraction: Extraction


@dataclass(slots=True)
class _Used:
    """The answers that a document took, of every model that was asked."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_nusd: int | None = 0

    def add(self, completion: Completion) -> None:
        self.requests += 1
        self.prompt_tokens += completion.prompt_tokens
        self.completion_tokens += completion.completion_tokens
        self.cost_nusd = (
            None if self.cost_nusd is None or completion.cost_nusd is None else self.cost_nusd + completion.cost_nusd
        )


@dataclass(slots=True)
class _Reading:
    """State that accumulates while one model answers a document's chunks."""

    model: str
    located: list[Located] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    batches: Batches = field(default_factory=dict)
    notes: PageNotes = field(default_factory=PageNotes)

    def enter(self, result: ChunkResult, used: _Used) -> None:
        for completion in result.completions:
            used.add(completion)
        if result.located is not None:
            self.located.append(result.located)
        if (problem := unanswered_problem(result)) is not None:
            self.problems.append(problem)
            self.notes.unread.update(page.number for page in result.chunk.pages)

    def enter_proof(self, proven: CompletedLists, used: _Used) -> None:
        for completion in proven.completions:
            used.add(completion)
        self.located = proven.located
        self.problems += proven.problems


async def extract_document(
    tools: Tools, document: Document, path: Path, stored: StoredAnswers, keep: KeepRow, *, unusable: int = 0
) -> Extracted:
    """Extract one spooled document. `stored` are answers paid for earlier, `keep` journals a row of `calls`.

    `unusable` is how often it failed before because no answer could be used: so many times more it is asked.

    Raises DocumentError when it fails, BudgetExceededError and ModelUnavailableError when the run must stop.
    """
    began = time.monotonic()
    frames = path.with_name(f"{path.name}.frames")
    used = _Used()
    try:
        split = tools.sandbox.split(path, document.file_name, frames, tools.recipe.options)
        info = await tools.interrupt.guard(split)
        if tools.scans is not None:
            await tools.interrupt.guard(tools.scans.read(frames, document.document_id))
        reading, record = await _read(tools, document, frames, used, stored, keep, unusable)
    finally:
        frames.unlink(missing_ok=True)
    seen = document_context(_page_rows(reading.batches), used.requests, len(tools.recipe.groups))
    record = rated(record, tools.recipe.document_type.root, seen, tools.weights)
    extraction = Extraction(
        document=document,
        info=info,
        record=record,
        recipe_id=tools.recipe.recipe_id,
        model=reading.model,
        run_id=tools.run_id,
        extracted_at=datetime.datetime.now(datetime.UTC),
        seconds=round(time.monotonic() - began, 3),
        requests=used.requests,
        prompt_tokens=used.prompt_tokens,
        completion_tokens=used.completion_tokens,
        cost_nusd=used.cost_nusd,
    )
    return Extracted({**reading.batches, **tabulate(extraction, tools.recipe.document_type)}, extraction)


def _page_rows(batches: Batches) -> list[dict[str, Any]]:
    """The rows of `pages` without their texts."""
    columns = ["page", "sent_as", "hidden_text", "chunk"]
    return [row for batch in batches.get("pages", ()) for row in batch.select(columns).to_pylist()]


async def _read(
    tools: Tools, document: Document, frames: Path, used: _Used, stored: StoredAnswers, keep: KeepRow, unusable: int
) -> tuple[_Reading, Record]:
    """The document as the first model reads it whose answers are all valid, else as the one that lost least."""
    best: tuple[int, _Reading, Record] | None = None
    why: str = ""
    own = tools.recipe.own_pages(read_frames(frames))
    for reader in tools.recipe.readers:
        asker = Asker(
            tools.recipe, reader, tools.answers, tools.run_id, document.document_id, stored, keep, unusable, own
        )  # fmt: skip
        reading = _Reading(reader.decoding.model)
        async for result in _answered(asker, _chunks(tools.recipe, reader, frames, reading, document.document_id)):
            reading.enter(result, used)
        lost = [problem for problem in reading.problems if problem.kind == "unanswered"]
        if lost and not reading.located:
            why = why or lost[0].message
            continue
        proven = await complete_lists(asker, frames, reading.notes, reading.located)
        reading.enter_proof(proven, used)
        record = merge(reading.located, tools.recipe.document_type, reading.problems)
        if record.unsettled and tools.recipe.asks_to_settle:
            chosen, completion = await asker.choose(reading.located, record.unsettled)
            if completion is not None:
                used.add(completion)
            record = merge(reading.located, tools.recipe.document_type, reading.problems, chosen)
        count = sum(problem.kind in _LOST for problem in record.problems)
        if best is None or count < best[0]:
            best = count, reading, record
        if not count:
            break
    if best is None:
        raise InvalidCompletionError(f"{document.file_name}: {why}")
    return best[1], best[2]


def _chunks(recipe: Recipe, reader: Reader, frames: Path, reading: _Reading, document_id: str) -> Iterator[Chunk]:
    """The chunks to ask for; every page's row and problem is noted on the way."""
    cut: list[Chunk] = []  # the parts of one page, until its row can be written whole

    def note() -> None:
        for table, batches in page_batches(document_id, _whole(cut)).items() if cut else ():
            reading.batches.setdefault(table, []).extend(batches)
        cut.clear()

    for chunk in chunks_of(recipe, reader, read_frames(frames)):
        reading.notes.add(chunk)
        if chunk.part == 0:
            note()
            reading.problems += [Problem("", "page", page.problem) for page in chunk.pages if page.problem is not None]
            reading.problems += [
                Problem("", "hidden", f"page {page.number}: {page.hidden_text} hidden characters were left out")
                for page in chunk.pages
                if page.hidden_text
            ]
        cut.append(chunk)
        if is_sent(chunk):
            yield chunk
    note()


def _whole(parts: Sequence[Chunk]) -> Chunk:
    """A page that was cut, in one piece again."""
    first = parts[0]
    if len(parts) == 1:
        return first
    text = "\n".join(part.pages[0].text for part in parts)
    return replace(
        first, pages=(replace(first.pages[0], text=text),), page_tokens=(sum(p.page_tokens[0] for p in parts),)
    )


async def _answered(asker: Asker, chunks: Iterator[Chunk]) -> AsyncIterator[ChunkResult]:
    """Results in page order, a few chunks in flight. When one fails, those in flight are still waited for: they are paid."""
    flying: deque[asyncio.Task[list[ChunkResult]]] = deque()
    try:
        for chunk in chunks:
            flying.append(asyncio.create_task(asker.ask(chunk)))
            if len(flying) >= CHUNKS_IN_FLIGHT:
                for result in await flying.popleft():
                    yield result
        while flying:
            for result in await flying.popleft():
                yield result
    finally:
        await asyncio.gather(*flying, return_exceptions=True)
