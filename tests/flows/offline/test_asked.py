import json
from typing import Any

import pytest

from flows.offline import asked
from flows.offline.layout import TextPage

SCHEMA = {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}


def body(content: Any, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": content}], **more}


def test_pages_of_text_and_of_parts() -> None:
    text = '<page number="3">\none\n</page>\n\n<page number="4">\ntwo\n</page>\n\nTask.'
    assert asked.pages(body(text)) == [TextPage(3, "one\n"), TextPage(4, "two\n")]
    parts = [
        {"type": "text", "text": '<page number="3">\none\n'},
        {"type": "image_url", "image_url": {"url": "x"}},
        {"type": "text", "text": "</page>"},
    ]
    assert asked.pages(body(parts)) == [TextPage(3, "one\n")]


def test_a_block_that_is_not_closed_holds_nothing() -> None:
    assert asked.pages(body('<page number="1">\none' * 3)) == []


@pytest.mark.parametrize("odd", [None, 3, [], [3], [{"type": "text"}], [{"type": "text", "text": 4}]])
def test_odd_contents_have_no_pages(odd: Any) -> None:
    assert asked.pages(body(odd)) == []
    assert asked.schema(body(odd)) == {}


def test_the_schema_of_the_response_format_comes_first() -> None:
    given = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    assert asked.schema(body("JSON Schema: {}", response_format=given)) == SCHEMA


def test_else_the_schema_of_a_line() -> None:
    assert asked.schema(body(f"x\nJSON Schema: {json.dumps(SCHEMA)}\ny")) == SCHEMA
    assert asked.schema(body("JSON Schema: {broken")) == {}
    assert asked.schema({}) == {}
