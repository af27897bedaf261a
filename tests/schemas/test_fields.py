"""A JSON Schema as a tree of fields."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from schemas.document_type import DocumentType
from schemas.errors import ConfigurationError
from schemas.fields import Field, field_tree, item_pointers, keys_of, pattern_of, walk_fields


def kinds(schema: dict) -> dict[str, str]:
    return {path: field.kind for path, field in walk_fields(field_tree(schema))}


def test_every_kind_of_leaf_is_known() -> None:
    leaf = {
        "s": {"type": "string"}, "i": {"type": ["integer", "null"]}, "n": {"type": "number"}, "b": {"type": "boolean"},
        "d": {"type": "string", "format": "date"}, "t": {"type": "string", "format": "date-time"},
        "m": {"type": "number", "format": "decimal"}, "e": {"enum": ["a", "b", None]}, "x": {}, "any": True,
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "grid": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
        "tags": {"type": "array", "items": {"type": "string"}},
    }  # fmt: skip
    assert kinds({"type": "object", "properties": leaf}) == {
        "/s": "string", "/i": "integer", "/n": "number", "/b": "boolean", "/d": "date", "/t": "datetime", "/m": "decimal",
        "/e": "string", "/x": "json", "/any": "json", "/map": "json", "/grid": "json", "/tags/*": "string",
    }  # fmt: skip


def test_references_are_inlined_and_recursion_is_json() -> None:
    schema = {
        "type": "object",
        "properties": {
            "root": {"$ref": "#/$defs/node"},
            "other": {"anyOf": [{"$ref": "#/$defs/name"}, {"type": "null"}]},
        },
        "$defs": {
            "name": {"type": "string", "description": "a name"},
            "node": {
                "type": "object",
                "properties": {"label": {"$ref": "#/$defs/name"}, "child": {"$ref": "#/$defs/node"}},
            },
        },
    }
    assert kinds(schema) == {"/root/label": "string", "/root/child": "json", "/other": "string"}


def test_a_plain_decimal_of_pydantic_is_money() -> None:
    class Sheet(BaseModel):
        total: Decimal | None = None

    (field,) = DocumentType.from_model(Sheet).root.fields
    assert (field.kind, field.scale) == ("decimal", 4)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"type": "string"}},
        {"type": "object"},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/missing"}}},
        {"type": "object", "properties": {"a": {"$ref": "https://example.org/other.json"}}},
    ],
    ids=["a list", "no properties", "dangling reference", "reference elsewhere"],
)
def test_what_makes_no_record_is_refused(schema: dict) -> None:
    with pytest.raises(ConfigurationError):
        field_tree(schema)


KEYS = st.sampled_from(["2024", "0", "12", "amount", "a/b", "~1", "*x", "01"])
LEAF = st.just({"type": "string"})
NODES = st.recursive(
    LEAF,
    lambda below: st.one_of(
        st.dictionaries(KEYS, below, min_size=1, max_size=3).map(
            lambda fields: {"type": "object", "properties": fields}
        ),
        st.dictionaries(KEYS, below, min_size=1, max_size=3).map(
            lambda fields: {"type": "array", "items": {"type": "object", "properties": fields}}
        ),
    ),
    max_leaves=8,
)
SCHEMAS = st.dictionaries(KEYS, NODES, min_size=1, max_size=3).map(
    lambda fields: {"type": "object", "properties": fields}
)


@given(SCHEMAS, st.integers(min_value=0, max_value=2_000))
def test_the_schema_tells_an_index_from_a_field_that_is_named_by_digits(schema: dict, index: int) -> None:
    root = field_tree(schema)
    for path, _ in walk_fields(root):
        pointer = "/".join(str(index) if step == "*" else step for step in path.split("/"))
        assert pattern_of(root, pointer) == path
        assert len(list(item_pointers(root, pointer))) == path.split("/").count("*")
        for item in item_pointers(root, pointer):
            assert pointer.startswith(item)
            assert keys_of(item)[-1] == str(index)


def test_a_pointer_that_leads_nowhere_keeps_its_keys() -> None:
    root = Field("", "object", fields=(Field("a", "string"),))
    assert pattern_of(root, "/7/b/0") == "/7/b/0"
    assert list(item_pointers(root, "/a/0")) == []
