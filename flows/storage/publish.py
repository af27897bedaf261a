"""Publishing a shard, and recovering what a killed process left: a run only adds files, and each is whole.

Under the dataset's lock: (1) recover, (2) leave out what is published by now, (3) write and sync every file to
`_work/staged/<shard>/`, (4) write READY with the targets and hashes, (5) move each file, `documents` after the other shard
tables and `changes` after everything, (6) delete the shard's journal segment, then READY, (7) delete the staging.
Recovery replays 5 to 7 where READY stands: a listed file that is not in staging has been moved.
"""

import datetime
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.storage.dataset import Dataset
from flows.storage.files import file_hash, sync_folder, write_durably, write_parquet
from flows.storage.journal import read_segment
from schemas.errors import DatasetError
from schemas.tables import LOG_TABLES, SHARD_TABLES

Batches = Mapping[str, Sequence[pa.RecordBatch]]
READY = "READY"
_KEEPS_EARLIER_ATTEMPTS = frozenset({"calls", "failures"})


def publish(dataset: Dataset, shard: str, batches: Batches) -> None:
    """Publish the rows of one shard, named `<run_id>-<n>`; empty tables get no file.

    Raises DatasetError when the disk is full or the folder cannot be written; nothing is then published, and the shard's
    answers stay in its journal.
    """
    with dataset.locked():
        recover(dataset)
        _stage_and_move(dataset, shard, batches)


def publish_log(dataset: Dataset, name: str, batches: Batches) -> None:
    """Publish rows of log tables (`runs`, `sources`, `recipes`) as files called `name`. Hold no lock."""
    with dataset.locked():
        recover(dataset)
        _stage_and_move(dataset, name, batches)


def recover(dataset: Dataset) -> None:
    """Finish what dead runs left: replay what is READY, publish journaled answers, write the row of a killed run.

    Hold the lock.
    """
    for staged in sorted((dataset.work / "staged").iterdir()):
        if (staged / READY).exists():
            _move(dataset, staged)
        elif not dataset.is_run_live(run_of(staged.name)):
            shutil.rmtree(staged) if staged.is_dir() else staged.unlink()
    for segment in sorted((dataset.work / "journal").iterdir()):
        if not dataset.is_run_live(run_of(segment.name)):
            calls = pa.RecordBatch.from_pylist(list(read_segment(segment)), schema=SHARD_TABLES["calls"])
            _stage_and_move(dataset, segment.name, {"calls": [calls]})
    for torn in (dataset.work / "runs").glob("*.aside"):
        torn.unlink()
    for note in sorted((dataset.work / "runs").glob("*.json")):
        if dataset.is_run_live(note.stem):
            continue
        if not (dataset.root / "runs" / f"{note.stem}.parquet").exists():
            _stage_and_move(dataset, note.stem, {"runs": [_killed_run(dataset, json.loads(note.read_bytes()))]})
        note.unlink(missing_ok=True)
    for spool in (dataset.work / "spool").iterdir():
        if not dataset.is_run_live(spool.name):
            shutil.rmtree(spool, ignore_errors=True)
    for folder in ("claims", "leases"):
        for path in (dataset.work / folder).iterdir():
            if not dataset.is_run_live(path.name):
                path.unlink(missing_ok=True)


def run_of(shard: str) -> str:
    """The run that a shard's name tells."""
    return shard.rpartition("-")[0]


def end_run(dataset: Dataset, run_id: str, row: Mapping[str, Any], sources: Iterable[Mapping[str, Any]]) -> None:
    """Publish a finished run's row and the `sources` that changed, and drop the note that recovery would use."""
    logs = {"runs": [pa.RecordBatch.from_pylist([dict(row)], schema=LOG_TABLES["runs"])]}
    if changed := [dict(each) for each in sources]:
        logs["sources"] = [pa.RecordBatch.from_pylist(changed, schema=LOG_TABLES["sources"])]
    with dataset.locked():
        _stage_and_move(dataset, run_id, logs)
        (dataset.work / "runs" / f"{run_id}.json").unlink(missing_ok=True)


def _stage_and_move(dataset: Dataset, shard: str, batches: Batches) -> None:
    staged = dataset.work / "staged" / shard
    try:
        _stage(dataset, staged, _without_published(dataset, batches))
        _move(dataset, staged)
    except OSError as error:
        if not (staged / READY).exists():  # what is ready is moved by the next recovery
            shutil.rmtree(staged, ignore_errors=True)
        raise DatasetError(
            f"{dataset.root}: shard {shard} could not be written ({error.strerror or error}); make room or check the "
            "folder's rights, then run again: answers already paid for are in its journal"
        ) from error


def _stage(dataset: Dataset, staged: Path, batches: Batches) -> None:
    if staged.exists():
        shutil.rmtree(staged)
    staged.mkdir()
    added = _added(batches)
    if added:
        batches = {**batches, "changes": [_changes(dataset, added, run_of(staged.name))]}
    files = []
    for table in dataset.tables:
        held = [_as_stated(dataset, table, batch) for batch in batches.get(table, ()) if batch.num_rows]
        if held:
            path = staged / f"{table}.parquet"
            write_parquet(path, dataset.tables[table], held)
            files.append({"table": table, "sha256": file_hash(path)})
    files.sort(key=lambda file: (file["table"] == "changes", file["table"] == "documents"))
    sync_folder(staged)
    write_durably(staged / READY, json.dumps(files).encode())


def _move(dataset: Dataset, staged: Path) -> None:
    for file in json.loads((staged / READY).read_bytes()):
        source = staged / f"{file['table']}.parquet"
        if not source.exists():
            continue  # moved before the process that staged it ended
        if file_hash(source) != file["sha256"]:
            raise DatasetError(
                f"{source} is not what was staged: the disk has damaged it; remove {staged} and run again"
            )
        folder = dataset.root / file["table"]
        source.replace(folder / f"{staged.name}.parquet")
        sync_folder(folder)
    (dataset.work / "journal" / staged.name).unlink(missing_ok=True)
    sync_folder(dataset.work / "journal")
    (staged / READY).unlink()
    shutil.rmtree(staged)


def _without_published(dataset: Dataset, batches: Batches) -> Batches:
    """The rows whose documents are not published yet; `calls` and `failures` keep every attempt's."""
    wanted = {value for batch in batches.get("documents", ()) for value in batch.column("document_id").to_pylist()}
    published = wanted & dataset.published_ids() if wanted else wanted
    if not published:
        return batches
    known = pa.array(sorted(published))
    return {
        table: held
        if table in _KEEPS_EARLIER_ATTEMPTS or table in LOG_TABLES
        else [batch.filter(pc.invert(pc.is_in(batch.column("document_id"), value_set=known))) for batch in held]
        for table, held in batches.items()
    }


def _as_stated(dataset: Dataset, table: str, batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with exactly the dataset's schema: its column order and descriptions."""
    stated = dataset.tables[table]
    return pa.RecordBatch.from_arrays([batch.column(field.name) for field in stated], schema=stated)


def _added(batches: Batches) -> list[str]:
    return [each for batch in batches.get("documents", ()) for each in batch.column("document_id").to_pylist()]


def _changes(dataset: Dataset, added: Sequence[str], run_id: str) -> pa.RecordBatch:
    last = pc.max(dataset.rows("changes", ["change_id"]).column(0)).as_py() or 0
    at = datetime.datetime.now(datetime.UTC)
    rows = [
        {"change_id": last + place, "at": at, "run_id": run_id, "document_id": each, "kind": "added"}
        for place, each in enumerate(added, start=1)
    ]
    return pa.RecordBatch.from_pylist(rows, schema=LOG_TABLES["changes"])


def _killed_run(dataset: Dataset, note: Mapping[str, Any]) -> pa.RecordBatch:
    """The `runs` row of a run that was killed, from its note and from what it had published."""
    run_id = note["run_id"]
    documents = dataset.rows("documents", ["run_id", "status"])
    statuses = documents.filter(pc.equal(documents.column("run_id"), run_id)).column("status").to_pylist()
    failures = dataset.rows("failures", ["run_id", "source_uri"])
    failed = len(set(failures.filter(pc.equal(failures.column("run_id"), run_id)).column("source_uri").to_pylist()))
    calls = dataset.rows("calls", ["run_id", "cost_usd", "attempts", "prompt_tokens", "completion_tokens"])
    calls = calls.filter(pc.equal(calls.column("run_id"), run_id))
    known = note["already_done"] + note["skipped"] + len(statuses) + failed
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
        "deferred": max(0, note["discovered"] - known),
        "cost_usd": pc.sum(calls.column("cost_usd")).as_py() or 0.0,
        "recipe_id": note["recipe_id"],
        "version": note["version"],
        "requests": pc.sum(pc.min_element_wise(calls.column("attempts"), 1)).as_py() or 0,
        "prompt_tokens": pc.sum(calls.column("prompt_tokens")).as_py() or 0,
        "completion_tokens": pc.sum(calls.column("completion_tokens")).as_py() or 0,
    }
    return pa.RecordBatch.from_pylist([row], schema=LOG_TABLES["runs"])
