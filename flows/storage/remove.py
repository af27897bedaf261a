"""What takes published rows away: `forget` for good and everywhere, `supersede` in favour of a newer version.

Both go through staging as one READY list, `documents` first, so that no reader finds a document whose other rows are gone,
and `changes` last. Only shards that hold the documents are written anew, row group by row group; a file is never unlinked, one
that is left without rows has zero of them.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.storage.changes import differences, numbered
from flows.storage.dataset import KEEPS_EARLIER_ATTEMPTS, Dataset
from flows.storage.groups import groups_of_nobody_else
from flows.storage.recover import recover, run_of
from flows.storage.staging import Staged, stage_and_move
from schemas.errors import DatasetError
from schemas.tables import LOG_TABLES

Keep = Callable[[pa.RecordBatch], pa.BooleanArray]  # which rows stay
_FIRST, _LAST = ("documents",), ("changes",)
UNREACHABLE = (
    "copies of the tables and files that others have made, and what readers hold in memory",
    "backups and snapshots of the disk, older versions and replicas of objects where the store keeps them",
    "free disk blocks that were not overwritten",
    "the document itself at its address, and what the model's provider keeps",
)


@dataclass(slots=True)
class Forgotten:
    """What was removed: rows by table, values in `changes` that are null now, and what no command of ours reaches."""

    document_ids: list[str]
    rows: dict[str, int] = field(default_factory=dict)
    changes_emptied: int = 0
    source_uris: int = 0
    unreachable: tuple[str, ...] = UNREACHABLE


def forget_documents(
    dataset: Dataset, staging: str, ids: Iterable[str], *, wait: bool = True, poll: float = 1.0
) -> Forgotten:
    """Remove documents from every table and keep them out. `staging` is a name of this command's own, `<run_id>-<n>`.

    For a document that a live run has claimed it waits until that run has ended, looking every `poll` seconds; without `wait`
    it raises DatasetError naming the run. The ids are recorded before that: from then on nothing new of them is published.
    """
    wanted = sorted(set(ids))
    while True:
        with dataset.locked():
            dataset.record_forgotten(wanted)
            recover(dataset)
            claimed = dataset.claimed_by_others(run_of(staging))
            busy = sorted({claimed[each] for each in wanted if each in claimed})
            if not busy:
                return _forget(dataset, staging, wanted)
        if not wait:
            raise DatasetError(
                f"{dataset.place}: run {busy[0]} works on a document that is to be forgotten; nothing new of it will be "
                "published, but what is there stays until the run has ended: forget it once more then"
            )
        time.sleep(poll)


def supersede_documents(
    dataset: Dataset, staging: str, ids: Iterable[str], pointers: Mapping[str, Mapping[str, str]]
) -> set[str]:
    """Remove documents that newer versions have replaced; `changes` keeps each of their values. Returns those removed.

    `staging` is a name of the run's own, `<run_id>-<n>`, and `pointers` are as for `replace_documents`. Documents that are
    no longer published, or that another live run works on, are left to another night. Answers and failures stay.
    """
    with dataset.locked():
        recover(dataset)
        mine = dataset.claim_published(run_of(staging), ids)
        known = pa.array(sorted(mine), pa.string())
        told: list[dict[str, Any]] = []
        files: list[Staged] = []
        for table, schema in dataset.tables.items():
            if table in LOG_TABLES or table in KEEPS_EARLIER_ATTEMPTS or "document_id" not in schema.names:
                continue
            for shard in dataset.shards_with(table, known):
                if table in pointers:
                    rows = dataset.shard_rows(table, shard)
                    old = rows.filter(pc.is_in(rows.column("document_id"), value_set=known))
                    told += differences(old, schema.empty_table(), pointers[table], "superseded")
                files.append(Staged(table, shard, _kept(dataset, table, shard, _not_of(known), {})))
        if mine:
            silent = mine - {row["document_id"] for row in told}  # a record without a single value is told, too
            told += [{"document_id": each, "kind": "superseded"} for each in sorted(silent)]
            files.append(Staged("changes", staging, [numbered(dataset, run_of(staging), told)]))
            stage_and_move(dataset, staging, files, _FIRST, _LAST)
        return mine


def _forget(dataset: Dataset, staging: str, ids: list[str]) -> Forgotten:
    known = pa.array(ids, pa.string())
    done = Forgotten(ids)
    addresses = _addresses(dataset, known)
    done.source_uris = len(addresses)
    files: list[Staged] = []
    for table, schema in dataset.tables.items():
        if table == "changes" or "document_id" not in schema.names:
            continue
        keep = _not_of(known)
        shards = set(dataset.shards_with(table, known))
        if "source_uri" in schema.names and table != "documents":
            keep = _not_at(known, pa.array(sorted(addresses), pa.string()))
            parts = dataset.parts(table, ["document_id", "source_uri"])
            shards |= {shard for shard, part in parts.items() if not _all(keep, part)}
        files += [Staged(table, shard, _kept(dataset, table, shard, keep, done.rows)) for shard in sorted(shards)]
    for shard in dataset.shards_with("changes", known):
        if emptied := sum(
            pc.sum(_holds_values(batch, known)).as_py() or 0 for batch in dataset.shard_batches("changes", shard)
        ):
            done.changes_emptied += emptied
            files.append(Staged("changes", shard, _emptied(dataset, shard, known)))
    files += _without_groups(dataset, groups_of_nobody_else(dataset, known), done.rows)
    if told := _untold(dataset, known):
        rows = [{"document_id": each, "kind": "forgotten"} for each in told]
        files.append(Staged("changes", staging, [numbered(dataset, run_of(staging), rows)]))
    stage_and_move(dataset, staging, files, _FIRST, _LAST)
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
            yield Staged("quality", shard, _kept(dataset, "quality", shard, _not_in_group(groups), removed))


def _untold(dataset: Dataset, ids: pa.Array) -> list[str]:
    """The ids that a reader of `changes` may hold a record of."""
    rows = dataset.rows("changes", ["document_id", "kind"])
    rows = rows.filter(pc.is_in(rows.column("document_id"), value_set=ids))
    heard = set(rows.column("document_id").to_pylist())
    told = set(rows.filter(pc.equal(rows.column("kind"), "forgotten")).column("document_id").to_pylist())
    published = dataset.published_ids()
    return [each for each in ids.to_pylist() if each in published or (each in heard and each not in told)]


def _holds_values(batch: pa.RecordBatch, ids: pa.Array) -> pa.BooleanArray:
    """Which rows of `changes` tell values of these documents."""
    is_valid = [pc.is_valid(batch.column(name)) for name in ("record", "old", "new")]
    return pc.and_(
        pc.is_in(batch.column("document_id"), value_set=ids), pc.or_(is_valid[0], pc.or_(is_valid[1], is_valid[2]))
    )


def _emptied(dataset: Dataset, shard: str, ids: pa.Array) -> Iterator[pa.RecordBatch]:
    """The rows of a file of `changes`, without the values of these documents."""
    for batch in dataset.shard_batches("changes", shard):
        is_theirs = pc.is_in(batch.column("document_id"), value_set=ids)
        columns = [
            pc.if_else(is_theirs, pa.scalar(None, each.type), batch.column(each.name))
            if each.name in {"record", "old", "new"}
            else batch.column(each.name)
            for each in batch.schema
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=dataset.tables["changes"])


def _kept(dataset: Dataset, table: str, shard: str, keep: Keep, removed: dict[str, int]) -> Iterator[pa.RecordBatch]:
    """The rows of one file that stay, a row group at a time; the others are counted in `removed`."""
    for batch in dataset.shard_batches(table, shard):
        kept = batch.filter(keep(batch))
        removed[table] = removed.get(table, 0) + batch.num_rows - kept.num_rows
        yield kept


def _not_of(ids: pa.Array) -> Keep:
    return lambda batch: pc.invert(pc.is_in(batch.column("document_id"), value_set=ids))


def _not_in_group(groups: pa.Array) -> Keep:
    return lambda batch: pc.invert(pc.is_in(batch.column("group"), value_set=groups))


def _not_at(ids: pa.Array, addresses: pa.Array) -> Keep:
    """Keeps rows of other documents; those of no document only where they name none of `addresses`."""

    def keep(batch: pa.RecordBatch) -> pa.BooleanArray:
        is_unread = pc.and_(
            pc.is_null(batch.column("document_id")), pc.is_in(batch.column("source_uri"), value_set=addresses)
        )
        return pc.invert(pc.or_(pc.is_in(batch.column("document_id"), value_set=ids), is_unread))

    return keep


def _all(keep: Keep, part: pa.Table) -> bool:
    return all(pc.all(keep(batch)).as_py() is not False for batch in part.to_batches())
