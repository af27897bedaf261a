"""Parquet files: durable writing, and reading of tables, batches, schemas and statistics."""

import os
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

ROW_GROUP_BYTES = 64 * 1024 * 1024  # of a row group at most, so that images can be read in pieces
ZSTD_LEVEL = 3  # page texts are a tenth smaller than with 1, in a third more time; 6 takes twice as long for 4 %


def write_parquet(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    """Write and sync one Parquet file of exactly `schema` (zstd); returns its number of rows."""
    groups = _row_groups(schema, batches)
    first = next(groups)
    count = 0
    with path.open("wb") as file:
        with pq.ParquetWriter(
            file,
            schema,
            compression="zstd",
            compression_level=ZSTD_LEVEL,
            write_page_checksum=True,
            use_dictionary=_that_repeat(first),
        ) as writer:
            for group in chain([first], groups):
                writer.write_table(group)
                count += group.num_rows
        file.flush()
        os.fsync(file.fileno())
    return count


def _row_groups(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The rows in tables of at most `ROW_GROUP_BYTES`, or of one larger batch; at least one table."""
    size = 0
    buffered: list[pa.RecordBatch] = []
    for batch in batches:
        if buffered and size + batch.nbytes > ROW_GROUP_BYTES:
            yield pa.Table.from_batches(buffered, schema)
            buffered, size = [], 0
        buffered.append(batch)
        size += batch.nbytes
    yield pa.Table.from_batches(buffered, schema)


def _that_repeat(rows: pa.Table) -> list[str]:
    """The columns to write with a dictionary: those of mostly distinct values are larger and slower with one."""
    differing = {
        field.name
        for field, column in zip(rows.schema, rows.columns, strict=True)
        if not pa.types.is_nested(field.type)
        and pc.count_distinct(column, mode="only_valid").as_py() > (len(column) - column.null_count) / 2
    }
    return [leaf for field in rows.schema if field.name not in differing for leaf in _leaves(field.name, field.type)]


def _leaves(path: str, kind: pa.DataType) -> list[str]:
    """The Parquet paths of the columns of a field."""
    if pa.types.is_list(kind):
        return _leaves(f"{path}.list.element", kind.value_type)
    if pa.types.is_struct(kind):
        return [leaf for field in kind for leaf in _leaves(f"{path}.{field.name}", field.type)]
    return [path]


def read_parquet(file: BinaryIO, columns: list[str] | None = None) -> pa.Table:
    """The rows of one file. Raises OSError or ArrowException for a file that cannot be read."""
    # for thousands of small files, threads and buffers cost more time than they save
    return pq.ParquetFile(file, pre_buffer=False).read(columns=columns, use_threads=False)


def read_batches(file: BinaryIO) -> Iterator[pa.RecordBatch]:
    """The rows of one file, a row group at a time, with verified checksums.

    Read in the caller's thread: an Arrow thread that releases a Python file while the interpreter ends aborts the process.
    """
    opened = pq.ParquetFile(file, pre_buffer=False, page_checksum_verification=True)
    for group in range(opened.num_row_groups):
        yield from opened.read_row_group(group, use_threads=False).to_batches()


def read_schema(file: BinaryIO) -> pa.Schema:
    """The schema of one file. Raises OSError or ArrowException for a file that cannot be read."""
    return pq.read_schema(file)


def column_has_values(file: BinaryIO, column: str) -> bool:
    """True unless the column is null throughout, by the statistics of the file."""
    facts = pq.ParquetFile(file).metadata
    column_index = facts.schema.to_arrow_schema().get_field_index(column)
    groups = [facts.row_group(number) for number in range(facts.num_row_groups)]
    return any(
        group.num_rows
        and (
            (statistics := group.column(column_index).statistics) is None
            or statistics.null_count is None
            or statistics.num_values > 0
        )
        for group in groups
    )
