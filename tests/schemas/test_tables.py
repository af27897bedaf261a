"""Record tables from schemas: names, types, collisions; and whatever a schema, what is written is read back."""

import pyarrow as pa
import pytest

from schemas.document_type import DocumentType
from schemas.document_types import DOCUMENT_TYPES
from schemas.errors import ConfigurationError
from schemas.record_tables import all_tables, record_tables


def tables(properties: dict, title: str = "sheet") -> dict[str, pa.Schema]:
    document_type = DocumentType.from_schema({"type": "object", "title": title, "properties": properties}, "x")
    return {table.name: table.schema for table in record_tables(document_type)}


def test_nested_objects_are_flattened_and_lists_of_objects_are_tables() -> None:
    item = {
        "type": "object",
        "properties": {
            "b": {"type": "integer"},
            "inner": {"type": "array", "items": {"type": "object", "properties": {"c": {"type": "number"}}}},
        },
    }
    made = tables(
        {"a": {"type": "object", "properties": {"name": {"type": "string"}, "lines": {"type": "array", "items": item}}}}
    )
    assert list(made) == ["sheet", "sheet_a_lines", "sheet_a_lines_inner"]
    assert "a_name" in made["sheet"].names
    assert made["sheet_a_lines"].names == ["document_id", "record", "item_index", "item_page", "record_status", "b"]
    assert made["sheet_a_lines_inner"].names == [
        "document_id",
        "record",
        "a_lines_index",
        "item_index",
        "item_page",
        "record_status",
        "c",
    ]


def test_a_field_named_like_one_of_ours_gets_a_trailing_underscore() -> None:
    assert "file_name_" in tables({"file_name": {"type": "string"}})["sheet"].names


@pytest.mark.parametrize(
    ("properties", "title"),
    [
        ({"a_b": {"type": "string"}, "a": {"type": "object", "properties": {"b": {"type": "string"}}}}, "sheet"),
        ({"record": {"type": "string"}, "record_": {"type": "string"}}, "sheet"),
        ({"a": {"type": "string"}}, "pages"),
        ({"a": {"type": "string"}}, "Runs"),
    ],
    ids=["two columns", "ours and another", "a table of ours", "a log of ours"],
)
def test_what_would_collide_is_refused(properties: dict, title: str) -> None:
    with pytest.raises(ConfigurationError):
        tables(properties, title)


def test_types_are_those_of_the_contract() -> None:
    schema = all_tables(DOCUMENT_TYPES["invoice"])
    assert schema["invoice"].field("gross_total").type == pa.decimal128(18, 4)
    assert schema["invoice_line_items"].field("unit_price").type == pa.decimal128(18, 6)
    assert schema["invoice"].field("issue_date").type == pa.date32()
    assert schema["invoice"].field("extracted_at").type == pa.timestamp("us", "UTC")
    assert schema["invoice"].field("number").metadata[b"description"] == b"Invoice number"
    assert schema["figures"].field("image").type == pa.binary()
    assert list(schema)[-1] == "documents"
