"""Where documents stand now: the addresses that hold them by the newest rows of `sources`, beside the one they were read at."""

import os
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from flows.ledger import newest
from flows.storage.dataset import Dataset


def addresses_of(dataset: Dataset, ids: Iterable[str]) -> Mapping[str, Sequence[str]]:
    """The addresses of each of `ids` that are not gone, the newest first. One that nobody holds is not in it."""
    rows = newest(dataset.rows("sources", ["source_uri", "document_id", "gone", "seen_at"]), "source_uri", "seen_at")
    wanted = pc.is_in(rows.column("document_id"), value_set=pa.array(list(ids), pa.string()))
    rows = rows.filter(pc.and_(wanted, pc.invert(rows.column("gone")))).sort_by([("seen_at", "descending")])
    found: dict[str, list[str]] = {}
    for uri, document_id in zip(
        rows.column("source_uri").to_pylist(), rows.column("document_id").to_pylist(), strict=True
    ):
        found.setdefault(document_id, []).append(uri)
    return found


def standing(uri: str, held: Sequence[str]) -> list[str]:
    """Those of a document's addresses at which something stands, the one that it was read at first."""
    return [each for each in dict.fromkeys((uri, *held)) if "://" in each or os.path.lexists(each)]
