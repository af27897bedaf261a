"""A first draft of a document type: a JSON Schema from examples of the answers that one would like."""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def draft_schema(examples: Sequence[Mapping[str, Any]], path: PurePath) -> dict[str, Any]:
    """A schema that all `examples` fit, with empty descriptions to fill in; titled after the file's name."""
    title = path.name.split(".")[0].replace("_", " ")
    return {"title": title, "description": "", **_drafted(list(examples))}


def _drafted(values: list[Any]) -> dict[str, Any]:
    seen = [value for value in values if value is not None]
    if seen and all(isinstance(value, Mapping) for value in seen):
        keys = dict.fromkeys(key for value in seen for key in value)
        return {
            "type": "object",
            "properties": {key: {**_drafted([value.get(key) for value in seen]), "description": ""} for key in keys},
        }
    if seen and all(isinstance(value, list) for value in seen):
        return {"type": "array", "items": _drafted([item for value in seen for item in value])}
    return {"type": "string"} if not seen else _scalar(seen)


def _scalar(seen: list[Any]) -> dict[str, Any]:
    if all(isinstance(value, bool) for value in seen):
        return {"type": "boolean"}
    if all(isinstance(value, int) and not isinstance(value, bool) for value in seen):
        return {"type": "integer"}
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in seen):
        return {"type": "number", "format": "decimal"}
    if all(isinstance(value, str) and _DATE.fullmatch(value) for value in seen):
        return {"type": "string", "format": "date"}
    return {"type": "string"}
