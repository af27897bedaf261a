"""Content of a chat-completions request for the reader: its pages, and the schema to fill."""

import json
import re
from collections.abc import Mapping
from typing import Any

from extractors.values import clean_text
from flows.offline.layout import TextPage

_OPEN = re.compile(r'<page number="(\d{1,9})">\n?')
_CLOSE = "</page>"
_SCHEMA_LINE = re.compile(r"^JSON Schema: (.+)$", re.MULTILINE)


def pages(body: Mapping[str, Any]) -> list[TextPage]:
    """The page blocks of the user's last message, in order; earlier messages are examples."""
    blocks, _ = _divided(clean_text("\n".join(_texts(body, "user")[-1:])))
    return blocks


def schema(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema to fill: that of `response_format`, else of a line `JSON Schema: {...}` outside the pages, else {}."""
    wanted = body.get("response_format")
    if isinstance(wanted, Mapping):
        described = wanted.get("json_schema")
        if isinstance(described, Mapping) and isinstance(described.get("schema"), Mapping):
            return dict(described["schema"])
    for text in (*_texts(body, "system"), *_texts(body, "user")):
        for match in _SCHEMA_LINE.finditer(_divided(text)[1]):
            try:
                stated = json.loads(match[1])
            except ValueError:
                continue
            if isinstance(stated, dict):
                return stated
    return {}


def _texts(body: Mapping[str, Any], role: str) -> list[str]:
    texts: list[str] = []
    messages = body.get("messages")
    for message in messages if isinstance(messages, list) else ():
        if not isinstance(message, Mapping) or message.get("role") != role:
            continue
        content = message.get("content")
        if isinstance(content, str):
            texts.append(content)
        elif isinstance(content, list):
            parts = [part.get("text") for part in content if isinstance(part, Mapping) and part.get("type") == "text"]
            texts.append("".join(part for part in parts if isinstance(part, str)))
    return texts


def _divided(text: str) -> tuple[list[TextPage], str]:
    """The pages of `text`, and the text outside of them. An unclosed block is no page."""
    blocks, outside, index = [], [], 0
    while (start := _OPEN.search(text, index)) is not None:
        end = text.find(_CLOSE, start.end())
        if end < 0:
            break
        blocks.append(TextPage(int(start[1]), text[start.end() : end]))
        outside.append(text[index : start.start()])
        index = end + len(_CLOSE)
    return blocks, "".join([*outside, text[index:]])
