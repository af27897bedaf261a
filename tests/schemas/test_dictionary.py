"""The data dictionary: every table and column of a dataset, with what it holds."""

import pytest

from schemas.dictionary import dictionary
from schemas.document_type import DocumentType
from schemas.document_types import DOCUMENT_TYPES
from schemas.record_tables import all_tables
from schemas.tables import LOG_TABLES, SHARD_TABLES


@pytest.mark.parametrize("name", sorted(DOCUMENT_TYPES))
def test_every_column_is_told_with_its_type_and_a_text(name: str) -> None:
    kind = DOCUMENT_TYPES[name]
    text = dictionary(kind)
    for table, schema in all_tables(kind).items():
        part = text.split(f"\n## {table}\n")[1].split("\n## ")[0]
        for field in schema:
            (row,) = [line for line in part.splitlines() if line.startswith(f"| `{field.name}` |")]
            cells = [cell.strip() for cell in row.strip("|").split(" | ")]
            assert cells[1] == str(field.type).replace("<", "&lt;")
            assert cells[3], row
    first = text[:1500]
    for word in ("null", "`partial`", "Joins"):
        assert word in first


def test_columns_of_our_own_have_descriptions_and_units_in_the_arrow_schema() -> None:
    for schema in (*SHARD_TABLES.values(), *LOG_TABLES.values()):
        assert all(field.metadata[b"description"] for field in schema)
    assert SHARD_TABLES["evidence"].field("x0").metadata[b"unit"] == b"point"
    assert SHARD_TABLES["documents"].field("cost_usd").metadata[b"unit"] == b"USD"


def test_a_field_tells_its_unit_and_what_a_schema_says_cannot_break_the_table() -> None:
    schema = {
        "title": "load",
        "description": "a\n## documents\n| b",
        "type": "object",
        "properties": {"weight": {"type": "number", "x-unit": "kg", "description": "gross | net\n<b>"}},
    }
    kind = DocumentType.from_schema(schema, "load")
    assert all_tables(kind)["load"].field("weight").metadata[b"unit"] == b"kg"
    assert "| `weight` | double | kg | gross \\| net &lt;b> |" in dictionary(kind)
    assert dictionary(kind).count("\n## documents\n") == 1
