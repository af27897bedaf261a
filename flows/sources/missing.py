"""Addresses that are gone: earlier addresses of a source that are missing from its complete listing.

When more than one in twenty addresses of a source are missing, none is taken for gone: an unmounted disk, or the list of
another day, has the same effect. Documents that have only moved do not count as missing, and the operator can confirm that
all are gone.
"""

import os
from collections.abc import Callable, Collection

import pyarrow as pa
import pyarrow.compute as pc

from flows.sources.discover import Discovered, Source

ONE_IN = 20


def gone_rows(
    missing: pa.Table, standing: Callable[[], pa.Table], found: Discovered, elsewhere: pa.ChunkedArray, *, allow: bool
) -> tuple[pa.Table, int]:
    """The rows of `missing` whose address is gone, and the number of rows not taken for gone since they are too many.

    `missing` has the newest row of `sources` of each address that is neither gone nor in `found`; `standing` returns those
    rows of all addresses that are not gone; `elsewhere` are the ids at addresses of `found`. With `allow` no number is too high.
    """
    going: list[pa.Table] = []
    is_too_much = False
    for source in found.sources if missing.num_rows else ():
        left = missing.filter(_stands_under(missing, source, found.extensions)) if source.is_complete else missing[:0]
        if source.below is not None:
            left = left.filter(_is_absent(left.column("source_uri")))
        if left.num_rows:
            before = pc.sum(_stands_under(standing(), source, found.extensions)).as_py() or 0
            lost = pc.sum(pc.invert(pc.is_in(left.column("document_id"), value_set=elsewhere, skip_nulls=True))).as_py()
            is_too_much |= lost * ONE_IN > before and not allow
            going.append(left)
    rows = pa.concat_tables(going) if going else missing[:0]
    first = pc.index_in(rows.column("source_uri"), value_set=rows.column("source_uri"))
    rows = rows.filter(pc.equal(first, pa.arange(0, rows.num_rows).cast(first.type)))  # two sources may overlap
    return (rows[:0], rows.num_rows) if is_too_much else (rows, 0)


def _stands_under(rows: pa.Table, source: Source, extensions: Collection[str]) -> pa.ChunkedArray:
    """Rows whose addresses `source` would list if they existed."""
    if source.below is None:
        return pc.fill_null(pc.equal(rows.column("found_by"), source.name), False)
    uris = rows.column("source_uri")
    is_below = pc.starts_with(uris, source.below)
    if source.pattern is None:
        endings = "|".join(extension.removeprefix(".") for extension in sorted(extensions))
        return pc.and_(is_below, pc.match_substring_regex(uris, rf"[^/]\.({endings})$", ignore_case=True))
    matches = source.pattern.fullmatch
    places = pc.indices_nonzero(is_below)
    hits = [position for position, uri in zip(places, uris.take(places), strict=True) if matches(uri.as_py())]
    return pa.chunked_array(
        [pc.is_in(pa.arange(0, rows.num_rows), value_set=pa.array(hits, places.type).cast(pa.int64()))]
    )


def _is_absent(uris: pa.ChunkedArray) -> pa.Array:
    """Mask of addresses without a file: one may exist where a walk does not go, behind a link to a folder."""
    return pa.array(["://" in uri or not os.path.lexists(uri) for uri in uris.to_pylist()], pa.bool_())
