"""A line of a fine-tuning file, as a JSON Schema: what OpenAI's and Mistral's documentation both ask for.

Messages of system, user and assistant in this order; pictures only from the user, as data URLs of JPEG or PNG; the assistant
speaks last, in text. Both take `image_url` as an object with `url`.
"""

import json
from typing import Any

import jsonschema

TEXT = {"type": "string", "minLength": 1}
TEXT_PART = {
    "type": "object", "required": ["type", "text"], "additionalProperties": False,
    "properties": {"type": {"const": "text"}, "text": TEXT},
}  # fmt: skip
PICTURE_PART = {
    "type": "object", "required": ["type", "image_url"], "additionalProperties": False,
    "properties": {
        "type": {"const": "image_url"},
        "image_url": {
            "type": "object", "required": ["url"], "additionalProperties": False,
            "properties": {"url": {"type": "string", "pattern": "^data:image/(jpeg|png);base64,[A-Za-z0-9+/]+=*$"}},
        },
    },
}  # fmt: skip


def message(role: str, content: dict[str, Any]) -> dict[str, Any]:
    properties = {"role": {"const": role}, "content": content}
    return {"type": "object", "required": ["role", "content"], "additionalProperties": False, "properties": properties}


PARTS = {"type": "array", "minItems": 1, "maxItems": 64, "items": {"anyOf": [TEXT_PART, PICTURE_PART]}}
LINE = {
    "type": "object", "required": ["messages"], "additionalProperties": False,
    "properties": {
        "messages": {
            "type": "array", "minItems": 3, "maxItems": 3, "items": False,
            "prefixItems": [
                message("system", TEXT), message("user", {"anyOf": [TEXT, PARTS]}), message("assistant", TEXT),
            ],
        },
    },
}  # fmt: skip
_VALIDATOR = jsonschema.Draft202012Validator(LINE)


def answer_of(line: str) -> dict[str, Any]:
    """The assistant's JSON of one line, which is as the format asks. Raises ValidationError else."""
    entry = json.loads(line)
    _VALIDATOR.validate(entry)
    return json.loads(entry["messages"][-1]["content"])
