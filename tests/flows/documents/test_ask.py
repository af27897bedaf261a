"""What becomes of an answer, good or bad: over a real socket, from the endpoint's bytes to the values that are kept.

`docs/answers.md` shows the table of malformed answers; `python -m tests.flows.documents.test_ask` writes it anew.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pymupdf
import pytest

from extractors.merge.merge import merge
from flows.documents.ask import Asker, ChunkResult, unanswered_problem
from flows.documents.recipe import make_recipe
from flows.model.budget import Spending
from flows.model.endpoint import Endpoint
from flows.model.single_flight import Answers
from flows.settings import load_settings
from schemas.document_type import DocumentType
from schemas.step_data import Chunk, Page, Word
from tests.conftest import ROOT
from tests.support.answering import Reply
from tests.support.scripted import Scripted, answer, error, scripted

TYPE = DocumentType.from_schema(
    {
        "title": "note",
        "type": "object",
        "required": ["number"],
        "properties": {
            "number": {"type": "string"},
            "day": {"type": "string", "format": "date"},
            "total": {"type": "number", "format": "decimal"},
            "kind": {"enum": ["credit", "debit"]},
            "seller": {"type": "object", "properties": {"name": {"type": "string"}}},
            "rows": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"name": {"type": "string"}, "quantity": {"type": "integer"}},
                },
            },
        },
    },
    "note",
)
TEXT = "Number A-7 Day 14 March 2026 Total 1,234.50\nkind debit\nseller Acme\npump 2\nhose 5"
ROWS = [{"name": "pump", "quantity": 2}, {"name": "hose", "quantity": 5}]
RIGHT = {
    "number": "A-7",
    "day": "2026-03-14",
    "total": 1234.5,
    "kind": "debit",
    "seller": {"name": "Acme"},
    "rows": ROWS,
}
FAST = {"backoff": 0.01, "patience": 20.0, "request_timeout": 10.0}


def page(number: int = 1, text: str = TEXT) -> Page:
    words = tuple(Word(word, 10.0 * place, 10.0, 10.0 * place + 8, 20.0) for place, word in enumerate(text.split()))
    return Page(number, 595.0, 842.0, text, words, "text", "text is enough")


def pages(count: int) -> Chunk:
    return Chunk(0, 0, tuple(page(number) for number in range(1, count + 1)), (60,) * count)


@dataclass(frozen=True)
class Outcome:
    """What came of one chunk: the merged value, its status, what is said of it, and the calls that it took."""

    value: dict[str, Any]
    status: str
    problems: tuple[str, ...]
    asked: list[dict[str, Any]]
    kept: list[dict[str, Any]]


def outcome_of(replies: Sequence[Reply], chunk: Chunk | None = None, **settings: Any) -> Outcome:
    with scripted(replies) as server:
        results, kept = asyncio.run(_ask(server, chunk or pages(1), settings))
    located = [result.located for result in results if result.located is not None]
    lost = [problem for result in results if (problem := unanswered_problem(result)) is not None]
    record = merge(located, TYPE, lost)
    said = tuple(f"{problem.field or 'record'}: {problem.message}" for problem in record.problems)
    return Outcome(dict(record.value), record.status, said, server.asked, kept)


async def _ask(server: Scripted, chunk: Chunk, more: dict[str, Any]) -> tuple[list[ChunkResult], list[dict[str, Any]]]:
    settings = load_settings(**{"base_url": server.url, **FAST, **more})
    endpoint = Endpoint(settings, server.url, None, Spending())
    recipe = make_recipe(TYPE, settings)
    kept: list[dict[str, Any]] = []

    async def keep(row: dict[str, Any]) -> None:
        kept.append(row)

    asker = Asker(recipe, recipe.readers[0], Answers(endpoint), "run", "document", {}, keep)
    try:
        return await asker.ask(chunk), kept
    finally:
        await endpoint.close()


def changed(**values: Any) -> str:
    return json.dumps({**RIGHT, **values})


def rows_with(place: int, **values: Any) -> list[dict[str, Any]]:
    return [{**row, **values} if index == place else row for index, row in enumerate(ROWS)]


GOOD = answer(json.dumps(RIGHT))
CUT = json.dumps(RIGHT)[:-40]
LOOP = json.dumps(RIGHT)[:60]
USED_UP = {"prompt_tokens": 100, "completion_tokens": 8_192}

# what the endpoint sends · what comes of it · calls
TABLE: dict[str, tuple[list[Reply], str, int]] = {
    "in a ```json fence": ([answer(f"```json\n{json.dumps(RIGHT)}\n```")], "read", 1),
    "after a sentence, before another": ([answer(f"Here it is:\n{json.dumps(RIGHT)}\nAnything else?")], "read", 1),
    "after thoughts with braces": ([answer("<think>{so} it is a note</think>\n" + json.dumps(RIGHT))], "read", 1),
    "as the only item of a list": ([answer(json.dumps([RIGHT]))], "read", 1),
    "a comma too many": ([answer(json.dumps(RIGHT)[:-1] + ",}")], "read", 1),
    "in Python's spelling": ([answer(str(RIGHT))], "read", 1),
    "content as a list of parts": ([answer([{"type": "text", "text": json.dumps(RIGHT)}])], "read", 1),
    "keys that nobody asked for": ([answer(changed(comment="hello"))], "read", 1),
    "one key twice": ([answer('{"number": "B-8", ' + json.dumps(RIGHT)[1:])], "read: the last one counts", 1),
    "a number as `1.234,50 EUR`": ([answer(changed(total="1.234,50 EUR"))], "read", 1),
    "a date as `14. März 2026`": ([answer(changed(day="14. März 2026"))], "read", 1),
    "a choice in capitals": ([answer(changed(kind="DEBIT"))], "read", 1),
    "a whole number as `2.0`": ([answer(changed(rows=rows_with(0, quantity=2.0)))], "read", 1),
    "usage missing or absurd": ([answer(json.dumps(RIGHT), usage={"prompt_tokens": -1, "cost": 1e99})], "read", 1),
    "a null byte and half a character": ([answer(changed(number="A\u0000-\ud800"))], "read: each becomes U+FFFD", 1),
    "a number that is none, once": (
        [answer(changed(total="many")), answer('{"total": 1234.5}')],
        "field asked again",
        2,
    ),
    "a date that is none, for ever": (
        [answer(changed(day="soon")), answer('{"day": "later"}'), answer('{"day": "never"}')],
        "null, reason kept",
        3,
    ),
    "the same impossible value again": ([answer(changed(total="1e30"))], "null, reason kept", 2),
    "a list item with a wrong value": (
        [answer(changed(rows=rows_with(1, quantity="few"))), answer('{"rows": [{"item": 1, "quantity": 5}]}')],
        "that item asked again",
        2,
    ),
    "a text for an object": (
        [answer(changed(seller="Acme")), answer('{"seller": {"name": "Acme"}}')],
        "field asked again",
        2,
    ),
    "a text for a list": (
        [answer(changed(rows="see above")), answer(json.dumps({"rows": ROWS}))],
        "list asked again",
        2,
    ),
    "NaN": (
        [answer(json.dumps({**RIGHT, "total": float("nan")})), answer('{"total": 1234.5}')],
        "field asked again",
        2,
    ),
    "a choice that is none": ([answer(changed(kind="gift")), answer('{"kind": "debit"}')], "field asked again", 2),
    "broken off, finish `stop`": ([answer(CUT), GOOD], "asked again", 2),
    "broken off for ever": ([answer(CUT)], "what came is kept, said to be cut", 4),
    "empty": ([answer(""), GOOD], "asked again", 2),
    "empty for ever": ([answer("")], "nothing, reason kept", 4),
    "prose": ([answer("I cannot read this document."), GOOD], "asked again", 2),
    "a refusal": ([answer(None, refusal="I will not."), GOOD], "asked again", 2),
    "withheld by a content filter": ([answer("", "content_filter"), GOOD], "asked again", 2),
    "white space to the limit": ([answer(LOOP + " " * 400, "length", usage=USED_UP), GOOD], "asked freely", 2),
    "one phrase to the limit": ([answer(LOOP + "and so on, " * 99, "length", usage=USED_UP), GOOD], "asked freely", 2),
    "more than its pages can say": ([answer("x y z" * 9, "length", usage=USED_UP), GOOD], "asked freely", 2),
    "an error inside an HTTP 200": ([error(200, "the provider broke", code=502), GOOD], "asked again", 2),
    "finish reason `error`": ([answer("{", "error"), GOOD], "asked again", 2),
    "a connection cut in the middle": ([Reply(GOOD.body, ends="cut"), GOOD], "asked again", 2),
    "a connection reset": ([Reply(b"", ends="reset"), GOOD], "asked again", 2),
    "a web page": ([Reply(b"<html>Welcome</html>"), GOOD], "asked again", 2),
    "HTTP 500": ([error(500, "oops"), GOOD], "asked again", 2),
    "HTTP 429 with Retry-After": ([error(429, "busy", {"Retry-After": "0.05"}), GOOD], "asked again", 2),
    "HTTP 400, no JSON Schema here": ([error(400, "response_format is not supported"), GOOD], "asked in JSON mode", 2),
    "brackets without end": ([answer("[" * 50_000), GOOD], "asked again", 2),
}


@pytest.mark.parametrize("name", TABLE)
def test_a_malformed_answer_comes_to_what_the_table_says(name: str) -> None:
    replies, comes_to, calls = TABLE[name]
    outcome = outcome_of(replies)
    assert len(outcome.asked) == calls, outcome.problems
    values = {**outcome.value, "total": None if outcome.value["total"] is None else float(outcome.value["total"])}
    values["day"] = values["day"] and values["day"].isoformat()
    if comes_to == "null, reason kept":
        (lost,) = [key for key, value in values.items() if value is None]
        assert values == {**RIGHT, lost: None}
        assert outcome.status == "partial"
        assert [problem.split(":")[0] for problem in outcome.problems] == [f"/{lost}"]
    elif comes_to == "what came is kept, said to be cut":
        assert values["total"] == 1234.5
        assert outcome.status == "partial"
        assert any("breaks off" in problem for problem in outcome.problems)
    elif comes_to == "nothing, reason kept":
        assert values["number"] is None
        assert outcome.status == "partial"
        assert any("the model's answer is empty" in problem for problem in outcome.problems)
    elif "U+FFFD" in comes_to:
        assert values["number"] == "A\ufffd-\ufffd"
    else:
        assert values == RIGHT
        assert outcome.status == "ok", outcome.problems
    # all that was paid for is kept, under an id of its own
    ids = [row["request_id"] for row in outcome.kept]
    assert len(ids) == len(set(ids))
    if comes_to == "asked freely":
        first, second = outcome.asked
        assert "response_format" in first
        assert "response_format" not in second
        assert second["temperature"] > first["temperature"]
    if "asked again" in comes_to and comes_to != "asked again":
        schema = outcome.asked[1]["response_format"]["json_schema"]["schema"]
        assert len(schema["properties"]) == 1
        assert "could not be used" in outcome.asked[1]["messages"][1]["content"]
        assert outcome.asked[1]["messages"][0] == outcome.asked[0]["messages"][0]  # the start that a cache holds


def test_a_long_answer_is_asked_for_in_halves() -> None:
    used = {"prompt_tokens": 100, "completion_tokens": 300}
    long = answer(json.dumps({**RIGHT, "kind": "credit"})[:-30], "length", usage=used)
    outcome = outcome_of([long, answer(changed(day=None)), answer(changed(rows=ROWS[:1]))], pages(2))
    assert len(outcome.asked) == 3
    assert outcome.value["kind"] == "credit"  # what the cut answer says outside of its lists is kept
    assert outcome.value["day"].isoformat() == RIGHT["day"]
    assert [len(row["name"]) for row in outcome.value["rows"]] == [4, 4, 4]
    assert ['number="1"' in each["messages"][1]["content"] for each in outcome.asked] == [True, True, False]


@pytest.mark.parametrize(
    "reply",
    [
        error(400, "This model's maximum context length is 9 tokens", code="context_length_exceeded"),
        error(400, "exceeds the available context size", type="exceed_context_size_error"),
        error(400, "At most 1 image(s) may be provided in one request"),
        error(413, "Request Entity Too Large"),
    ],
    ids=["openai", "llama.cpp", "images", "bytes"],
)
def test_a_request_too_large_is_asked_for_in_halves(reply: Reply) -> None:
    outcome = outcome_of([reply, GOOD], pages(2))
    assert len(outcome.asked) == 3
    assert outcome.status == "ok"
    assert len(outcome.value["rows"]) == 4


def test_what_fails_for_ever_takes_a_bounded_number_of_calls() -> None:
    looping = answer("{" + " " * 999, "length", usage=USED_UP)
    assert len(outcome_of([looping], pages(4)).asked) == 4
    assert len(outcome_of([answer("no")], pages(4)).asked) == 4
    assert len(outcome_of([answer(changed(day="soon", total="many"))], pages(1)).asked) <= 3


def test_two_answers_in_a_row_that_break_the_schema_lower_the_dialect() -> None:
    async def check(server: Scripted) -> list[str]:
        settings = load_settings(base_url=server.url, **FAST)
        endpoint = Endpoint(settings, server.url, None, Spending())
        recipe = make_recipe(TYPE, settings)

        async def keep(row: dict[str, Any]) -> None:
            del row

        for number in range(4):
            asker = Asker(recipe, recipe.readers[0], Answers(endpoint), "run", "document", {}, keep)
            chunk = Chunk(0, 0, (page(1, f"{TEXT} {number}"),), (60,))
            await asker.ask(chunk)
        await endpoint.close()
        return [each.get("response_format", {}).get("type", "none") for each in server.asked]

    fenced = answer(f"```json\n{changed(total='many')}\n```")
    repair = answer('{"total": 1}')
    with scripted([fenced, repair, fenced, repair, GOOD, GOOD]) as server:
        assert asyncio.run(check(server)) == ["json_schema"] * 3 + ["json_object"] * 3
    with scripted([fenced, repair, GOOD, fenced, repair, GOOD]) as server:  # a valid one between
        assert set(asyncio.run(check(server))) == {"json_schema"}


def test_a_conflict_is_settled_by_one_small_request_where_that_is_asked_for(tmp_path: Path, extract: Callable) -> None:
    with pymupdf.open() as document:
        for number in ("A-1", "B-2"):
            document.new_page().insert_text((72, 72), f"Note {number}\n" + "\n".join(["a line of other words"] * 25))
        document.save(tmp_path / "note.pdf")
    (tmp_path / "note.schema.json").write_text(json.dumps(TYPE.schema))
    replies = [answer('{"number": "A-1"}'), answer('{"number": "B-2"}')]
    options = {"kind": str(tmp_path / "note.schema.json"), "concurrency": 1, "images": "never"}
    for settle, number, calls in (("checks", "A-1", 2), ("ask", "B-2", 3)):
        out = tmp_path / settle
        with scripted([*replies, answer('{"field1": 2}')]) as server:
            done = extract(
                tmp_path / "note.pdf", out, server.url, settle=settle, images_per_request=1, chunk_tokens=256, **options
            )
        assert done.exit_code == 0
        assert len(server.asked) == calls
        assert duckdb.sql(f"select number from '{out}/note/*.parquet'").fetchall() == [(number,)]
        assert duckdb.sql(f"select requests from '{out}/documents/*.parquet'").fetchall() == [(calls,)]
    question = server.asked[-1]["messages"][1]["content"]
    assert "1. A-1 on page 1" in question
    assert "2. B-2 on page 2" in question


def test_money_is_exact_and_items_keep_their_order() -> None:
    outcome = outcome_of([answer(changed(total=0.1, rows=ROWS * 3))])
    assert outcome.value["total"] == Decimal("0.1")
    assert [row["name"] for row in outcome.value["rows"]] == ["pump", "hose"] * 3


def test_the_table_of_the_documents_is_this_one() -> None:
    assert (ROOT / "docs" / "answers.md").read_text(encoding="utf-8") == document()


def document() -> str:
    lines = [
        "# What becomes of a malformed answer",
        "",
        "Each line was sent by an endpoint of ours over a socket, and is a test (`tests/flows/documents/test_ask.py`). *read*: the values",
        "are those of a faultless answer. *asked again*: the request is sent once more, at most three times. *field asked again*:",
        "just what failed is asked for, with the reason, at most twice, and not again when the model says the same. *asked",
        "freely*: without a schema to hold to and at a higher temperature. A document whose values are lost is `partial`, and",
        "`evidence` has the reason.",
        "",
        "| what the endpoint sends | what comes of it | calls |",
        "|---|---|---|",
    ]
    lines += [f"| {name} | {comes_to} | {calls} |" for name, (_, comes_to, calls) in TABLE.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(ROOT / "docs" / "answers.md").write_text(document(), encoding="utf-8")
