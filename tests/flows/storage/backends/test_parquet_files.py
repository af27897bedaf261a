"""Parquet files: how their columns are kept."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.storage.backends.parquet_files import read_parquet, write_parquet

DICTIONARIES = {"RLE_DICTIONARY", "PLAIN_DICTIONARY"}
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("currency", pa.string()),
        ("nothing", pa.string()),
        ("words", pa.list_(pa.string())),
        ("seller", pa.struct([("name", pa.string()), ("cities", pa.list_(pa.string()))])),
    ]
)


def test_a_dictionary_is_kept_only_of_values_that_repeat(tmp_path: Path) -> None:
    rows = [
        {"id": f"{number:064x}", "currency": "EUR", "words": ["a"], "seller": {"name": "b", "cities": ["c"]}}
        for number in range(200)
    ]
    path = tmp_path / "a.parquet"
    write_parquet(path, SCHEMA, pa.Table.from_pylist(rows, SCHEMA).to_batches(max_chunksize=1))
    group = pq.ParquetFile(path).metadata.row_group(0)
    columns = [group.column(place) for place in range(group.num_columns)]
    kept = {column.path_in_schema for column in columns if DICTIONARIES & set(column.encodings)}
    assert kept == {
        "currency", "nothing", "words.list.element", "seller.name", "seller.cities.list.element"
    }  # fmt: skip


@pytest.mark.parametrize("rows", [[], [[]], [[], [{"id": "x"}]]])
def test_a_file_without_rows_or_with_empty_batches_is_whole(tmp_path: Path, rows: list[list[dict[str, str]]]) -> None:
    path = tmp_path / "a.parquet"
    batches = [pa.RecordBatch.from_pylist(batch, SCHEMA) for batch in rows]
    assert write_parquet(path, SCHEMA, batches) == sum(map(len, rows))
    assert pq.read_table(path).schema.equals(SCHEMA)


@given(st.lists(st.lists(st.integers(0, 5) | st.none(), max_size=9), max_size=4))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, batches: list[list[int | None]]) -> None:
    path = tmp_path_factory.mktemp("files") / "a.parquet"
    schema = pa.schema([("number", pa.int64())])
    write_parquet(
        path, schema, [pa.RecordBatch.from_arrays([pa.array(batch, pa.int64())], schema=schema) for batch in batches]
    )
    with path.open("rb") as file:
        assert read_parquet(file).column("number").to_pylist() == [value for batch in batches for value in batch]
