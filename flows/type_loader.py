"""TYPE on the command line to a document type: a built-in name, `file.py:Class`, or a JSON Schema file."""

import importlib.util
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from flows.log import say
from schemas.document_type import DocumentType
from schemas.document_types import DOCUMENT_TYPES
from schemas.errors import ConfigurationError
from schemas.fields import GROUP_KEYWORD
from schemas.record_tables import record_tables

_SAID: list[Path] = []  # files whose code this process has said that it runs


def load_type(name: str) -> DocumentType:
    """The document type called or found at `name`.

    Raises ConfigurationError for an unknown name, a file that cannot be read, and a schema that makes no tables.
    """
    document_type = DOCUMENT_TYPES.get(name) or _from_file(name)
    record_tables(document_type)  # refuses names that collide before anything is started
    return replace(document_type, origin=name)


def _from_file(name: str) -> DocumentType:
    path, colon, member = name.partition(":")
    if colon and path.endswith(".py"):
        return DocumentType.from_model(_load_class(Path(path), member))
    if not name.endswith(".json"):
        near = get_close_matches(name, DOCUMENT_TYPES, 1)
        meant = f"did you mean {near[0]}? " if near else ""
        raise ConfigurationError(
            f"unknown type {name!r}; {meant}built in are {', '.join(DOCUMENT_TYPES)}; else give path/to/schema.json or "
            "path/to/file.py:Class"
        )
    file = Path(name)
    try:
        schema = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"--type {name}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        where = f" in line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise ConfigurationError(f"--type {name}: not JSON{where}; mend the file, or name another") from None
    if not isinstance(schema, dict):
        raise ConfigurationError(f"--type {name}: a JSON Schema is an object, this is a {type(schema).__name__}")
    stem = file.name.removesuffix(".json").removesuffix(".schema")
    try:
        return DocumentType.from_schema(schema, stem)
    except ConfigurationError as error:
        raise ConfigurationError(f"--type {name}: {error}") from None


def _load_class(path: Path, member: str) -> type[BaseModel]:
    if not path.is_file():
        raise ConfigurationError(f"--type {path}:{member}: there is no such file")
    if path not in _SAID:
        _SAID.append(path)
        say(
            f"--type {path}:{member} runs the code of that file, with the rights and the keys of this command",
            "settings",
        )
    spec = importlib.util.spec_from_file_location(f"pagemill_type_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's file raises, it is the file's fault
        raise ConfigurationError(f"--type {path}:{member}: {type(error).__name__}: {error}") from error
    found = getattr(module, member, None)
    if not (isinstance(found, type) and issubclass(found, BaseModel)):
        raise ConfigurationError(f"--type {path}:{member}: the file has no pydantic class of that name")
    return found


def type_of(name: str, schema: Mapping[str, Any], location: str) -> DocumentType:
    """Type of the dataset at `location`: the built-in one while its schema is the same, else by the schema.

    Raises ConfigurationError where a class made the schema, which may have validators that no schema tells.
    """
    built_in = DOCUMENT_TYPES.get(name)
    if built_in is not None and _without_group(json.loads(json.dumps(built_in.schema))) == _without_group(schema):
        return replace(built_in, origin=name)
    found = DocumentType.from_schema(schema, name)
    if found.name != name or _is_of_class(schema):
        raise ConfigurationError(
            f"{location} holds documents of type {name!r}, whose class its schema does not tell; name it with --type "
            "path/to/file.py:Class"
        )
    return found


def _without_group(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Schema without the field that quality is grouped by, which is no part of the request."""
    return {key: value for key, value in schema.items() if key != GROUP_KEYWORD}


def _is_of_class(schema: Mapping[str, Any]) -> bool:
    """True for a schema that pydantic has written, by the titles that it makes of names."""
    properties = [entry for entry in schema.get("properties", {}).items() if isinstance(entry[1], Mapping)]
    return any(about.get("title") == name.replace("_", " ").title() for name, about in properties)
