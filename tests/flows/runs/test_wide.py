"""Schemas wider than a model can hold: asked in groups over the same pages, put together, valid as a whole."""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import jsonschema
import pytest
from hypothesis import find
from hypothesis import strategies as st

from extractors.merge.merge import merge
from extractors.prompt.prompt import prompt
from extractors.tokens import count_messages
from flows.documents.ask import Asker, unanswered_problem
from flows.documents.recipe import make_recipe
from flows.model.budget import Spending
from flows.model.endpoint import Endpoint
from flows.model.single_flight import Answers
from flows.preview.estimate import Figures, _count
from flows.settings import load_settings
from schemas.document_type import DocumentType
from schemas.fields import walk_fields
from schemas.step_data import Chunk, Page
from tests.conftest import SHARED, need_shared
from tests.support.answering import Reply, answering, said

HOLDS = 80  # fields that the model answers; above that it answers nothing that is valid
SCHEMAS = sorted([*SHARED.glob("truth/extractbench/schemas/*.json"), *SHARED.glob("truth/docubench/schemas/*.json")])
PAGE = Page(1, 595.0, 842.0, "Everything is 7, the day is 2026-01-02", (), "text", "text is enough")


def an_answer(schema: Mapping[str, Any]) -> Any:
    """A value for every field of a strict schema."""
    if schema.get("type") == "object":
        return {key: an_answer(below) for key, below in schema["properties"].items()}
    if schema.get("type") == "array":
        return [an_answer(schema["items"])]
    if "enum" in schema:
        return schema["enum"][0]
    said = str(schema.get("description", ""))
    if "YYYY-MM-DDTHH" in said:
        return "2026-01-02T03:04:05"
    if pattern := re.search(r"matches (\^.*?\$)(?=[,)]|$)", said):
        return find(st.from_regex(pattern[1].replace("$", r"\Z")), bool)
    least = re.search(r"at least (\d+)", said)  # a bound that the strict dialect has no keyword for
    number = int(least[1]) if least else 7
    return "2026-01-02" if "YYYY" in said else {"string": "7", "boolean": True}.get(schema["type"][0], number)


def fields(schema: Mapping[str, Any]) -> int:
    if schema.get("type") == "object":
        return sum(map(fields, schema["properties"].values()))
    return fields(schema["items"]) if schema.get("type") == "array" else 1


@contextmanager
def a_model_of_eighty_fields() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    asked: list[dict[str, Any]] = []

    def answer(body: dict[str, Any]) -> Reply:
        asked.append(body)
        schema = body["response_format"]["json_schema"]["schema"]
        text = json.dumps(an_answer(schema)) if fields(schema) <= HOLDS else "This is too much for me."
        choice = {"message": {"content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": count_messages(body["messages"]), "completion_tokens": 50}
        return said({"choices": [choice], "usage": usage})

    with answering(answer) as url:
        yield url, asked


@pytest.mark.parametrize("path", SCHEMAS or [None], ids=lambda path: path.stem if path else "none")
def test_every_real_schema_comes_out_valid_from_a_model_of_eighty_fields(path: Any) -> None:
    need_shared("truth/extractbench/schemas")
    kind = DocumentType.from_schema(json.loads(path.read_text(encoding="utf-8")), path.stem)
    chunk = Chunk(0, 0, (PAGE,), (40,))
    with a_model_of_eighty_fields() as (url, asked):
        settings = load_settings(base_url=url)
        recipe = make_recipe(kind, settings)

        async def ask() -> list[Any]:
            endpoint = Endpoint(settings, url, None, Spending())

            async def keep(row: dict[str, Any]) -> None:
                del row

            asker = Asker(recipe, recipe.readers[0], Answers(endpoint), "run", "document", {}, keep)
            try:
                return await asker.ask(chunk)
            finally:
                await endpoint.close()

        results = asyncio.run(ask())
    assert all(fields(body["response_format"]["json_schema"]["schema"]) <= HOLDS for body in asked)
    assert all(unanswered_problem(result) is None for result in results)
    record = merge([result.located for result in results], kind)
    for pointer, _ in walk_fields(kind.root):
        value: Any = record.value
        for step in pointer.split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            value = value[0] if step == "*" else value[key]
        assert value is not None, pointer
    rejected = [problem for problem in record.problems if problem.kind in {"rejected", "required", "unanswered"}]
    assert rejected == []
    jsonschema.Draft202012Validator.check_schema(kind.schema)
    # what an estimate counts is what was asked, to the token
    figures = Figures()
    _count(figures, recipe, [PAGE], set())
    assert figures.requests >= len(recipe.groups)
    assert figures.prompt_tokens == sum(count_messages(body["messages"]) for body in asked)


def test_the_requests_of_one_chunk_start_alike() -> None:
    properties = {f"field{number}": {"type": "string"} for number in range(200)}
    kind = DocumentType.from_schema({"title": "wide", "type": "object", "properties": properties}, "wide")
    recipe = make_recipe(kind, load_settings())
    assert len(recipe.groups) == 3
    chunk = Chunk(0, 0, (PAGE,), (40,))
    requests = [prompt(chunk, kind, recipe.readers[0].decoding, group=group).messages for group in recipe.group_roots]
    starts = {(messages[0]["content"], messages[1]["content"].partition("Fields:")[0]) for messages in requests}
    assert len(starts) == 1
    assert PAGE.text in starts.pop()[1]
    assert "field150" in requests[1][1]["content"]
    assert "field150" not in requests[0][1]["content"]
