"""Draft of a document type: a JSON Schema from examples of wanted answers."""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def draft_schema(examples: Sequence[Mapping[str, Any]], path: PurePath) -> dict[str, Any]:
    """A schema that all `examples` fit, titled after the file's name; its empty descriptions are for people to fill in."""
    title = path.name.split(".")[0].replace("_", " ")
    return {"title": title, "description": "", **_drafted(list(examples))}


def _drafted(values: list[Any]) -> dict[str, Any]:
    stated = [value for value in values if value is not None]
    if stated and all(isinstance(value, Mapping) for value in stated):
        keys = dict.fromkeys(key for value in stated for key in value)
        return {
            "type": "object",
            "properties": {key: {**_drafted([value.get(key) for value in stated]), "description": ""} for key in keys},
        }
    if stated and all(isinstance(value, list) for value in stated):
        return {"type": "array", "items": _drafted([item for value in stated for item in value])}
    return {"type": "string"} if not stated else _scalar(stated)


def _scalar(stated: list[Any]) -> dict[str, Any]:
    if all(isinstance(value, bool) for value in stated):
        return {"type": "boolean"}
    if all(isinstance(value, int) and not isinstance(value, bool) for value in stated):
        return {"type": "integer"}
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in stated):
        return {"type": "number", "format": "decimal"}
    if all(isinstance(value, str) and _DATE.fullmatch(value) for value in stated):
        return {"type": "string", "format": "date"}
    return {"type": "string"}
