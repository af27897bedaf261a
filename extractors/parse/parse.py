"""A completion's text to an answer: JSON recovered, every leaf in its type, or None with a problem."""

import re
from collections.abc import Mapping
from typing import Any

import json_repair

from extractors.parse.coerce import is_empty, load_json, read_object, shown_value
from schemas.errors import InvalidCompletionError
from schemas.fields import Field
from schemas.step_data import Answer, Problem

PARSE_VERSION = 3
_LONGEST_REPAIR = 2_000_000  # characters
_KEY = re.compile(r'"([^"\\]+)"\s*:')
_FENCE = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)


def parse(text: str, root: Field) -> Answer:
    """The answer in the schema's shape; `is_whole` is false when its JSON ends in the middle.

    Raises InvalidCompletionError when no JSON object can be recovered from `text`.
    """
    loaded, is_whole = _load(text)
    if isinstance(loaded, list) and len(loaded) == 1:
        loaded = loaded[0]
    if not isinstance(loaded, Mapping):
        raise InvalidCompletionError(f"the model answered no JSON object but {shown_value(text)}; try another model")
    problems: list[Problem] = []
    value = read_object(loaded, root, "", problems)
    return Answer(value, tuple(problems), is_whole)


def parse_cut(text: str, root: Field) -> Answer | None:
    """Values outside of lists in an answer that was cut by length; None where there are none.

    The last value before the cut is left out, since it may be incomplete.
    """
    try:
        answer = parse(text, root)
    except InvalidCompletionError:
        return None
    keys = _KEY.findall(text)
    value = _without_lists(answer.value, root, keys[-1] if keys else "")
    return None if is_empty(value) else Answer(value, (), is_whole=False)


def _without_lists(value: Mapping[str, Any], field: Field, cut: str) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for child in field.fields:
        if child.kind == "object":
            kept[child.name] = _without_lists(value[child.name], child, cut)
        else:
            kept[child.name] = [] if child.item is not None else None if child.name == cut else value[child.name]
    return kept


def _load(text: str) -> tuple[Any, bool]:
    """The first JSON that can be read from `text`, repaired if necessary, and whether it was whole."""
    candidates = [text, *_FENCE.findall(text)]
    start, end = text.find("{"), text.rfind("}")
    if 0 <= start < end:
        candidates.append(text[start : end + 1])
    for candidate in candidates:
        try:
            return load_json(candidate), True
        except (ValueError, RecursionError):
            continue
    if start < 0 or len(text) > _LONGEST_REPAIR:
        return None, False
    is_whole = _is_closed(text[start:])
    try:
        return load_json(json_repair.repair_json(text[start:], ensure_ascii=False)), is_whole
    except (ValueError, RecursionError):
        return None, False


def _is_closed(text: str) -> bool:
    """False when `text` ends inside an object, a list or a string."""
    depth, in_string, is_escaped = 0, False, False
    for character in text:
        if in_string:
            in_string = is_escaped or character != '"'
            is_escaped = character == "\\" and not is_escaped
        elif character == '"':
            in_string = True
        elif character in "{[":
            depth += 1
        elif character in "}]":
            depth -= 1
            if depth == 0:
                return True
    return False
