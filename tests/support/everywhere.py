"""A dataset on disk as three libraries read it."""

from collections.abc import Iterable
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl


def read_everywhere(out: Path, tables: Iterable[str] | None = None) -> None:
    """Every table, or `tables`, through DuckDB, pandas and Polars, which count the same rows.

    A table whose birth was cut short has no file yet, and is left out.
    """
    folders = [out / table for table in tables] if tables else sorted(out.iterdir()) if out.exists() else []
    for folder in folders:
        if folder.is_dir() and folder.name != "_work" and any(folder.iterdir()):
            ((count,),) = duckdb.sql(f"select count(*) from '{folder}/*.parquet'").fetchall()
            assert len(pd.read_parquet(folder)) == pl.read_parquet(folder / "*.parquet").height == count, folder
