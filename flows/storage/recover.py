"""Leftovers of dead runs, finished by the next command: READY staging, journaled answers, a run's row, a forget."""

import datetime
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.storage.backends.layout import JOURNAL, RUNS, STAGED, WORK
from flows.storage.dataset import Dataset
from flows.storage.erase import finish_forgets
from flows.storage.run_ids import run_of
from flows.storage.staging import Staged, is_ready, move, stage_and_move
from schemas.errors import DatasetError
from schemas.tables import LOG_TABLES


def recover(dataset: Dataset) -> None:
    """Move READY files, publish journaled answers, write rows of killed runs, finish killed forgets, delete the rest.

    Hold the lock. Raises DatasetError for a foreign file in `_work`, and for a shard without its `documents`.
    """
    store = dataset.store
    live = store.live_runs()
    for name in store.names(STAGED):
        if name.startswith("birth-"):
            store.remove(f"{STAGED}/{name}")
    for name in dataset.entries("staged"):
        if is_ready(dataset, name):
            move(dataset, name)
        elif run_of(name) not in live:
            store.remove(f"{STAGED}/{name}")
    dataset.refuse_half_shards()
    for name in dataset.entries("journal"):
        if run_of(name) not in live:
            with _of_ours(f"{dataset.location}/{JOURNAL}/{name}"):
                left = [batch for batch in _left(dataset, name) if batch.num_rows]
            stage_and_move(dataset, name, [Staged("calls", name, left)] if left else [], (), ())
    for name in dataset.entries("runs"):
        run_id = name.partition(".")[0]
        if name.endswith(".aside"):
            store.unlink(f"{RUNS}/{name}")  # half written
        elif run_id not in live:
            if not store.exists(f"runs/{run_id}.parquet"):
                with _of_ours(f"{dataset.location}/{RUNS}/{name}"):
                    note = {**json.loads(store.read(f"{RUNS}/{name}")), "run_id": run_id}
                    files = [Staged("runs", run_id, [_killed_run(dataset, note)]), *_its_recipe(dataset, note)]
                stage_and_move(dataset, run_id, files, (), ())
            store.unlink(f"{RUNS}/{name}")
    finish_forgets(dataset)
    for folder in ("spool", "claims", "leases"):
        for name in dataset.entries(folder):
            if name not in live:
                store.remove(f"{WORK}/{folder}/{name}")


@contextmanager
def _of_ours(file: str) -> Iterator[None]:
    """Raise DatasetError for a note or a journal whose content is not of Pagemill's form."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, pa.ArrowException) as error:
        raise DatasetError(
            f"{file} was not written by Pagemill ({type(error).__name__}: {error}); move it away and run again"
        ) from error


def _left(dataset: Dataset, name: str) -> list[pa.RecordBatch]:
    """The rows of `calls` of a dead run's segment, after those that a shard of that name has published already."""
    forgotten = dataset.forgotten_ids()
    before = dataset.shard_rows("calls", name)
    published = set(zip(before.column("document_id").to_pylist(), before.column("request_id").to_pylist(), strict=True))
    rows = [
        row
        for row in dataset.store.read_segment(name)
        if row["document_id"] not in forgotten and (row["document_id"], row["request_id"]) not in published
    ]
    return [*before.to_batches(), pa.RecordBatch.from_pylist(rows, schema=dataset.tables["calls"])]


def _its_recipe(dataset: Dataset, note: Mapping[str, Any]) -> list[Staged]:
    """The missing row of `recipes` for a killed run's published documents."""
    recipe = note.get("recipe")
    if recipe is None or recipe["recipe_id"] in dataset.recipe_ids():
        return []
    if recipe["recipe_id"] not in dataset.rows("documents", ["recipe_id"]).column(0).to_pylist():
        return []
    row = {**recipe, "first_used_at": datetime.datetime.fromisoformat(recipe["first_used_at"])}
    return [Staged("recipes", note["run_id"], [pa.RecordBatch.from_pylist([row], schema=LOG_TABLES["recipes"])])]


def _killed_run(dataset: Dataset, note: Mapping[str, Any]) -> pa.RecordBatch:
    """The `runs` row of a killed run, from its note and its published rows."""
    run_id = note["run_id"]
    documents = dataset.rows("documents", ["run_id", "status"])
    statuses = documents.filter(pc.equal(documents.column("run_id"), run_id)).column("status").to_pylist()
    failures = dataset.rows("failures", ["run_id", "source_uri"])
    failed = len(set(failures.filter(pc.equal(failures.column("run_id"), run_id)).column("source_uri").to_pylist()))
    calls = dataset.rows("calls", ["run_id", "cost_usd", "attempts", "prompt_tokens", "completion_tokens"])
    calls = calls.filter(pc.equal(calls.column("run_id"), run_id))
    counted = note["already_done"] + note["skipped"] + len(statuses) + failed
    row = {
        "run_id": run_id,
        "started_at": datetime.datetime.fromisoformat(note["started_at"]),
        "finished_at": None,
        "discovered": note["discovered"],
        "already_done": note["already_done"],
        "skipped": note["skipped"],
        "ok": statuses.count("ok"),
        "partial": statuses.count("partial"),
        "failed": failed,
        "deferred": max(0, note["discovered"] - counted),
        "cost_usd": pc.sum(calls.column("cost_usd")).as_py() or 0.0,
        "recipe_id": note["recipe_id"],
        "version": note["version"],
        "command": note.get("command"),
        "requests": pc.sum(pc.min_element_wise(calls.column("attempts"), 1)).as_py() or 0,
        "prompt_tokens": pc.sum(calls.column("prompt_tokens")).as_py() or 0,
        "completion_tokens": pc.sum(calls.column("completion_tokens")).as_py() or 0,
    }
    return pa.RecordBatch.from_pylist([row], schema=LOG_TABLES["runs"])
