"""Present locations of documents: addresses that hold them by the newest rows of `sources`, and the one they were read at."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from flows.sources.addresses import Address
from flows.sources.arrow_lookup import newest
from flows.sources.spool import Spooled, spool
from flows.storage.dataset import Dataset


def locations_of(dataset: Dataset, ids: Iterable[str]) -> Mapping[str, Sequence[str]]:
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


def existing_locations(uri: str, addresses: Sequence[str]) -> list[str]:
    """Those of a document's addresses at which something stands, the one that it was read at first."""
    return [row for row in dict.fromkeys((uri, *addresses)) if "://" in row or os.path.lexists(row)]


def spooled(document_id: str, uri: str, addresses: Sequence[str], folder: Path) -> Spooled | None:
    """A copy in `folder` of the document as it stands at `uri` or at another of its addresses; null where none has its bytes now.

    What stands there instead stays in `folder`: it may be another document that is asked for next. Raises DocumentError for
    what cannot be read.
    """
    for address in existing_locations(uri, addresses) or [uri]:
        taken = spool(Address(address, None, None), folder)
        if taken.document.document_id == document_id:
            return taken
    return None
