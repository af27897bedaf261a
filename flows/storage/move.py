"""`pagemill move`: addresses of documents after their archive has moved. Nothing is read, hashed or asked again.

The files with addresses are rewritten aside and moved together, as by a refresh: a kill leaves all old addresses, or the next
command ends the move.
"""

import os
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.storage.backends.store import Out
from flows.storage.dataset import Dataset
from flows.storage.open import read_dataset
from flows.storage.recover import recover
from flows.storage.run_ids import command_shard, new_run_id
from flows.storage.staging import Staged, stage_and_move
from schemas.errors import ConfigurationError

_ADDRESSES = {
    "documents": ("source_uri",),
    "failures": ("source_uri",),
    "sources": ("source_uri", "found_by"),
}


def move_addresses(out: Out, old: str, new: str) -> dict[str, int]:
    """Replace the prefix `old` of addresses by `new`; the number of rows changed, by table.

    A prefix ends where a step of the address ends: `/archive` is none of `/archives/a.pdf`. Raises ConfigurationError where no
    address has it, where a run is at work, and for two equal prefixes.
    """
    before, after = _prefix(old), _prefix(new)
    if before == after:
        raise ConfigurationError(f"{old} and {new} are the same address; nothing is moved")
    dataset = read_dataset(out)
    with dataset.locked():
        recover(dataset)
        if live := sorted(dataset.runs_at_work()):
            raise ConfigurationError(f"run {live[0]} is at work in {dataset.location}; move when it has ended")
        counts = dict.fromkeys(_ADDRESSES, 0)
        files = []
        for table, columns in _ADDRESSES.items():
            names = [name for name in columns if name in dataset.tables[table].names]
            for shard in dataset.files(table):
                changed = _count(dataset.shard_columns(table, shard, names), before)
                if changed:
                    counts[table] += changed
                    files.append(Staged(table, shard, _moved(dataset, table, shard, names, before, after)))
        if not files:
            raise ConfigurationError(
                f"no address of {dataset.location} begins with {before}; the column `source_uri` of `documents` has them"
            )
        stage_and_move(dataset, command_shard(new_run_id(), "move"), files, (), ())
    return counts


def move_lines(counts: dict[str, int], out: Out, old: str, new: str) -> list[str]:
    """The result for people."""
    parts = ", ".join(f"{count:,} rows of `{table}`" for table, count in counts.items() if count)
    return [
        f"{out}: {old} is {new} now in {parts}; name {new} as the SOURCE of the next run, which opens nothing again"
    ]


def _prefix(text: str) -> str:
    """A prefix as addresses have it: an absolute path, or a URL, without a slash at its end."""
    whole = text if "://" in text else os.path.abspath(text)  # noqa: PTH100 - `..` is to be resolved, links are not
    return whole.rstrip("/") or "/"


def _has_prefix(column: Any, prefix: str) -> Any:
    below = prefix if prefix.endswith("/") else f"{prefix}/"
    return pc.fill_null(pc.or_(pc.equal(column, prefix), pc.starts_with(column, below)), False)


def _count(rows: pa.Table, prefix: str) -> int:
    mask = None
    for column in rows.columns:
        found = _has_prefix(column, prefix)
        mask = found if mask is None else pc.or_(mask, found)
    return 0 if mask is None else int(pc.sum(mask).as_py() or 0)


def _moved(
    dataset: Dataset, table: str, shard: str, names: list[str], before: str, after: str
) -> Iterator[pa.RecordBatch]:
    """The batches of one file with the prefix replaced."""
    for batch in dataset.shard_batches(table, shard):
        for name in names:
            at = batch.schema.get_field_index(name)
            if at < 0:
                continue
            column = batch.column(at)
            rest = pc.utf8_slice_codeunits(column, len(before.rstrip("/")))
            changed = pc.binary_join_element_wise(
                pa.scalar(after.rstrip("/"), column.type), rest, pa.scalar("", column.type)
            )
            new = pc.if_else(_has_prefix(column, before), changed, column)
            batch = batch.set_column(at, batch.schema.field(at), new)  # noqa: PLW2901 - one column after the other
        yield batch
