"""Publishing of a shard: a run only adds files, and each is whole.

Under the dataset's lock: (1) recover, (2) leave out published and forgotten documents, (3) write and sync every file to
`_work/staged/<shard>/`, (4) write READY with the targets and hashes, (5) move each file, `documents` after the other shard
tables and `changes` last, (6) delete the shard's journal segment, then READY, (7) delete the staging.
Recovery repeats 5 to 7 where READY exists.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.storage.backends.layout import RUNS
from flows.storage.changes import differences, ids_that_differ, numbered
from flows.storage.dataset import KEEPS_EARLIER_ATTEMPTS, Dataset
from flows.storage.recover import recover
from flows.storage.run_ids import repeated_shard, run_of
from flows.storage.staging import Staged, as_stated, stage_and_move
from schemas.tables import LOG_TABLES

TableBatches = Mapping[str, Sequence[pa.RecordBatch]]
Last = Callable[[TableBatches], TableBatches]  # last step under the lock: applies corrections
_HEAVY = ("pages", "figures")  # content of the source: differences between recipes are no changes of values
_ORDER: tuple[str, ...] = ("documents", "changes")  # tables moved last


def publish(
    dataset: Dataset, shard: str, batches: TableBatches, *, beside: bool = False, last: Last | None = None
) -> None:
    """Publish the rows of one shard, named `<run_id>-<n>`, or of log tables, named by their run; empty tables get no file.

    With `beside` the shard may have been published before, by a process that was killed before it could report it: then these
    rows are published beside it, under another name.

    Raises DatasetError where the disk is full or the folder cannot be written; nothing is then published, and the shard's
    answers stay in its journal.
    """
    with dataset.locked():
        recover(dataset)
        rows = last(batches) if last is not None else batches
        _add(dataset, shard, rows, published_as(dataset, shard)[-1] if beside else None)


def published_as(dataset: Dataset, shard: str) -> list[str]:
    """The names under which a shard has been published, and last the name for its next publish."""
    names = [shard]
    while any(dataset.store.exists(f"{table}/{names[-1]}.parquet") for table in ("calls", "failures", "documents")):
        names.append(repeated_shard(shard, len(names)))
    return names


def replace_documents(
    dataset: Dataset,
    shard: str,
    staging: str,
    batches: TableBatches,
    pointers: Mapping[str, Mapping[str, str]],
    *,
    last: Last | None = None,
) -> int:
    """Replace a shard's rows of the documents in `batches` that are still in it; returns the number with new values.

    `staging` is this command's shard name, `<run_id>-<n>`; `pointers` has, for each record table, the JSON pointer of each
    column (for a list's table that of the list, under `""`), for the rows of `changes`; a document that differs only in its
    status, problems, checks or evidence has a row there without a field. `calls` and `failures` stay.
    """
    with dataset.locked():
        recover(dataset)
        if last is not None:
            batches = last(batches)
        present = (
            set(dataset.shard_rows("documents", shard).column("document_id").to_pylist()) - dataset.forgotten_ids()
        )
        wanted = pa.array(sorted(present & set(_ids(batches))), pa.string())
        changed: list[dict[str, Any]] = []
        differing: set[str] = set()
        files: list[Staged] = []
        tables = [entry for entry in dataset.tables if entry not in LOG_TABLES and entry not in KEEPS_EARLIER_ATTEMPTS]
        for table, old, new in _replaced(dataset, shard, tables, batches, wanted):
            is_old = pc.is_in(old.column("document_id"), value_set=wanted)
            if table in pointers:
                changed += differences(old.filter(is_old), new, pointers[table], "replaced")
            if table not in _HEAVY:
                differing |= ids_that_differ(old.filter(is_old), new)
            files.append(Staged(table, shard, pa.concat_tables([old.filter(pc.invert(is_old)), new]).to_batches()))
        changed_ids = {row["document_id"] for row in changed}
        changed += [{"document_id": entry, "kind": "replaced"} for entry in sorted(differing - changed_ids)]
        if changed:
            files.append(Staged("changes", staging, [numbered(dataset, run_of(staging), changed)]))
        if len(wanted):
            stage_and_move(dataset, staging, files, (), _ORDER)
        return len(changed_ids)


def correct_document(
    dataset: Dataset, shard: str, staging: str, batches: TableBatches, logs: Mapping[str, Mapping[str, Any]]
) -> None:
    """Replace a corrected document's rows in the tables of `batches`, and add a row to each log, all or nothing.

    `staging` is this command's shard name, `<run_id>-<n>`; all corrections of one command are in one file per log. Hold the
    lock, recover first.
    """
    wanted = pa.array(_ids(batches), pa.string())
    files = []
    for table, old, new in _replaced(dataset, shard, list(batches), batches, wanted):
        is_old = pc.is_in(old.column("document_id"), value_set=wanted)
        files.append(Staged(table, shard, pa.concat_tables([old.filter(pc.invert(is_old)), new]).to_batches()))
    for table, row in logs.items():
        batch = pa.RecordBatch.from_pylist([dict(row)], schema=LOG_TABLES[table])
        before = dataset.shard_rows(table, staging).to_batches()
        files.append(Staged(table, staging, [*before, as_stated(dataset, table, batch)]))
    stage_and_move(dataset, staging, files, (), _ORDER)


def _replaced(
    dataset: Dataset, shard: str, tables: Iterable[str], batches: TableBatches, wanted: pa.Array
) -> Iterator[tuple[str, pa.Table, pa.Table]]:
    """The tables of a shard, each with its old rows and with the new rows of the wanted documents."""
    for table in tables:
        old = dataset.shard_rows(table, shard)
        stated = [as_stated(dataset, table, batch) for batch in batches.get(table, ())]
        new = pa.Table.from_batches(stated, dataset.tables[table])
        new = new.filter(pc.is_in(new.column("document_id"), value_set=wanted))
        if old.num_rows or new.num_rows:
            yield table, old, new


def end_run(
    dataset: Dataset,
    run_id: str,
    row: Mapping[str, Any],
    others: Mapping[str, Iterable[Mapping[str, Any]]],
    recipe: Mapping[str, Any] | None = None,
) -> None:
    """Publish a finished run's row, the rows of `others` by log table, a new recipe; then delete the run's note.

    `others` are evaluated under the lock, so that they can leave out documents forgotten meanwhile.
    """
    logs = {"runs": [pa.RecordBatch.from_pylist([dict(row)], schema=LOG_TABLES["runs"])]}
    with dataset.locked():
        recover(dataset)  # another run may have published this recipe, completely or in part
        for table, rows in others.items():
            if row_list := [dict(entry) for entry in rows]:
                logs[table] = [pa.RecordBatch.from_pylist(row_list, schema=LOG_TABLES[table])]
        if recipe is not None and recipe["recipe_id"] not in dataset.recipe_ids():
            logs["recipes"] = [pa.RecordBatch.from_pylist([dict(recipe)], schema=LOG_TABLES["recipes"])]
        _add(dataset, run_id, logs)
        dataset.store.unlink(f"{RUNS}/{run_id}.json")


def _add(dataset: Dataset, name: str, batches: TableBatches, target: str | None = None) -> None:
    kept = _without_published(dataset, _without_forgotten(dataset, batches))
    if added := _ids(kept):
        rows = [{"document_id": entry, "kind": "added"} for entry in added]
        kept = {**kept, "changes": [numbered(dataset, run_of(name), rows)]}
    stage_and_move(dataset, name, _files(dataset, target or name, kept), (), _ORDER)


def _files(dataset: Dataset, name: str, batches: TableBatches) -> Iterator[Staged]:
    for table in dataset.tables:
        stated = [as_stated(dataset, table, batch) for batch in batches.get(table, ()) if batch.num_rows]
        if stated:
            yield Staged(table, name, stated)


def _without_forgotten(dataset: Dataset, batches: TableBatches) -> TableBatches:
    """The rows without forgotten documents, in all tables: answers and addresses are left out, too."""
    forgotten = dataset.forgotten_ids()
    if not forgotten:
        return batches
    return {
        table: parts if "document_id" not in dataset.tables[table].names else _without(parts, forgotten)
        for table, parts in batches.items()
    }


def _without_published(dataset: Dataset, batches: TableBatches) -> TableBatches:
    """The rows whose documents are not published yet; in `calls` and `failures` the rows of all attempts."""
    wanted = set(_ids(batches))
    published = dataset.published_among(wanted) if wanted else wanted
    if not published:
        return batches
    return {
        table: parts if table in KEEPS_EARLIER_ATTEMPTS or table in LOG_TABLES else _without(parts, published)
        for table, parts in batches.items()
    }


def _without(batches: Sequence[pa.RecordBatch], ids: set[str]) -> list[pa.RecordBatch]:
    excluded = pa.array(sorted(ids), pa.string())
    return [batch.filter(pc.invert(pc.is_in(batch.column("document_id"), value_set=excluded))) for batch in batches]


def _ids(batches: TableBatches) -> list[str]:
    return [row for batch in batches.get("documents", ()) for row in batch.column("document_id").to_pylist()]
