"""Answers that were paid for earlier, by document and request."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.documents.ask import StoredAnswers
from flows.storage.dataset import Dataset


def stored_answers(table: pa.Table, ids: Iterable[str]) -> StoredAnswers:
    """The rows of `calls` for these documents, by document and request."""
    is_wanted = pc.is_in(table.column("document_id"), value_set=pa.array(list(ids), pa.string()))
    wanted = table.filter(pc.and_(is_wanted, pc.is_valid(table.column("response"))))  # PAGEMILL_KEEP takes answers away
    return {(row["document_id"], row["request_id"]): row for row in wanted.to_pylist()}


def stored_in(dataset: Dataset, ids: Sequence[str]) -> StoredAnswers:
    """Answers that a dataset has for these documents. Only shards with some of them are read, and not cached."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for shard in dataset.shards_with("calls", pa.array(ids, pa.string())) if ids else ():
        for batch in dataset.shard_batches("calls", shard):
            found.update(stored_answers(pa.Table.from_batches([batch]), ids))
    return found
