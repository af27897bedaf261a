"""A reader of a dataset of painted documents, in a process of its own, by one library, until its standard input closes.

`python -m tests.support.reader LIBRARY OUT [removes]` prints `ready` after its first look, and at the end one JSON object: looks,
reads, errors by name, how many of them nobody provoked, how many retries met another replacement, and what was wrong.
"""

import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.support.judge import Eye

ENDS_AFTER = 600.0  # seconds
RETRY_AFTER = 0.25  # seconds
MOST_RETRIES = 3
PAUSE = 0.05  # seconds between looks: four hot readers on two cores would leave the writer nothing

Read = Callable[[Path, Sequence[str]], list[tuple[Any, ...]]]


def by_pandas() -> Read:
    import pandas as pd

    return lambda folder, columns: list(
        pd.read_parquet(folder, columns=list(columns)).itertuples(index=False, name=None)
    )


def by_pyarrow() -> Read:
    import pyarrow.parquet as pq

    def read(folder: Path, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        table = pq.read_table(folder, columns=list(columns))
        return list(zip(*(table.column(name).to_pylist() for name in columns), strict=True))

    return read


def by_duckdb() -> Read:
    import duckdb

    return lambda folder, columns: duckdb.sql(f"select {', '.join(columns)} from '{folder}/*.parquet'").fetchall()


def by_polars() -> Read:
    import polars as pl

    return lambda folder, columns: pl.read_parquet(folder / "*.parquet", columns=list(columns)).select(columns).rows()


LIBRARIES = {"pandas": by_pandas, "pyarrow": by_pyarrow, "duckdb": by_duckdb, "polars": by_polars}


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """The files of a table, told apart from those that replace them."""
    return {entry.name: (entry.stat().st_ino, entry.stat().st_mtime_ns) for entry in os.scandir(folder)}


class Patient:
    """Reads, and again after an error. Each error is counted; `unprovoked` are those in whose read no file of the table was
    replaced or added, `met` the retries that failed since another one was: Polars reads the end of a file, where it says
    where its columns are, and opens it once more for the columns, and a rename in between gives it one of either file.
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        self.reads = 0
        self.unprovoked = self.met = 0
        self.errors: Counter[str] = Counter()

    def __call__(self, folder: Path, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        for attempt in range(MOST_RETRIES):
            self.reads += 1
            before = stamps(folder)
            try:
                return self._read(folder, columns)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:  # Polars panics with what is no Exception
                self.errors[f"{type(error).__name__}: {str(error)[:160]}"] += 1
                provoked = stamps(folder) != before
                self.unprovoked += not provoked
                self.met += attempt > 0 and provoked
                time.sleep(RETRY_AFTER)
        return self._read(folder, columns)


def main(library: str, out: Path, removes: bool) -> None:
    os.nice(10)
    closed = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), closed.set()), daemon=True).start()
    read, eye = Patient(LIBRARIES[library]()), Eye(removes)
    looks, end = 0, time.monotonic() + ENDS_AFTER

    def rows() -> tuple[list[Any], list[Any]]:
        return (
            read(out / "paint", ("document_id", "file_name", "name", "colour")),
            read(out / "paint_layers", ("document_id", "made_of")),
        )

    while not closed.is_set() and time.monotonic() < end:
        before = rows()
        ids = [each for (each,) in read(out / "documents", ("document_id",))]
        eye.see(before, ids, rows())
        looks += 1
        time.sleep(PAUSE)
        if looks == 1:
            print("ready", flush=True)
    print(
        json.dumps(
            {
                "looks": looks,
                "reads": read.reads,
                "errors": read.errors,
                "unprovoked": read.unprovoked,
                "met": read.met,
                "wrong": eye.wrong[:5],
                "seen": len(eye.ids),
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), removes=sys.argv[3:] == ["removes"])
