"""Requests for the chunks of one document to one model: asked again in another way, or given up.

- an answer that is too long halves its chunk, as does a request that the endpoint finds too large;
- one that runs away is asked for again without constraints and at a higher temperature;
- an empty, refused, filtered or broken one is asked for again as it was;
- of one with values that do not fit the schema just these are asked for again, with the reason, at most twice;
- a document that failed for want of a usable answer, and is due again, is asked once more for each such failure: stored answers
  are looked at first, so what was asked before costs nothing, and one that can be used ends the asking.

What still cannot be used is null, with its reason, and the rest of the answer is kept.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from extractors.chunk import answer_estimator, halves, scalar_answer_tokens
from extractors.ground.ground import ground
from extractors.merge.choose import choice_request, choices
from extractors.parse.finish_verdict import Ending, ending
from extractors.parse.parse import parse, parse_cut
from extractors.parse.repair import failing, repaired
from extractors.prompt.prompt import prompt
from extractors.tabulate.tabulate import call_row
from flows.documents.recipe import Reader, Recipe
from flows.model.single_flight import Answers
from schemas.document_type import conforms
from schemas.errors import AnswerNotStoredError, InvalidCompletionError, PicturesRefusedError, RequestTooLargeError
from schemas.fields import Field, field_at, keys_of
from schemas.step_data import Answer, Chunk, Completion, Located, Problem, Request

MOST_AGAIN = 3  # times that a chunk is asked for again as a whole
PROOF_ATTEMPT = 10  # the attempt from which a page is asked for once more to prove its list: a request of its own
LATER_ATTEMPT = 20  # the attempt from which a document that failed is asked again, on a later night or after `retry`
MOST_REPAIRS = 2  # times that the failing parts of an answer are asked for again
_TOO_LONG = "the answer is longer than the model's output limit"
_SAID: Mapping[Ending, str] = {
    "degenerate": "the model ran on to its output limit without an end",
    "empty": "the model's answer is empty",
    "filtered": "the endpoint's content filter withheld the answer",
    "refused": "the model refused to answer",
}

StoredAnswers = Mapping[tuple[str, str], Mapping[str, Any]]
KeepRow = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """Result of one chunk (or of half of one). `problem` says why it has no answer."""

    chunk: Chunk
    completions: tuple[Completion, ...]
    located: Located | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class _Asked:
    """Question to a chunk: a group of fields (None for all), its tree, and the number of the first attempt."""

    group: Field | None
    root: Field
    first: int = 0


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks `reader` for the chunks of one document. `stored` are answers paid for earlier, `keep` journals new ones.

    `unusable` is how often the document failed before because none of its answers could be used, `own` what examples that were
    made of it are known by.
    """

    recipe: Recipe
    reader: Reader
    answers: Answers
    run_id: str
    document_id: str
    stored: StoredAnswers
    keep: KeepRow
    unusable: int = 0
    own: frozenset[str] = frozenset()

    async def ask(self, whole: Chunk) -> list[ChunkResult]:
        """The results for a chunk, of one group of fields after the other: their requests start alike, for prompt caches."""
        found: list[ChunkResult] = []
        for group in self.recipe.group_roots:
            found += await self._ask(whole, _Asked(group, group or self.recipe.document_type.root))
        return found

    async def ask_again(self, whole: Chunk, pointers: Collection[str]) -> list[ChunkResult]:
        """The results for a page that is asked for once more, for the groups of fields that have these lists."""
        found: list[ChunkResult] = []
        for group in self.recipe.group_roots:
            root = group or self.recipe.document_type.root
            if any(field_at(root, keys_of(pointer)) for pointer in pointers):
                found += await self._ask(whole, _Asked(group, root, PROOF_ATTEMPT))
        return found

    async def choose(
        self, located: Sequence[Located], pointers: Sequence[str]
    ) -> tuple[dict[str, int], Completion | None]:
        """Candidate that counts for each pointer, asked in one small request; empty where there is no answer."""
        request = choice_request(located, pointers, self.recipe.document_type, self.reader.decoding)
        try:
            completion = await self._completion(request, Chunk(request.chunk, 0, (), ()), None)
        except InvalidCompletionError:
            return {}, None
        return choices(completion.text, pointers), completion

    async def _ask(self, whole: Chunk, asked: _Asked) -> list[ChunkResult]:
        """The results for one group in page order: several where the chunk had to be asked for in pieces."""
        seen: list[Completion] = []
        reason = ""
        is_free = False
        last: Answer | None = None
        examples = self.recipe.turns(whole, asked.group, self.own)
        for attempt in self._attempts(asked):
            request = prompt(
                whole, self.recipe.document_type, self.reader.decoding, attempt, is_free=is_free, group=asked.group,
                examples=examples,
            )  # fmt: skip
            try:
                completion = await self._completion(request, whole, asked.root if attempt == 0 else None)
            except RequestTooLargeError as error:
                return await self._in_halves(whole, asked, ChunkResult(whole, tuple(seen), None, str(error)))
            except PicturesRefusedError as error:
                return await self._without_pictures(whole, asked, str(error))
            except InvalidCompletionError as error:
                reason = str(error)
                break
            seen.append(completion)
            ended = self._ending(completion, whole, asked.root)
            if ended == "long":
                kept = parse_cut(completion.text, asked.root)
                located = None if kept is None else ground(kept, asked.root, whole.index, whole.pages)
                if located is None and self.unusable and not asked.first and halves(whole) is None:
                    reason = _TOO_LONG
                    continue  # it failed by this answer before
                return await self._in_halves(whole, asked, ChunkResult(whole, tuple(seen), located, _TOO_LONG))
            is_free = is_free or ended == "degenerate"
            if ended != "whole":
                reason = _SAID[ended]
                continue
            try:
                answer = parse(completion.text, asked.root)
            except InvalidCompletionError as error:
                reason = str(error)
                await self.answers.endpoint.judge(completion, keeps_schema=False)
                continue
            if answer.is_whole:
                keeps = not answer.problems or conforms(completion.text, request.schema)
                await self.answers.endpoint.judge(completion, keeps_schema=keeps)
                return [await self._repaired(whole, asked, answer, seen)]
            reason, last = "the model's answer breaks off in the middle", answer
        if last is not None:  # better a part that says so than nothing
            located = ground(last, asked.root, whole.index, whole.pages)
            return [ChunkResult(whole, tuple(seen), located, reason)]
        return [ChunkResult(whole, tuple(seen), None, reason)]

    def _attempts(self, asked: _Asked) -> list[int]:
        """The numbers of the requests that one chunk may take."""
        first = list(range(asked.first, asked.first + MOST_AGAIN + 1))
        return first if asked.first else [*first, *range(LATER_ATTEMPT, LATER_ATTEMPT + self.unusable)]

    async def _in_halves(self, whole: Chunk, asked: _Asked, so_far: ChunkResult) -> list[ChunkResult]:
        """The two halves of a chunk; `so_far` has the values outside of lists in its cut answer, whose lists are asked again."""
        parts = halves(whole)
        if parts is None:
            return [so_far]
        first = await self._ask(parts[0], asked)
        second = await self._ask(parts[1], asked)
        return [replace(so_far, problem=None), *first, *second]

    async def _without_pictures(self, whole: Chunk, asked: _Asked, why: str) -> list[ChunkResult]:
        """The chunk's text alone, for an endpoint that takes no pictures; the pages that lack one are named."""
        bare = tuple(replace(page, image=None, figures=()) for page in whole.pages)
        lost = ChunkResult(replace(whole, pages=tuple(page for page in whole.pages if page.images)), (), None, why)
        if not any(page.text for page in bare):
            return [lost]
        return [*await self._ask(replace(whole, pages=bare), asked), lost]

    async def _repaired(self, whole: Chunk, asked: _Asked, answer: Answer, seen: list[Completion]) -> ChunkResult:
        """The answer with its failing parts asked again; an answer that repeats the failure is the last."""
        document_type, root = self.recipe.document_type, asked.root
        for attempt in range(MOST_REPAIRS):
            invalid = [problem for problem in document_type.validate(answer.value) if problem.kind == "rejected"]
            repair = failing(answer, invalid, root)
            if repair is None:
                break
            request = prompt(whole, document_type, self.reader.decoding, attempt, group=asked.group, repair=repair)
            try:
                completion = await self._completion(request, whole, None)
                seen.append(completion)
                again = parse(completion.text, repair.root)
            except InvalidCompletionError:
                continue
            except AnswerNotStoredError:  # a replay: today's parser asks for what yesterday's did not
                break
            better = repaired(answer, again, repair, root)
            known = {problem.message for problem in (*answer.problems, *invalid)}
            if better == answer and {problem.message for problem in again.problems} <= known:
                break  # the pages do not state it, or the model will not be moved
            answer = better
        located = ground(answer, root, whole.index, whole.pages)
        return ChunkResult(whole, tuple(seen), located, None)

    def _ending(self, completion: Completion, whole: Chunk, root: Field) -> Ending:
        """End of an answer, against what its pages can honestly make a model write: twice their tokens, and the schema."""
        rows = answer_estimator(root)
        most = sum(rows(page) for page in whole.pages) + scalar_answer_tokens(root) + sum(whole.page_tokens)
        lines = sum(page.text.count("\n") + 1 for page in whole.pages)
        has_images = any(page.images for page in whole.pages)
        return ending(completion, self.reader.decoding.window if has_images else 2 * most, lines)

    async def _completion(self, request: Request, whole: Chunk, expected: Field | None) -> Completion:
        """Stored answer, or one asked now and kept. `expected` are the tokens of the estimate, if it counts them."""

        async def keep(completion: Completion) -> None:
            await self.keep(call_row(self.document_id, self.run_id, whole.index, whole.part, completion))

        row = self.stored.get((self.document_id, request.request_id))
        if row is not None:
            completion = _from_row(row)
            if row.get("is_lent"):  # by another dataset: from now on this one has it, as reused
                await keep(replace(completion, attempts=0, prompt_tokens=0, completion_tokens=0, cost_nusd=0))
            return completion
        if expected is not None:
            self.answers.endpoint.expect(request, expected_answer(expected, whole))
        return await self.answers.get(request, keep)


def expected_answer(root: Field, whole: Chunk) -> int:
    """Expected tokens of the answer for a chunk, as `estimate` counts them."""
    return scalar_answer_tokens(root) + sum(map(answer_estimator(root), whole.pages))


def unanswered_problem(result: ChunkResult) -> Problem | None:
    """The problem of a chunk without an answer, by its pages."""
    if result.problem is None:
        return None
    numbers = ", ".join(str(page.number) for page in result.chunk.pages)
    return Problem("", "unanswered", f"pages {numbers}: {result.problem}")


def _from_row(row: Mapping[str, Any]) -> Completion:
    cost = row["cost_usd"]
    names = ("request_id", "finish_reason", "model", "model_returned", "provider", "prompt_tokens", "completion_tokens")
    return Completion(
        **{name: row[name] for name in (*names, "seconds", "attempts")},
        text=row["response"],
        cost_nusd=None if cost is None else round(cost * 1e9),
    )
