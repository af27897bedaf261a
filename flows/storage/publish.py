"""Publishing a shard, and recovering what a killed process left: a run only adds files, and each is whole.

Under the dataset's lock: (1) recover, (2) leave out what is published by now, (3) write and sync every file to
`_work/staged/<shard>/`, (4) write READY with the targets and hashes, (5) move each file, `documents` after the other shard
tables and `changes` after everything, (6) delete the shard's journal segment, then READY, (7) delete the staging.
Recovery replays 5 to 7 where READY stands: a listed file that is not in staging has been moved.
"""

import datetime
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    """Publish the rows of one shard, named `<run_id>-<n>`, or of log tables, named by their run; empty tables get no file.

    Raises DatasetError when the disk is full or the folder cannot be written; nothing is then published, and the shard's
    answers stay in its journal.
    """
    with dataset.locked():
        recover(dataset)
        _stage_and_move(dataset, shard, batches)


def replace_documents(
    dataset: Dataset, shard: str, staging: str, batches: Batches, pointers: Mapping[str, Mapping[str, str]]
) -> int:
    """Put new rows in the place of a shard's old ones, for the documents in `batches` that are still in it.

    `staging` is a name of this command's own, `<run_id>-<n>`; `pointers` give, for each record table, the JSON pointer of
    each column (of a list's table: of the list, under `""`), which `changes` tells. `calls` and `failures` stay. Returns how
    many documents have other values now.
    """
    with dataset.locked():
        recover(dataset)
        there = set(dataset.shard_rows("documents", shard).column("document_id").to_pylist())
        wanted = pa.array(sorted(there & set(_added(batches))), pa.string())
        changed: list[dict[str, Any]] = []
        tables: dict[str, pa.Table] = {}
        for table, schema in dataset.tables.items():
            if table in LOG_TABLES or table in _KEEPS_EARLIER_ATTEMPTS:
                continue
            old = dataset.shard_rows(table, shard)
            is_old = pc.is_in(old.column("document_id"), value_set=wanted)
            found = [_as_stated(dataset, table, batch) for batch in batches.get(table, ())]
            new = pa.Table.from_batches(found, schema)
            new = new.filter(pc.is_in(new.column("document_id"), value_set=wanted))
            if table in pointers:
                changed += _differences(old.filter(is_old), new, pointers[table])
            if old.num_rows or new.num_rows:
                tables[table] = pa.concat_tables([old.filter(pc.invert(is_old)), new])
        if len(wanted):
            _stage_and_replace(dataset, shard, staging, tables, changed)
        return len({row["document_id"] for row in changed})


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
        raise _unwritten(dataset, staged, error) from error


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
    _make_ready(staged, files)


def _stage_and_replace(
    dataset: Dataset, shard: str, staging: str, tables: Mapping[str, pa.Table], changed: Sequence[Mapping[str, Any]]
) -> None:
    """Stage whole files for `shard`, and a file of `changes` of this command's own; then move them."""
    staged = dataset.work / "staged" / staging
    try:
        if staged.exists():
            shutil.rmtree(staged)
        staged.mkdir()
        files = []
        for table, rows in tables.items():
            write_parquet(staged / f"{table}.parquet", dataset.tables[table], rows.to_batches())
            digest = file_hash(staged / f"{table}.parquet")
            files.append({"table": table, "sha256": digest, "target": shard})
        if changed:
            batch = _numbered(dataset, run_of(staging), changed)
            write_parquet(staged / "changes.parquet", dataset.tables["changes"], [batch])
            files.append({"table": "changes", "sha256": file_hash(staged / "changes.parquet")})
        _make_ready(staged, files)
        _move(dataset, staged)
    except OSError as error:
        raise _unwritten(dataset, staged, error) from error


def _make_ready(staged: Path, files: list[dict[str, str]]) -> None:
    files.sort(key=lambda file: (file["table"] == "changes", file["table"] == "documents"))
    sync_folder(staged)
    write_durably(staged / READY, json.dumps(files).encode())


def _unwritten(dataset: Dataset, staged: Path, error: OSError) -> DatasetError:
    if not (staged / READY).exists():  # what is ready is moved by the next recovery
        shutil.rmtree(staged, ignore_errors=True)
    return DatasetError(
        f"{dataset.root}: shard {staged.name} could not be written ({error.strerror or error}); make room or check the "
        "folder's rights, then run again: answers already paid for are in its journal"
    )


def _differences(old: pa.Table, new: pa.Table, pointers: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """What differs between the old and the new rows of one record table, field by field; a list as a whole."""
    is_list = "" in pointers
    columns = [name for name in pointers if name]
    before, after = _by_record(old, columns), _by_record(new, columns)
    for key in sorted({*before, *after}):
        document_id, record = key
        rows = before.get(key, []), after.get(key, [])
        head = {"document_id": document_id, "record": record, "kind": "replaced"}
        if is_list:
            if rows[0] != rows[1]:
                yield {**head, "field": pointers[""], "old": _as_text(rows[0]), "new": _as_text(rows[1])}
            continue
        values = [row[0] if row else dict.fromkeys(columns) for row in rows]
        for name in columns:
            if values[0][name] != values[1][name]:
                texts = [None if value[name] is None else _as_text(value[name]) for value in values]
                yield {**head, "field": pointers[name], "old": texts[0], "new": texts[1]}


def _by_record(table: pa.Table, columns: Sequence[str]) -> dict[tuple[str, int], list[dict[str, Any]]]:
    grouped: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in table.select(["document_id", "record", *columns]).to_pylist():
        key = (row.pop("document_id"), row.pop("record"))
        grouped.setdefault(key, []).append(row)
    return grouped


def _as_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list | dict) else str(value)


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
        source.replace(folder / f"{file.get('target', staged.name)}.parquet")
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
    return _numbered(dataset, run_id, [{"document_id": each, "kind": "added"} for each in added])


def _numbered(dataset: Dataset, run_id: str, changes: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    """Rows of `changes`, numbered from the published maximum."""
    last = pc.max(dataset.rows("changes", ["change_id"]).column(0)).as_py() or 0
    at = datetime.datetime.now(datetime.UTC)
    rows = [{**each, "change_id": last + place, "at": at, "run_id": run_id} for place, each in enumerate(changes, 1)]
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
