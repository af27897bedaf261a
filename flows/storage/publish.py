"""Publishing a shard: a run only adds files, and each is whole.

Under the dataset's lock: (1) recover, (2) leave out what is published or forgotten by now, (3) write and sync every file to
`_work/staged/<shard>/`, (4) write READY with the targets and hashes, (5) move each file, `documents` after the other shard
tables and `changes` after everything, (6) delete the shard's journal segment, then READY, (7) delete the staging.
Recovery replays 5 to 7 where READY stands.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.storage.backends.layout import RUNS
from flows.storage.changes import differences, ids_that_differ, numbered
from flows.storage.dataset import KEEPS_EARLIER_ATTEMPTS, Dataset
from flows.storage.recover import recover
from flows.storage.run_ids import run_of
from flows.storage.staging import Staged, as_stated, stage_and_move
from schemas.tables import LOG_TABLES

TableBatches = Mapping[str, Sequence[pa.RecordBatch]]
Last = Callable[[TableBatches], TableBatches]  # what is done to rows last, under the lock: corrections are put in
_HEAVY = ("pages", "figures")  # the source's own content, which another recipe shows in another way at most
_ORDER: tuple[str, ...] = ("documents", "changes")  # what an added shard's files end with
_AGAIN = 100_000  # more than a run has shards: what is added to the number of one that is published once more


def publish(
    dataset: Dataset, shard: str, batches: TableBatches, *, beside: bool = False, last: Last | None = None
) -> None:
    """Publish the rows of one shard, named `<run_id>-<n>`, or of log tables, named by their run; empty tables get no file.

    With `beside` the shard may have been published before, by a process that was killed before it could say so: then these
    rows are published beside it, under a name of their own.

    Raises DatasetError when the disk is full or the folder cannot be written; nothing is then published, and the shard's
    answers stay in its journal.
    """
    with dataset.locked():
        recover(dataset)
        rows = last(batches) if last is not None else batches
        _add(dataset, shard, rows, published_as(dataset, shard)[-1] if beside else None)


def published_as(dataset: Dataset, shard: str) -> list[str]:
    """The names under which a shard has been published so far, and last the one that it would have now."""
    run_id, number = run_of(shard), int(shard.rpartition("-")[2])
    names = [shard]
    while any(dataset.store.exists(f"{table}/{names[-1]}.parquet") for table in ("calls", "failures", "documents")):
        names.append(f"{run_id}-{number + len(names) * _AGAIN:06d}")
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
    """Put new rows in the place of a shard's old ones, for the documents in `batches` that are still in it.

    `staging` is a name of this command's own, `<run_id>-<n>`; `pointers` give, for each record table, the JSON pointer of
    each column (of a list's table: of the list, under `""`), which `changes` tells; a document that only differs in its
    status, problems, checks or evidence is told there without a field. `calls` and `failures` stay. Returns how many
    documents have other values now.
    """
    with dataset.locked():
        recover(dataset)
        if last is not None:
            batches = last(batches)
        there = set(dataset.shard_rows("documents", shard).column("document_id").to_pylist()) - dataset.forgotten_ids()
        wanted = pa.array(sorted(there & set(_ids(batches))), pa.string())
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
    """Put a corrected document's rows in the place of its old ones, in the tables that `batches` have, and a row in each log.

    `staging` is a name of this command's own, `<run_id>-<n>`; a command that corrects more than once writes to one file of a
    log. Hold the lock, recover first. All of it happens, or nothing.
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
    """Each table of a shard with its rows, and the new ones of the documents that are wanted."""
    for table in tables:
        old = dataset.shard_rows(table, shard)
        found = [as_stated(dataset, table, batch) for batch in batches.get(table, ())]
        new = pa.Table.from_batches(found, dataset.tables[table])
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
    """Publish a finished run's row, those of `others` by log table, a new recipe; drop the note that recovery would use.

    `others` are looked through under the lock, so that they can leave out what was forgotten meanwhile.
    """
    logs = {"runs": [pa.RecordBatch.from_pylist([dict(row)], schema=LOG_TABLES["runs"])]}
    with dataset.locked():
        recover(dataset)  # another run of this recipe may have told it, or be half through with it
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
    """The rows that name no forgotten document, of any table: its answers and its addresses stay out, too."""
    forgotten = dataset.forgotten_ids()
    if not forgotten:
        return batches
    return {
        table: parts if "document_id" not in dataset.tables[table].names else _without(parts, forgotten)
        for table, parts in batches.items()
    }


def _without_published(dataset: Dataset, batches: TableBatches) -> TableBatches:
    """The rows whose documents are not published yet; `calls` and `failures` keep every attempt's."""
    wanted = set(_ids(batches))
    published = dataset.published_among(wanted) if wanted else wanted
    if not published:
        return batches
    return {
        table: parts if table in KEEPS_EARLIER_ATTEMPTS or table in LOG_TABLES else _without(parts, published)
        for table, parts in batches.items()
    }


def _without(batches: Sequence[pa.RecordBatch], ids: set[str]) -> list[pa.RecordBatch]:
    known = pa.array(sorted(ids), pa.string())
    return [batch.filter(pc.invert(pc.is_in(batch.column("document_id"), value_set=known))) for batch in batches]


def _ids(batches: TableBatches) -> list[str]:
    return [row for batch in batches.get("documents", ()) for row in batch.column("document_id").to_pylist()]
