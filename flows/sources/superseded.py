"""Published documents replaced by a newer version at their address.

No present address leads to them any more, and an earlier address of theirs now leads to another published document. So
addresses that swap their contents supersede nothing, nor does an address that is gone, or whose new version failed.
"""

import pyarrow as pa
import pyarrow.compute as pc

from flows.sources.arrow_lookup import newest
from flows.storage.dataset import Dataset


def superseded_ids(dataset: Dataset) -> list[str]:
    """The ids of the published documents that are superseded, in order. To be called at the end of a run, under the lock."""
    sources = dataset.rows("sources", ("source_uri", "document_id", "gone", "seen_at"))
    published = dataset.rows("documents", ("document_id",)).column(0)
    ids: list[str] = superseded(sources, published).to_pylist()
    return sorted(ids)


def superseded(sources: pa.Table, published: pa.ChunkedArray) -> pa.ChunkedArray:
    """The superseded ids: `sources` has all rows (source_uri, document_id, gone, seen_at), `published` all ids."""
    now = newest(sources, "source_uri", "seen_at")
    now = now.filter(pc.and_(pc.invert(now.column("gone")), pc.is_valid(now.column("document_id"))))
    named = now.column("document_id")
    replacing = now.filter(pc.is_in(named, value_set=published))
    once = sources.filter(pc.is_in(sources.column("source_uri"), value_set=replacing.column("source_uri")))
    once_named = pc.unique(pc.drop_null(once.column("document_id")))
    is_nowhere = pc.invert(pc.is_in(once_named, value_set=named))
    return once_named.filter(pc.and_(is_nowhere, pc.is_in(once_named, value_set=published)))
