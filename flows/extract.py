"""A document and a shard of documents to published rows: the pipeline, top to bottom.

    uri -read-> bytes -split-> pages -chunk-> chunks -prompt-> requests -ask-> completions
        -parse-> answers -ground-> located -merge-> record -tabulate-> rows -publish-> Parquet

One place catches per document (flows/run.py): whatever happens to it becomes a row of `failures`, and the others go on. What
stops the whole run (budget, a dead endpoint) passes through; what was not done is then deferred.
"""

import asyncio
import datetime
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from extractors.chunk import answer_estimator, chunk, halves
from extractors.ground import ground
from extractors.merge import merge
from extractors.parse import parse
from extractors.prompt import page_tokens, prompt
from extractors.tabulate import Batches, Extraction, call_row, page_batches, rows, tabulate
from flows.model import Answers
from flows.recipe import Recipe
from flows.sandbox import Sandbox, read_frames
from schemas.errors import (
    BudgetExceededError,
    DocumentError,
    InvalidCompletionError,
    ModelUnavailableError,
    RunStoppedError,
)
from schemas.pipeline import Answer, Chunk, Completion, Document, Located, Page, Problem

CHUNKS_IN_FLIGHT = 4  # of one document: enough to keep long documents moving, few enough to bound memory

Stored = Mapping[tuple[str, str], Mapping[str, Any]]
Keep = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Tools:
    """What every document of a run is extracted with."""

    recipe: Recipe
    sandbox: Sandbox
    answers: Answers
    run_id: str


@dataclass(frozen=True, slots=True)
class Extracted:
    """A document's rows and what the accounting needs of them. `value` and `evidence` are for people who look at one."""

    batches: Batches
    extraction: Extraction


@dataclass(slots=True)
class _Used:
    """The answers that entered a document."""

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
    """What accumulates while a document's chunks are answered."""

    located: list[Located] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    used: _Used = field(default_factory=_Used)
    batches: Batches = field(default_factory=dict)


async def extract_document(tools: Tools, document: Document, path: Path, stored: Stored, keep: Keep) -> Extracted:
    """Extract one spooled document. `stored` are answers paid for earlier, `keep` journals a row of `calls`.

    Raises DocumentError when it fails, BudgetExceededError and ModelUnavailableError when the run must stop.
    """
    began = time.monotonic()
    frames = path.with_name(f"{path.name}.frames")
    try:
        info = await tools.sandbox.split(path, document.file_name, frames, tools.recipe.options)
        reading = _Reading()
        asker = _Asker(tools, document.document_id, stored, keep)
        async for result in _answered(asker, _chunks(tools.recipe, frames, reading, document.document_id)):
            result.enter(reading)
    finally:
        frames.unlink(missing_ok=True)
    unanswered = [problem for problem in reading.problems if problem.kind == "unanswered"]
    if unanswered and not reading.located:
        raise InvalidCompletionError(f"{document.file_name}: {unanswered[0].message}; it is tried again another night")
    record = merge(reading.located, tools.recipe.document_type, reading.problems)
    extraction = Extraction(
        document=document,
        info=info,
        record=record,
        recipe_id=tools.recipe.recipe_id,
        model=tools.recipe.decoding.model,
        run_id=tools.run_id,
        extracted_at=datetime.datetime.now(datetime.UTC),
        seconds=round(time.monotonic() - began, 3),
        requests=reading.used.requests,
        prompt_tokens=reading.used.prompt_tokens,
        completion_tokens=reading.used.completion_tokens,
        cost_nusd=reading.used.cost_nusd,
    )
    return Extracted({**reading.batches, **tabulate(extraction, tools.recipe.document_type)}, extraction)


def chunks_of(recipe: Recipe, pages: Iterable[Page]) -> Iterator[Chunk]:
    """The chunks that `pages` are sent in under `recipe`; a document without anything to read has none."""
    for each in chunk(pages, recipe.room, page_tokens, answer_estimator(recipe.document_type.root)):
        if any(page.text or page.images for page in each.pages):
            yield each


def _chunks(recipe: Recipe, frames: Path, reading: _Reading, document_id: str) -> Iterator[Chunk]:
    """The chunks to ask for; every page's row and problem is noted on the way."""
    cut: list[Chunk] = []  # the parts of one page, until its row can be written whole

    def note() -> None:
        for table, batches in page_batches(document_id, _whole(cut)).items() if cut else ():
            reading.batches.setdefault(table, []).extend(batches)
        cut.clear()

    for each in chunk(read_frames(frames), recipe.room, page_tokens, answer_estimator(recipe.document_type.root)):
        if each.part == 0:
            note()
            reading.problems += [Problem("", "page", page.problem) for page in each.pages if page.problem is not None]
            reading.problems += [
                Problem("", "hidden", f"page {page.number}: {page.hidden_text} hidden characters were left out")
                for page in each.pages
                if page.hidden_text
            ]
        cut.append(each)
        if any(page.text or page.images for page in each.pages):
            yield each
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


@dataclass(frozen=True, slots=True)
class _Result:
    """What came of one chunk (or of a half of one)."""

    chunk: Chunk
    completion: Completion | None
    located: Located | None
    problem: str | None

    def enter(self, reading: _Reading) -> None:
        if self.completion is not None:
            reading.used.add(self.completion)
        if self.located is not None:
            reading.located.append(self.located)
        if self.problem is not None:
            numbers = ", ".join(str(page.number) for page in self.chunk.pages)
            reading.problems.append(Problem("", "unanswered", f"pages {numbers}: {self.problem}"))


@dataclass(frozen=True, slots=True)
class _Asker:
    """Asks for the chunks of one document."""

    tools: Tools
    document_id: str
    stored: Stored
    keep: Keep

    async def answer(self, whole: Chunk) -> list[_Result]:
        """The results for a chunk in page order: several where its answer was cut by length."""
        recipe = self.tools.recipe
        request = prompt(whole, recipe.document_type, recipe.decoding)
        try:
            completion = self._stored(request.request_id) or await self.tools.answers.get(request, self._keeper(whole))
        except InvalidCompletionError as error:
            return [_Result(whole, None, None, str(error))]
        if completion.finish_reason == "length":
            parts = halves(whole)
            if parts is None:
                return [_Result(whole, completion, None, "the answer is longer than the model's output limit")]
            first = await self.answer(parts[0])
            second = await self.answer(parts[1])
            return [_Result(whole, completion, None, None), *first, *second]
        try:
            answer: Answer = parse(completion.text, recipe.document_type.root)
        except InvalidCompletionError as error:
            return [_Result(whole, completion, None, str(error))]
        located = ground(answer, recipe.document_type.root, whole.index, whole.pages)
        return [_Result(whole, completion, located, None)]

    def _keeper(self, whole: Chunk) -> Callable[[Completion], Awaitable[None]]:
        async def keep(completion: Completion) -> None:
            await self.keep(call_row(self.document_id, self.tools.run_id, whole.index, whole.part, completion))

        return keep

    def _stored(self, request_id: str) -> Completion | None:
        row = self.stored.get((self.document_id, request_id))
        if row is None:
            return None
        cost = row["cost_usd"]
        return Completion(
            request_id=request_id,
            text=row["response"],
            finish_reason=row["finish_reason"],
            model=row["model"],
            model_returned=row["model_returned"],
            provider=row["provider"],
            prompt_tokens=row["prompt_tokens"],
            completion_tokens=row["completion_tokens"],
            cost_nusd=None if cost is None else round(cost * 1e9),
            seconds=row["seconds"],
            attempts=row["attempts"],
        )


async def _answered(asker: _Asker, chunks: Iterator[Chunk]) -> AsyncIterator[_Result]:
    """Results in page order, a few chunks in flight. When one fails, those in flight are still waited for: they are paid."""
    flying: deque[asyncio.Task[list[_Result]]] = deque()
    try:
        for each in chunks:
            flying.append(asyncio.create_task(asker.answer(each)))
            if len(flying) >= CHUNKS_IN_FLIGHT:
                for result in await flying.popleft():
                    yield result
        while flying:
            for result in await flying.popleft():
                yield result
    finally:
        await asyncio.gather(*flying, return_exceptions=True)


def stored_answers(table: pa.Table, ids: Iterable[str]) -> Stored:
    """The rows of `calls` for these documents, by document and request."""
    wanted = table.filter(pc.is_in(table.column("document_id"), value_set=pa.array(list(ids), pa.string())))
    return {(row["document_id"], row["request_id"]): row for row in wanted.to_pylist()}


def failure_row(
    error: Exception, uri: str, document_id: str | None, run_id: str, recipe_id: str, attempts: int
) -> pa.RecordBatch:
    """The row of `failures` for what stopped one document."""
    known = isinstance(error, DocumentError)
    message = str(error) if known else f"{type(error).__name__}: {error}"
    return rows(
        "failures",
        [
            {
                "document_id": document_id,
                "source_uri": uri,
                "run_id": run_id,
                "at": datetime.datetime.now(datetime.UTC),
                "stage": error.stage if isinstance(error, DocumentError) else "extract",
                "error": type(error).__name__,
                "message": message,
                "attempts": attempts,
                "retryable": error.retryable if isinstance(error, DocumentError) else True,
                "recipe_id": recipe_id,
            }
        ],
    )


STOPS = (BudgetExceededError, ModelUnavailableError, RunStoppedError)  # what ends a run rather than a document
__all__ = ["STOPS", "Extracted", "Tools", "chunks_of", "extract_document", "failure_row", "stored_answers"]
