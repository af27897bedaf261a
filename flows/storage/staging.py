"""Files written aside, listed in READY, then moved one by one: the part of publishing that a kill must not divide.

Before READY is written nothing is published, and the staging of a dead run is dropped. After that everything is published: the
next command moves the remaining files; a listed file that is not in staging has been moved.
"""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pyarrow as pa

from flows.storage.backends.layout import JOURNAL, STAGED
from flows.storage.dataset import Dataset
from schemas.errors import DatasetError, UnwritableDatasetError

READY = "READY"


@dataclass(frozen=True, slots=True)
class Staged:
    """One file to publish: its rows, and its name in the table, without suffix."""

    table: str
    target: str
    batches: Iterable[pa.RecordBatch]


def stage_and_move(
    dataset: Dataset, name: str, files: Iterable[Staged], first: Sequence[str], last: Sequence[str]
) -> None:
    """Write `files` to `_work/staged/<name>/` and move them: tables of `first` before the others, of `last` after them.

    Hold the lock. Raises DatasetError where the store cannot be written: then nothing has changed, or everything is READY.
    """
    store, folder = dataset.store, f"{STAGED}/{name}"
    try:
        store.remove(folder)
        listed = []
        for number, file in enumerate(files):
            staged = f"{file.table}.parquet" if file.target == name else f"{file.table}-{number}.parquet"
            facts = store.write_parquet(f"{folder}/{staged}", dataset.tables[file.table], file.batches)
            listed.append({"table": file.table, "target": file.target, "file": staged, **facts})
        if not listed:
            store.remove(f"{JOURNAL}/{name}")
            return
        store.settle(folder)
        ranks = {table: index - len(first) for index, table in enumerate(first)}
        ranks |= {table: index + 1 for index, table in enumerate(last)}
        listed.sort(key=lambda file: ranks.get(file["table"], 0))
        store.confirm()
        store.write(f"{folder}/{READY}", json.dumps(listed).encode())
        store.confirm()
        move(dataset, name)
    except OSError as error:
        with suppress(OSError, DatasetError):
            if not store.exists(f"{folder}/{READY}"):  # READY files are moved by the next recovery
                store.remove(folder)
        raise UnwritableDatasetError(
            f"{dataset.location}: {name} could not be written ({error.strerror or error})",
            "make room, check the rights and that it still exists, then run again: answers already paid for are in its journal",
        ) from error


def is_ready(dataset: Dataset, name: str) -> bool:
    """True for staging with READY, whether its process lives or not."""
    return dataset.store.exists(f"{STAGED}/{name}/{READY}")


def move(dataset: Dataset, name: str) -> None:
    """Move the files listed in READY that have not been moved. Hold the lock."""
    store, folder = dataset.store, f"{STAGED}/{name}"
    for source, target, facts in _listed(dataset, f"{folder}/{READY}", name):
        store.move(source, target, facts)
    store.remove(f"{JOURNAL}/{name}")
    store.settle(JOURNAL)
    store.unlink(f"{folder}/{READY}")
    store.remove(folder)


def as_stated(dataset: Dataset, table: str, batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch in the dataset's schema, with its column order and descriptions."""
    stated = dataset.tables[table]
    return pa.RecordBatch.from_arrays([batch.column(field.name) for field in stated], schema=stated)


def _listed(dataset: Dataset, key: str, name: str) -> list[tuple[str, str, dict[str, str]]]:
    """The file, target and facts of each entry of READY. Raises DatasetError for one that no publish has written."""
    try:
        return [
            (
                f"{STAGED}/{name}/{_one_step(file.get('file', file['table'] + '.parquet'))}",
                f"{file['table']}/{_one_step(file.get('target', name))}.parquet",
                {"sha256": str(file["sha256"]), "etag": str(file.get("etag", ""))},
            )
            for file in json.loads(dataset.store.read(key))
            if file["table"] in dataset.tables
        ]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        folder = key.rpartition("/")[0]
        raise DatasetError(
            f"{dataset.location}/{key} cannot be read ({error}); move {folder} away and run again"
        ) from error


def _one_step(name: str) -> str:
    """The name of a file. Raises ValueError for a path."""
    if "/" in name or name.startswith("."):
        raise ValueError(f"it names the file {name!r}")
    return name
