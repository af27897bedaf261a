"""Present locations of documents: their addresses by the newest rows of `sources`, and the address they were read at."""

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
    """The addresses of each of `ids` that are not gone, the newest first; an id without any is left out."""
    rows = newest(dataset.rows("sources", ["source_uri", "document_id", "gone", "seen_at"]), "source_uri", "seen_at")
    wanted = pc.is_in(rows.column("document_id"), value_set=pa.array(list(ids), pa.string()))
    rows = rows.filter(pc.and_(wanted, pc.invert(rows.column("gone")))).sort_by([("seen_at", "descending")])
    addresses: dict[str, list[str]] = {}
    for uri, document_id in zip(
        rows.column("source_uri").to_pylist(), rows.column("document_id").to_pylist(), strict=True
    ):
        addresses.setdefault(document_id, []).append(uri)
    return addresses


def existing_locations(uri: str, addresses: Sequence[str]) -> list[str]:
    """The existing ones of a document's addresses, first `uri`, where it was read."""
    return [row for row in dict.fromkeys((uri, *addresses)) if "://" in row or os.path.lexists(row)]


def spooled(document_id: str, uri: str, addresses: Sequence[str], folder: Path) -> Spooled | None:
    """A copy in `folder` of the document, from `uri` or another of its addresses; None where none has its bytes now.

    Copies of other bytes stay in `folder`: they may be a document that is needed next. Raises DocumentError for an address
    that cannot be read.
    """
    for address in existing_locations(uri, addresses) or [uri]:
        taken = spool(Address(address, None, None), folder)
        if taken.document.document_id == document_id:
            return taken
    return None
