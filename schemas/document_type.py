"""A document type: a named schema and its validation, from a pydantic class or from a JSON Schema."""

import datetime
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import jsonschema
from pydantic import BaseModel, ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from schemas.checks import Check, declared_checks
from schemas.errors import ConfigurationError
from schemas.fields import GROUP_KEYWORD, MONEY_SCALE, Field, escape, field_tree
from schemas.patterns import require_closed, validator_of
from schemas.step_data import Problem


@dataclass(frozen=True)
class DocumentType:
    """Named schema of the values to extract from one kind of document, and their validation.

    `name` names the record table; `schema` is the JSON Schema as given, `root` the same as a tree of fields, and
    `model` the pydantic class where there is one, whose validators then run too. `checks` are the equations that must hold.
    `group` leads to the text field by which quality is followed per group, such as an invoice's seller. `origin` is the
    user's name for the type.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    root: Field
    model: type[BaseModel] | None = None
    checks: tuple[Check, ...] = ()
    group: tuple[str, ...] = ()
    origin: str = field(default="", compare=False)  # a built-in name, or a file

    @classmethod
    def from_model(cls, model: type[BaseModel], name: str | None = None) -> "DocumentType":
        """The type of a pydantic class; its table has the class's name in snake_case."""
        schema = model.model_json_schema(schema_generator=_Generator)
        description = re.sub(r"\s+", " ", model.__doc__ or "").strip()
        root = field_tree(schema)
        checks, group = declared_checks(schema, root), _declared_group(schema, root)
        return cls(_table_name(name or model.__name__), description, schema, root, model, checks, group)

    @classmethod
    def from_schema(cls, schema: Mapping[str, Any], stem: str) -> "DocumentType":
        """The type of a JSON Schema; its table has the name of the schema's `title`, else of the file's `stem`.

        Raises ConfigurationError for an invalid JSON Schema (draft 2020-12) and for one whose root is no object.
        """
        require_closed(schema)
        try:
            jsonschema.Draft202012Validator.check_schema(schema)
        except jsonschema.SchemaError as error:
            path = "/".join(str(step) for step in error.absolute_path) or "the root"
            raise ConfigurationError(f"not a valid JSON Schema at {path}: {error.message}") from None
        name = _table_name(str(schema.get("title") or stem))
        root = field_tree(schema)
        checks, group = declared_checks(schema, root), _declared_group(schema, root)
        return cls(name, str(schema.get("description") or ""), schema, root, None, checks, group)

    @property
    def identity(self) -> str:
        """Hash of everything that changes requests or accepted answers: name, schema, description."""
        schema = {key: value for key, value in self.schema.items() if key != GROUP_KEYWORD}
        text = json.dumps([self.name, self.description, schema], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def validate(self, value: Mapping[str, Any]) -> tuple[Problem, ...]:
        """Faults of a whole record: values that break the schema (`rejected`) and required nulls (`required`)."""
        rejected: dict[str, str] = {}
        failed: list[str] = []
        filled = _without_nulls(value)
        for error in validator_of(self.schema).iter_errors(_on_the_wire(filled)):
            if error.validator in {"required", "type"} and not error.absolute_path:
                continue
            if error.validator in {"required", "anyOf", "oneOf", "additionalProperties"}:
                continue  # nulls and wire forms of decimals: _required reports the first, parse accepts the second
            rejected.setdefault(_pointer(error.absolute_path), error.message[:200])
        if self.model is not None:
            try:
                self.model.model_validate(filled)
            except ValidationError as failure:
                for detail in failure.errors(include_url=False, include_context=False, include_input=False):
                    if detail["type"] != "missing" and not detail["loc"]:
                        failed.append(detail["msg"][:200])
                    elif detail["type"] != "missing":
                        rejected.setdefault(_pointer(detail["loc"]), detail["msg"][:200])
        problems = [Problem(field, "rejected", message) for field, message in rejected.items()]
        problems += [Problem("", "check", message) for message in failed]  # from a validator of the whole class
        return (*problems, *_required(self.root, value, ""))


def _declared_group(schema: Mapping[str, Any], root: Field) -> tuple[str, ...]:
    """The keys of the field that groups documents. Raises ConfigurationError for anything but a single text field."""
    path = schema.get(GROUP_KEYWORD)
    if path is None:
        return ()
    keys = tuple(str(path).split("."))
    here = root
    for key in keys:
        below = next((child for child in here.fields if child.name == key), None)
        if here.kind == "list":
            raise ConfigurationError(
                f"{GROUP_KEYWORD} {path!r}: {here.name!r} is a list: expected a text field of the record"
            )
        if below is None:
            raise ConfigurationError(
                f"{GROUP_KEYWORD} {path!r}: unknown field {key!r} in {here.name or 'the record'}: name a text field"
            )
        here = below
    if here.kind != "string":
        raise ConfigurationError(f"{GROUP_KEYWORD} {path!r}: invalid kind {here.kind}: expected a text field")
    return keys


def conforms(text: str, schema: Mapping[str, Any]) -> bool:
    """True when `text` is JSON that a strict endpoint could have written under `schema`."""
    try:
        return bool(validator_of(schema).is_valid(json.loads(text)))
    except (ValueError, RecursionError):
        return False


class _Generator(GenerateJsonSchema):
    """Pydantic's schemas, except that a Decimal is money instead of a number or a string."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        del schema
        return {"type": "number", "format": "decimal", "x-pagemill-scale": MONEY_SCALE}


def _required(field: Field, value: Any, pointer: str) -> Iterator[Problem]:
    if field.kind == "object" and isinstance(value, Mapping):
        for child in field.fields:
            here = f"{pointer}/{escape(child.name)}"
            below = value.get(child.name)
            if below is None:
                if child.required and child.kind != "list":
                    yield Problem(here, "required", "required, but null")
            else:
                yield from _required(child, below, here)
    elif field.item is not None and field.item.kind == "object" and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _required(field.item, item, f"{pointer}/{index}")


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(below) for key, below in value.items() if below is not None}
    if isinstance(value, list | tuple):
        return [_without_nulls(below) for below in value]
    return value


def _on_the_wire(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _on_the_wire(below) for key, below in value.items()}
    if isinstance(value, list):
        return [_on_the_wire(below) for below in value]
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    return value


def _pointer(path: Any) -> str:
    return "".join(f"/{escape(str(step))}" for step in path)


def _table_name(name: str) -> str:
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    snake = re.sub(r"[^0-9a-zA-Z]+", "_", snake).strip("_").lower()
    if not snake:
        raise ConfigurationError(f"invalid title {name!r}: a table name needs letters; give the schema another title")
    return snake if not snake[0].isdigit() else f"t_{snake}"
