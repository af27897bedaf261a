"""A dataset on disk as three libraries read it."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl

_READ: set[str] = set()  # tables that were read before: among some hundred kills most find the same files


def read_everywhere(out: Path, tables: Iterable[str] | None = None) -> None:
    """Every table, or `tables`, through DuckDB, pandas and Polars, which count the same rows.

    A table whose birth was cut short has no file yet, and is left out; one whose files have the names and bytes of one that
    was read before is not read again.
    """
    folders = [out / table for table in tables] if tables else sorted(out.iterdir()) if out.exists() else []
    for folder in folders:
        if folder.name == "_work" or not folder.is_dir():
            continue
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        seen = hashlib.sha256(repr(files).encode()).hexdigest()
        if files and seen not in _READ:
            ((count,),) = duckdb.sql(f"select count(*) from '{folder}/*.parquet'").fetchall()
            assert len(pd.read_parquet(folder)) == pl.read_parquet(folder / "*.parquet").height == count, folder
            _READ.add(seen)
