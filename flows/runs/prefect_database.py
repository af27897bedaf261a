"""Prefect's SQLite database as its migrations leave it, made at once: they take 7 s of CPU at a first start.

`prefect_database.sql` has the statements, written by this module from a database that a server has migrated:

    python -m flows.runs.prefect_database DATABASE > flows/runs/prefect_database.sql

It is for one version of Prefect, which its first line names; another version migrates as ever. No row of anybody is in it.
"""

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

NAME = "prefect.db"


def place_database(home: Path) -> None:
    """Make the database in `home` where there is none. What cannot be made here, Prefect's server makes at its start."""
    if (home / NAME).exists():
        return
    head, _, statements = files("flows.runs").joinpath("prefect_database.sql").read_text("utf-8").partition("\n")
    if head != _head():
        return
    made = home / f"{NAME}.{os.getpid()}"
    try:
        with closing(sqlite3.connect(made)) as base:
            base.executescript(f"begin; {statements} commit;")
        made.replace(home / NAME)
    except (sqlite3.Error, OSError):
        made.unlink(missing_ok=True)


def statements_of(database: Path) -> Iterator[str]:
    """Statements that make such a database: its tables and indexes in their order, and the revision of its migrations."""
    yield _head()
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as base:
        for (statement,) in base.execute("select sql from sqlite_master where sql is not null order by rowid"):
            yield f"{statement};"
        for (revision,) in base.execute("select version_num from alembic_version"):
            yield f"insert into alembic_version values ('{revision}');"  # noqa: S608 - a hash of Prefect's own


def _head() -> str:
    return f"-- Prefect {version('prefect')}"


if __name__ == "__main__":
    print(*statements_of(Path(sys.argv[1])), sep="\n")  # noqa: T201 - its output is the file
