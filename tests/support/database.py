"""Prefect's database as its own server makes it, made once for all test processes: each first start takes 15 s of CPU."""

import contextlib
import shutil
import sqlite3
from pathlib import Path

from flows.runs.prefect_server import ChildServer
from flows.storage.backends.locks import exclusive


def migrated(folder: Path) -> Path:
    """A database that a server has migrated at its first start, in a `folder` of all test processes; who comes first makes it."""
    made = folder / "prefect.db"
    with exclusive(folder / "prefect.lock"):
        if not made.exists():
            server = ChildServer(folder / "first")
            try:
                server.url()
            finally:
                server.stop()
            _copy(folder / "first" / "prefect.db", folder / "prefect.aside")
            (folder / "prefect.aside").rename(made)
            shutil.rmtree(folder / "first")
    return made


def placed(database: Path, cache: Path) -> Path:
    """The cache folder `cache` as a server has left it that was started there once before."""
    there = cache / "prefect" / "prefect.db"
    if not there.exists():
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(database, there)
    return cache


def _copy(source: Path, target: Path) -> None:
    """With what still stands beside it in its log: its server was killed."""
    with contextlib.closing(sqlite3.connect(source)) as old, contextlib.closing(sqlite3.connect(target)) as new:
        old.backup(new)
