"""`PAGEMILL_KEEP`: content that is kept for a limited time. Page texts, pictures and raw answers become null, rows stay.

The age of content is that of its extraction, the age of an answer that of its run. A shard is rewritten through staging, as by a
refresh, and no value of a record changes.
"""

import datetime
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from flows.storage.dataset import Dataset
from flows.storage.recover import recover
from flows.storage.run_ids import run_of
from flows.storage.staging import Staged, stage_and_move

CONTENT = {"pages": "text", "figures": "image", "calls": "response"}
_STAMP = "%Y%m%dT%H%M%S"  # at the beginning of a run's name


def expire_content(dataset: Dataset, staging: str, before: datetime.datetime) -> int:
    """Set content extracted before a moment to null; returns the number of values. `staging` is the command's shard name."""
    with dataset.locked():
        recover(dataset)
        count = 0
        files = []
        for table, column in CONTENT.items():
            for shard in dataset.files(table):
                if not _is_older(run_of(shard), before) or not dataset.has_values(table, shard, column):
                    continue
                batches = list(_expired(dataset, table, shard, column, before))
                gone = sum(number for _, number in batches)
                if gone:
                    count += gone
                    files.append(Staged(table, shard, [batch for batch, _ in batches]))
        if files:
            stage_and_move(dataset, staging, files, (), ())
        return count


def _expired(
    dataset: Dataset, table: str, shard: str, column: str, before: datetime.datetime
) -> Iterator[tuple[pa.RecordBatch, int]]:
    """The batches of one file with expired content set to null, each with its number of expired values."""
    young = pa.array(sorted(_young_documents(dataset, shard, before)), pa.string())
    for batch in dataset.shard_batches(table, shard):
        if table == "calls":
            runs = pc.unique(batch.column("run_id")).to_pylist()
            old = pa.array([run for run in runs if run is not None and _is_older(run, before)], pa.string())
            is_old = pc.is_in(batch.column("run_id"), value_set=old)
        else:
            is_old = pc.invert(pc.is_in(batch.column("document_id"), value_set=young))
        values = batch.column(column)
        column_index = batch.schema.get_field_index(column)
        kept = pc.if_else(is_old, pa.scalar(None, values.type), values)
        gone = kept.null_count - values.null_count
        yield batch.set_column(column_index, batch.schema.field(column_index), kept), gone


def _young_documents(dataset: Dataset, shard: str, before: datetime.datetime) -> set[str]:
    """Documents of an old shard that were extracted again since."""
    documents = dataset.shard_rows("documents", shard)
    is_young = pc.greater_equal(documents.column("extracted_at"), pa.scalar(before, pa.timestamp("us", tz="UTC")))
    return set(documents.filter(is_young).column("document_id").to_pylist())


def _is_older(run_id: str, before: datetime.datetime) -> bool:
    try:
        began = datetime.datetime.strptime(run_id.partition("-")[0], _STAMP).replace(tzinfo=datetime.UTC)
    except ValueError:
        return False
    return began < before
