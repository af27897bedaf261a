"""Removal of forgotten documents from every table, by the `forget` command or, after its kill, by the next recovery.

The ids are noted first (`_work/forgets/<command>`, one per line), and are then removed in any case: where the command was
killed, or did not wait for a run that works on one of its documents, the next recovery does it.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from flows.storage.backends.layout import FORGETS, REPORTS
from flows.storage.changes import numbered
from flows.storage.dataset import Dataset
from flows.storage.document_claims import claimed_by_others
from flows.storage.orphaned_groups import groups_of_nobody_else
from flows.storage.run_ids import run_of
from flows.storage.staging import Staged, stage_and_move
from schemas.errors import DatasetError

RowFilter = Callable[[pa.RecordBatch], pa.BooleanArray]  # mask of the rows that stay
FIRST, LAST = ("documents",), ("changes",)
UNREACHABLE = (
    "copies of tables and files made by others, and data in the memory of readers",
    "backups and snapshots of the disk, older versions and replicas of objects where the store keeps them",
    "free disk blocks that were not overwritten",
    "the document itself at its address, and data kept by the model's provider",
)


@dataclass(slots=True)
class Forgotten:
    """Numbers of removed rows by table and of emptied values in `changes`, and places that Pagemill cannot reach."""

    document_ids: list[str]
    rows: dict[str, int] = field(default_factory=dict)
    changes_emptied: int = 0
    source_uris: int = 0
    unreachable: tuple[str, ...] = UNREACHABLE


def record_intent(dataset: Dataset, name: str, ids: Collection[str]) -> None:
    """Note that the command `name` (`<run_id>-<n>`) forgets `ids`, and keep these out from now on. Hold the lock.

    Adopts intents left by dead commands whose ids are a subset of `ids`, so that this command counts their rows.
    """
    store = dataset.store
    store.make_folders([FORGETS])  # missing in a dataset of an older version
    store.write(f"{FORGETS}/{name}", "".join(f"{document_id}\n" for document_id in ids).encode("ascii"))
    dataset.record_forgotten(ids)
    live = store.live_runs()
    for command, noted in _notes(dataset).items():
        if command != name and run_of(command) not in live and set(noted) <= set(ids):
            store.unlink(f"{FORGETS}/{command}")


def finish_forgets(dataset: Dataset) -> None:
    """Carry out the notes of dead commands; notes with a document that a live run works on wait. Hold the lock."""
    notes = _notes(dataset)
    live = dataset.store.live_runs() if notes else frozenset()
    for name, ids in notes.items():
        if run_of(name) not in live:
            dataset.record_forgotten(ids)
            if not claimed_by_others(dataset, run_of(name)).keys() & set(ids):
                erase(dataset, name, ids)


def erase(dataset: Dataset, name: str, ids: list[str]) -> Forgotten:
    """Remove `ids` from every table, and then the note of the command `name`. Hold the lock, recover first.

    The stored pages of runs are removed, too: they can be made again from the tables.
    """
    done = _erase(dataset, name, ids)
    dataset.store.remove(REPORTS)
    dataset.store.unlink(f"{FORGETS}/{name}")
    return done


def _notes(dataset: Dataset) -> dict[str, list[str]]:
    """The noted ids by command; half-written notes of killed processes are deleted."""
    notes = {}
    for name in dataset.entries("forgets"):
        key = f"{FORGETS}/{name}"
        if name.endswith(".aside"):
            dataset.store.unlink(key)
        else:
            notes[name] = _ids_in(dataset, key)
    return notes


def _ids_in(dataset: Dataset, key: str) -> list[str]:
    """The ids of a note. Raises DatasetError for anything else."""
    try:
        ids = dataset.store.read(key).decode("ascii").split()
    except UnicodeDecodeError as error:
        raise DatasetError(f"{dataset.location}/{key} holds no ids of documents; move it away and run again") from error
    return ids


def _erase(dataset: Dataset, staging: str, ids: list[str]) -> Forgotten:
    erased = pa.array(ids, pa.string())
    done = Forgotten(ids)
    addresses = _addresses(dataset, erased)
    done.source_uris = len(addresses)
    files: list[Staged] = []
    for table, schema in dataset.tables.items():
        if table == "changes" or "document_id" not in schema.names:
            continue
        keep = not_of(erased)
        shards = set(dataset.shards_with(table, erased))
        if "source_uri" in schema.names and table != "documents":
            keep = _not_at(erased, pa.array(sorted(addresses), pa.string()))
            parts = dataset.parts(table, ["document_id", "source_uri"])
            shards |= {shard for shard, part in parts.items() if not _all(keep, part)}
        files += [Staged(table, shard, kept_rows(dataset, table, shard, keep, done.rows)) for shard in sorted(shards)]
    for shard in dataset.shards_with("changes", erased):
        if emptied := sum(
            pc.sum(_holds_values(batch, erased)).as_py() or 0 for batch in dataset.shard_batches("changes", shard)
        ):
            done.changes_emptied += emptied
            files.append(Staged("changes", shard, _emptied(dataset, shard, erased)))
    files += _without_groups(dataset, groups_of_nobody_else(dataset, erased), done.rows)
    if unrecorded := _unrecorded(dataset, erased):
        rows = [{"document_id": fact, "kind": "forgotten"} for fact in unrecorded]
        files.append(Staged("changes", staging, [numbered(dataset, run_of(staging), rows)]))
    stage_and_move(dataset, staging, files, FIRST, LAST)
    return done


def _addresses(dataset: Dataset, ids: pa.Array) -> set[str]:
    """The addresses at which only forgotten documents were ever read."""
    tables = ("sources", "documents", "failures")
    read = pa.concat_tables([dataset.rows(table, ["document_id", "source_uri"]) for table in tables]).drop_null()
    is_forgotten = pc.is_in(read.column("document_id"), value_set=ids)
    forgotten_uris = set(read.filter(is_forgotten).column("source_uri").to_pylist())
    is_at_them = pc.is_in(read.column("source_uri"), value_set=pa.array(sorted(forgotten_uris), pa.string()))
    return forgotten_uris - set(
        read.filter(pc.and_(is_at_them, pc.invert(is_forgotten))).column("source_uri").to_pylist()
    )


def _without_groups(dataset: Dataset, groups: pa.Array, removed: dict[str, int]) -> Iterator[Staged]:
    """The files of `quality` with any of `groups`, without the rows of these."""
    if not len(groups):
        return
    for shard, part in dataset.parts("quality", ["group"]).items():
        if pc.any(pc.is_in(part.column(0), value_set=groups)).as_py():
            yield Staged("quality", shard, kept_rows(dataset, "quality", shard, _not_in_group(groups), removed))


def _unrecorded(dataset: Dataset, ids: pa.Array) -> list[str]:
    """The ids that a reader of `changes` may have a record of, and whose removal is not recorded there."""
    rows = dataset.rows("changes", ["document_id", "kind"])
    rows = rows.filter(pc.is_in(rows.column("document_id"), value_set=ids))
    heard = set(rows.column("document_id").to_pylist())
    recorded = set(rows.filter(pc.equal(rows.column("kind"), "forgotten")).column("document_id").to_pylist())
    published = dataset.published_among(ids.to_pylist())
    return [row for row in ids.to_pylist() if row in published or (row in heard and row not in recorded)]


def _holds_values(batch: pa.RecordBatch, ids: pa.Array) -> pa.BooleanArray:
    """Mask of the rows of `changes` with values of these documents."""
    is_valid = [pc.is_valid(batch.column(name)) for name in ("record", "old", "new")]
    return pc.and_(
        pc.is_in(batch.column("document_id"), value_set=ids), pc.or_(is_valid[0], pc.or_(is_valid[1], is_valid[2]))
    )


def _emptied(dataset: Dataset, shard: str, ids: pa.Array) -> Iterator[pa.RecordBatch]:
    """The rows of a file of `changes`, without the values of these documents."""
    for batch in dataset.shard_batches("changes", shard):
        is_forgotten = pc.is_in(batch.column("document_id"), value_set=ids)
        columns = [
            pc.if_else(is_forgotten, pa.scalar(None, entry.type), batch.column(entry.name))
            if entry.name in {"record", "old", "new"}
            else batch.column(entry.name)
            for entry in batch.schema
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=dataset.tables["changes"])


def kept_rows(
    dataset: Dataset, table: str, shard: str, keep: RowFilter, removed: dict[str, int]
) -> Iterator[pa.RecordBatch]:
    """The kept rows of one file, a row group at a time; the others are counted in `removed`."""
    for batch in dataset.shard_batches(table, shard):
        kept = batch.filter(keep(batch))
        removed[table] = removed.get(table, 0) + batch.num_rows - kept.num_rows
        yield kept


def not_of(ids: pa.Array) -> RowFilter:
    """Filter that keeps the rows of other documents."""
    return lambda batch: pc.invert(pc.is_in(batch.column("document_id"), value_set=ids))


def _not_in_group(groups: pa.Array) -> RowFilter:
    return lambda batch: pc.invert(pc.is_in(batch.column("group"), value_set=groups))


def _not_at(ids: pa.Array, addresses: pa.Array) -> RowFilter:
    """Filter that keeps rows of other documents, and rows without a document at other addresses."""

    def keep(batch: pa.RecordBatch) -> pa.BooleanArray:
        is_unread = pc.and_(
            pc.is_null(batch.column("document_id")), pc.is_in(batch.column("source_uri"), value_set=addresses)
        )
        return pc.invert(pc.or_(pc.is_in(batch.column("document_id"), value_set=ids), is_unread))

    return keep


def _all(keep: RowFilter, part: pa.Table) -> bool:
    return all(pc.all(keep(batch)).as_py() is not False for batch in part.to_batches())
