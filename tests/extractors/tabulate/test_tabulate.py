"""Rows of every table, and a round trip: what any record of any schema holds is what pandas, DuckDB and Polars read."""

from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings

from extractors.tabulate.tabulate import page_batches, tabulate
from schemas.document_type import DocumentType
from schemas.record_tables import record_tables
from schemas.step_data import Chunk, Page
from schemas.tables import SHARD_TABLES
from tests.support.examples import examples
from tests.support.extractions import LEAVES, extraction, record, typed_records


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(typed_records())
def test_any_record_is_read_back_as_it_was_by_every_reader(tmp_path: Path, typed: tuple[DocumentType, dict]) -> None:
    document_type, value = typed
    batches = tabulate(extraction(record(value)), document_type)
    for table, rows in zip(record_tables(document_type), ([value], value["rows"]), strict=True):
        path = tmp_path / f"{table.name}.parquet"
        pq.write_table(pa.Table.from_batches(batches[table.name], table.schema), path, compression="zstd")
        names = {column.name: column.keys for column in table.columns}
        expected = [{name: deep(row, keys) for name, keys in names.items()} for row in rows]
        assert pl.read_parquet(path).select(list(names)).to_dicts() == expected
        assert [
            plain(row) for row in pd.read_parquet(path, dtype_backend="pyarrow")[list(names)].to_dict("records")
        ] == expected
        columns = ", ".join(f'"{name}"' for name in names)
        assert [list(row) for row in duckdb.sql(f"select {columns} from '{path}'").fetchall()] == [
            list(row.values()) for row in expected
        ]


def deep(value: dict, keys: tuple[str, ...]) -> object:
    for key in keys:
        value = value[key]
    return value


def plain(row: dict) -> dict:
    """pandas' NA as null, and its arrays as lists."""
    return {
        name: None if value is pd.NA else list(value) if hasattr(value, "tolist") else value
        for name, value in row.items()
    }


def test_a_document_has_one_row_and_its_items_know_their_page() -> None:
    document_type = DocumentType.from_schema(
        {
            "type": "object",
            "title": "t",
            "properties": {
                "rows": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}}
            },
        },
        "t",
    )
    batches = tabulate(extraction(record({"rows": [{"a": "x"}, {"a": None}]})), document_type)
    (document,) = batches["documents"][0].to_pylist()
    assert (document["status"], document["cost_usd"], document["requests"]) == ("ok", 0.5, 1)
    assert [(row["item_index"], row["item_page"], row["a"]) for row in batches["t_rows"][0].to_pylist()] == [
        (0, 1, "x"),
        (1, None, None),
    ]
    assert {name: batches[name][0].schema for name in ("documents", "evidence")} == {
        name: SHARD_TABLES[name] for name in ("documents", "evidence")
    }


def test_pages_of_a_chunk_become_rows_with_their_tokens() -> None:
    page = Page(3, 595, 842, "text", (), "text", "text is enough", hidden_text=4)
    rows = page_batches("0" * 64, Chunk(2, 0, (page,), (17,)))
    (row,) = rows["pages"][0].to_pylist()
    assert (row["page"], row["tokens"], row["chunk"], row["hidden_text"]) == (3, 17, 2, 4)
    assert rows["figures"][0].num_rows == 0


def test_money_is_never_a_float() -> None:
    document_type = DocumentType.from_schema({"type": "object", "title": "t", "properties": {"m": LEAVES["m"][0]}}, "t")
    (row,) = tabulate(extraction(record({"m": Decimal("0.1000")})), document_type)["t"][0].to_pylist()
    assert row["m"] == Decimal("0.1000")
