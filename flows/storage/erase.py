"""Taking forgotten documents out of every table, by the command that was told to or by whoever comes after its kill.

What is to be forgotten is noted first (`_work/forgets/<command>`, an id a line), so that from then on it happens: where the
command was killed, or did not wait for a run that works on one of its documents, the next recovery does it.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from flows.storage.backends.layout import FORGETS, REPORTS
from flows.storage.changes import numbered
from flows.storage.claims import claimed_by_others
from flows.storage.dataset import Dataset
from flows.storage.quality_groups import groups_of_nobody_else
from flows.storage.run_ids import run_of
from flows.storage.staging import Staged, stage_and_move

RowFilter = Callable[[pa.RecordBatch], pa.BooleanArray]  # which rows stay
FIRST, LAST = ("documents",), ("changes",)
UNREACHABLE = (
    "copies of the tables and files that others have made, and what readers hold in memory",
    "backups and snapshots of the disk, older versions and replicas of objects where the store keeps them",
    "free disk blocks that were not overwritten",
    "the document itself at its address, and what the model's provider keeps",
)


@dataclass(slots=True)
class Forgotten:
    """Removed rows by table, values in `changes` that are null now, and places that no command of ours reaches."""

    document_ids: list[str]
    rows: dict[str, int] = field(default_factory=dict)
    changes_emptied: int = 0
    source_uris: int = 0
    unreachable: tuple[str, ...] = UNREACHABLE


def record_intent(dataset: Dataset, name: str, ids: Collection[str]) -> None:
    """Note that the command `name` (`<run_id>-<n>`) forgets `ids`, and keep these out from now on. Hold the lock.

    What killed commands have noted of no other documents is this one's now, which then counts what it removes.
    """
    store = dataset.store
    store.make_folders([FORGETS])  # a dataset of an older Pagemill has none
    store.write(f"{FORGETS}/{name}", "".join(f"{document_id}\n" for document_id in ids).encode("ascii"))
    dataset.record_forgotten(ids)
    live = store.live_runs()
    for other, noted in _notes(dataset).items():
        if other != name and run_of(other) not in live and set(noted) <= set(ids):
            store.unlink(f"{FORGETS}/{other}")


def finish_forgets(dataset: Dataset) -> None:
    """Remove what dead commands have noted, but for documents that a live run works on: another time. Hold the lock."""
    notes = _notes(dataset)
    live = dataset.store.live_runs() if notes else frozenset()
    for name, ids in notes.items():
        if run_of(name) not in live:
            dataset.record_forgotten(ids)
            if not claimed_by_others(dataset, run_of(name)).keys() & set(ids):
                erase(dataset, name, ids)


def erase(dataset: Dataset, name: str, ids: list[str]) -> Forgotten:
    """Remove `ids` from every table, and the note of the command `name` that says so. Hold the lock, recover first.

    The kept pages of runs go, too: they can be drawn anew from the tables.
    """
    done = _erase(dataset, name, ids)
    for entry in dataset.store.names(REPORTS):
        dataset.store.unlink(f"{REPORTS}/{entry}")
    dataset.store.unlink(f"{FORGETS}/{name}")
    return done


def _notes(dataset: Dataset) -> dict[str, list[str]]:
    """The ids that each command has noted; a note that was being written when its process was killed is none."""
    notes = {}
    for name in dataset.entries("forgets"):
        key = f"{FORGETS}/{name}"
        if name.endswith(".aside"):
            dataset.store.unlink(key)
        else:
            notes[name] = dataset.store.read(key).decode("ascii").split()
    return notes


def _erase(dataset: Dataset, staging: str, ids: list[str]) -> Forgotten:
    known = pa.array(ids, pa.string())
    done = Forgotten(ids)
    addresses = _addresses(dataset, known)
    done.source_uris = len(addresses)
    files: list[Staged] = []
    for table, schema in dataset.tables.items():
        if table == "changes" or "document_id" not in schema.names:
            continue
        keep = not_of(known)
        shards = set(dataset.shards_with(table, known))
        if "source_uri" in schema.names and table != "documents":
            keep = _not_at(known, pa.array(sorted(addresses), pa.string()))
            parts = dataset.parts(table, ["document_id", "source_uri"])
            shards |= {shard for shard, part in parts.items() if not _all(keep, part)}
        files += [Staged(table, shard, kept_rows(dataset, table, shard, keep, done.rows)) for shard in sorted(shards)]
    for shard in dataset.shards_with("changes", known):
        if emptied := sum(
            pc.sum(_holds_values(batch, known)).as_py() or 0 for batch in dataset.shard_batches("changes", shard)
        ):
            done.changes_emptied += emptied
            files.append(Staged("changes", shard, _emptied(dataset, shard, known)))
    files += _without_groups(dataset, groups_of_nobody_else(dataset, known), done.rows)
    if unrecorded := _untold(dataset, known):
        rows = [{"document_id": fact, "kind": "forgotten"} for fact in unrecorded]
        files.append(Staged("changes", staging, [numbered(dataset, run_of(staging), rows)]))
    stage_and_move(dataset, staging, files, FIRST, LAST)
    return done


def _addresses(dataset: Dataset, ids: pa.Array) -> set[str]:
    """The addresses at which nothing but forgotten documents was ever read."""
    tables = ("sources", "documents", "failures")
    read = pa.concat_tables([dataset.rows(table, ["document_id", "source_uri"]) for table in tables]).drop_null()
    is_theirs = pc.is_in(read.column("document_id"), value_set=ids)
    theirs = set(read.filter(is_theirs).column("source_uri").to_pylist())
    there = pc.is_in(read.column("source_uri"), value_set=pa.array(sorted(theirs), pa.string()))
    return theirs - set(read.filter(pc.and_(there, pc.invert(is_theirs))).column("source_uri").to_pylist())


def _without_groups(dataset: Dataset, groups: pa.Array, removed: dict[str, int]) -> Iterator[Staged]:
    """The files of `quality` that name any of `groups`, without those rows."""
    if not len(groups):
        return
    for shard, part in dataset.parts("quality", ["group"]).items():
        if pc.any(pc.is_in(part.column(0), value_set=groups)).as_py():
            yield Staged("quality", shard, kept_rows(dataset, "quality", shard, _not_in_group(groups), removed))


def _untold(dataset: Dataset, ids: pa.Array) -> list[str]:
    """The ids that a reader of `changes` may hold a record of."""
    rows = dataset.rows("changes", ["document_id", "kind"])
    rows = rows.filter(pc.is_in(rows.column("document_id"), value_set=ids))
    heard = set(rows.column("document_id").to_pylist())
    recorded = set(rows.filter(pc.equal(rows.column("kind"), "forgotten")).column("document_id").to_pylist())
    published = dataset.published_among(ids.to_pylist())
    return [row for row in ids.to_pylist() if row in published or (row in heard and row not in recorded)]


def _holds_values(batch: pa.RecordBatch, ids: pa.Array) -> pa.BooleanArray:
    """Mask of the rows of `changes` that hold values of these documents."""
    is_valid = [pc.is_valid(batch.column(name)) for name in ("record", "old", "new")]
    return pc.and_(
        pc.is_in(batch.column("document_id"), value_set=ids), pc.or_(is_valid[0], pc.or_(is_valid[1], is_valid[2]))
    )


def _emptied(dataset: Dataset, shard: str, ids: pa.Array) -> Iterator[pa.RecordBatch]:
    """The rows of a file of `changes`, without the values of these documents."""
    for batch in dataset.shard_batches("changes", shard):
        is_theirs = pc.is_in(batch.column("document_id"), value_set=ids)
        columns = [
            pc.if_else(is_theirs, pa.scalar(None, entry.type), batch.column(entry.name))
            if entry.name in {"record", "old", "new"}
            else batch.column(entry.name)
            for entry in batch.schema
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=dataset.tables["changes"])


def kept_rows(
    dataset: Dataset, table: str, shard: str, keep: RowFilter, removed: dict[str, int]
) -> Iterator[pa.RecordBatch]:
    """The rows of one file that stay, a row group at a time; the others are counted in `removed`."""
    for batch in dataset.shard_batches(table, shard):
        kept = batch.filter(keep(batch))
        removed[table] = removed.get(table, 0) + batch.num_rows - kept.num_rows
        yield kept


def not_of(ids: pa.Array) -> RowFilter:
    """Keeps the rows of other documents."""
    return lambda batch: pc.invert(pc.is_in(batch.column("document_id"), value_set=ids))


def _not_in_group(groups: pa.Array) -> RowFilter:
    return lambda batch: pc.invert(pc.is_in(batch.column("group"), value_set=groups))


def _not_at(ids: pa.Array, addresses: pa.Array) -> RowFilter:
    """Keeps rows of other documents; those of no document only where they name none of `addresses`."""

    def keep(batch: pa.RecordBatch) -> pa.BooleanArray:
        is_unread = pc.and_(
            pc.is_null(batch.column("document_id")), pc.is_in(batch.column("source_uri"), value_set=addresses)
        )
        return pc.invert(pc.or_(pc.is_in(batch.column("document_id"), value_set=ids), is_unread))

    return keep


def _all(keep: RowFilter, part: pa.Table) -> bool:
    return all(pc.all(keep(batch)).as_py() is not False for batch in part.to_batches())
