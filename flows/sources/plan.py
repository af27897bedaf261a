"""Plan of a run: the source minus what is published, minus failures that are not due.

`sources` is a cache of hashes: an address whose size, time and etag are those of its newest row need not be opened when its
document is published. Only `documents` proves that a document is done. Look-ups use columns (Arrow's hash tables): a million
rows take seconds, and only addresses to open become Python values.
"""

import datetime
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial, reduce

import pyarrow as pa
import pyarrow.compute as pc

from flows.sources.addresses import Address, Addresses
from flows.sources.arrow_lookup import Index, Newest, newest, same
from flows.sources.discover import Discovered
from flows.sources.failures import FAILURE_COLUMNS, Failures, read_retries
from flows.sources.missing import gone_rows
from flows.storage.dataset import Dataset

_FACTS = ("document_id", "bytes", "modified_at", "etag", "gone", "attributes", "found_by")
_TICK = datetime.timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Before:
    """Facts about addresses and documents from before the run: the part of the plan that a shard needs."""

    known: Index
    failures: Failures
    forgotten: frozenset[str]
    not_before: datetime.datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """The addresses to open, in order, and the counts of the others, which are not opened.

    `known` has the newest row of `sources` of the pending addresses. `noted` has rows for `sources`: addresses that are gone,
    or have new attributes; `not_gone` counts missing addresses that are too many to be taken for gone. Rows of this run are
    dated `not_before` or later, so that they are the newest even after a clock was set back.
    """

    pending: Addresses
    discovered: int
    already_done: int
    skipped: int
    known: Index
    failures: Failures
    forgotten: frozenset[str]
    not_before: datetime.datetime
    noted: pa.Table
    gone: int
    not_gone: int

    @property
    def before(self) -> Before:
        """The part that a shard needs."""
        return Before(self.known, self.failures, self.forgotten, self.not_before)


def make_plan(
    dataset: Dataset,
    found: Discovered,
    recipe_id: str,
    *,
    forgotten: Collection[str] = (),
    rehash: bool = False,
    allow_gone: bool = False,
    now: datetime.datetime | None = None,
) -> Plan:
    """Sort the addresses of `found` into done, held back and pending. Opens no document.

    `forgotten` are ids to keep out; with `rehash` no address counts as unchanged, with `allow_gone` all missing ones are gone.
    """
    now = now or datetime.datetime.now(datetime.UTC)
    failures = Failures(dataset.rows("failures", FAILURE_COLUMNS), recipe_id, now, read_retries(dataset))
    addresses = found.addresses.table
    uris = addresses.column("source_uri")
    names = _compared(addresses)
    with ThreadPoolExecutor(1) as pool:  # reads two tables and hashes their millions of texts in parallel
        reading = pool.submit(dataset.rows, "documents", ["document_id"])
        ledger = Newest(dataset.rows("sources", ["source_uri", *names, "seen_at"]), "source_uri", "seen_at")
        published = reading.result().column(0)
        placing = pool.submit(ledger.places, uris)
        is_published = pc.is_in(ledger.table.column("document_id"), value_set=published, skip_nulls=True)
        places = placing.result()  # null for a new address
    rows = ledger.table.select(names).append_column("is_published", is_published).take(places)

    sorted_ = _sorted(addresses, rows, places, failures, names, forgotten=forgotten, rehash=rehash)
    pending = found.addresses.filter(sorted_.is_pending)

    missing = ledger.others(uris, places)
    missing = _details(dataset, missing.filter(pc.invert(missing.column("gone"))).column("source_uri"))
    elsewhere = sorted_.ids.filter(pc.is_valid(sorted_.ids)) if missing.num_rows else sorted_.ids[:0]
    gone, not_gone = gone_rows(missing, partial(_standing, dataset), found, elsewhere, allow=allow_gone)
    gone = _replaced(gone, "gone", pa.chunked_array([pa.repeat(True, gone.num_rows)]))
    not_before = max(now, (pc.max(ledger.table.column("seen_at")).as_py() or now) + _TICK)
    is_settled = pc.and_(sorted_.is_unchanged, pc.invert(sorted_.is_pending))
    described = _described(dataset, addresses, rows, is_settled)
    return Plan(
        pending=pending,
        discovered=len(found.addresses),
        already_done=pc.sum(sorted_.is_done).as_py() or 0,
        skipped=pc.sum(sorted_.is_skipped).as_py() or 0,
        known=Index(_details(dataset, uris.filter(pc.and_(sorted_.is_pending, pc.is_valid(places)))), "source_uri"),
        failures=failures,
        forgotten=frozenset(forgotten),
        not_before=not_before,
        noted=pa.concat_tables([described, gone]),
        gone=gone.num_rows,
        not_gone=not_gone,
    )


@dataclass(frozen=True, slots=True)
class _Sorted:
    """Columns by address: the id of unchanged bytes (else null), and the masks of unchanged, done, skipped and pending."""

    ids: pa.ChunkedArray
    is_unchanged: pa.ChunkedArray
    is_done: pa.ChunkedArray
    is_skipped: pa.ChunkedArray
    is_pending: pa.ChunkedArray


def _sorted(
    addresses: pa.Table,
    rows: pa.Table,
    places: pa.Array,
    failures: Failures,
    names: list[str],
    *,
    forgotten: Collection[str],
    rehash: bool,
) -> _Sorted:
    """Sort addresses into done, skipped and pending; `rows` are their newest rows of `sources`, null for new ones."""
    uris = addresses.column("source_uri")
    has_row = pc.is_valid(places)
    facts = [name for name in ("bytes", "modified_at", "etag") if name in names]
    has_same_facts = pc.and_(has_row, _are_same(rows, addresses, facts))
    is_read = pc.is_valid(rows.column("document_id"))
    is_dated = pc.is_valid(addresses.column("modified_at"))
    is_unchanged = pc.and_(
        pc.and_(has_same_facts, is_dated), pc.and_(is_read, pc.fill_null(pc.invert(rows.column("gone")), False))
    )
    if rehash:
        is_unchanged = pc.and_(is_unchanged, False)
    ids = pc.if_else(is_unchanged, rows.column("document_id"), None)
    is_done = pc.and_(is_unchanged, pc.fill_null(rows.column("is_published"), False))
    is_kept_out = _are_among(ids, pa.array(sorted(forgotten), pa.string()))
    is_unread = pc.and_(_are_among(uris, failures.held_uris), pc.invert(is_read))
    is_held = pc.or_(_are_among(ids, failures.held_ids), pc.and_(is_unread, pc.or_(has_same_facts, pc.invert(has_row))))
    is_skipped = pc.or_(is_kept_out, pc.and_(is_held, pc.invert(is_done)))
    is_done = pc.and_(is_done, pc.invert(is_kept_out))
    is_pending = pc.invert(pc.or_(is_done, is_skipped))
    return _Sorted(ids, is_unchanged, is_done, is_skipped, is_pending)


def modified_at(address: Address) -> datetime.datetime | None:
    """The address's time of change in microseconds, the precision of the tables."""
    if address.modified_us is None:
        return None
    try:
        return datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(microseconds=address.modified_us)
    except OverflowError:
        return None


def _compared(addresses: pa.Table) -> list[str]:
    """The columns to compare, without those that cannot differ: each column of a million rows takes time to read."""
    columns = [name for name in ("etag", "attributes") if addresses.column(name).null_count < addresses.num_rows]
    return ["document_id", "bytes", "modified_at", "gone", *columns]


def _are_among(values: pa.ChunkedArray, few: pa.Array) -> pa.ChunkedArray:
    """Mask of the values among `few`; where `few` is empty, as it mostly is, a million texts need no hashing."""
    return pc.is_in(values, value_set=few, skip_nulls=True) if len(few) else pc.and_(pc.is_valid(values), False)


def _are_same(rows: pa.Table, addresses: pa.Table, names: Iterable[str]) -> pa.ChunkedArray:
    return reduce(pc.and_, [same(rows.column(name), addresses.column(name)) for name in names])


def _details(dataset: Dataset, uris: pa.ChunkedArray) -> pa.Table:
    """The newest row of each of `uris` that has one, with all its facts."""
    table = _sources(dataset, ("source_uri", *_FACTS, "seen_at"), is_empty=not len(uris))
    return newest(table.filter(pc.is_in(table.column("source_uri"), value_set=uris)), "source_uri", "seen_at")


def _standing(dataset: Dataset) -> pa.Table:
    """The newest row of every address that is not gone."""
    table = newest(_sources(dataset, ("source_uri", "gone", "found_by", "seen_at")), "source_uri", "seen_at")
    return table.filter(pc.invert(table.column("gone")))


def _sources(dataset: Dataset, columns: Iterable[str], *, is_empty: bool = False) -> pa.Table:
    """Columns of `sources`; `found_by` is null in datasets of versions that did not keep it."""
    stored = [name for name in columns if name in dataset.tables["sources"].names]
    table = dataset.tables["sources"].empty_table().select(stored) if is_empty else dataset.rows("sources", stored)
    return table if "found_by" in stored else table.append_column("found_by", pa.nulls(table.num_rows, pa.string()))


def _described(dataset: Dataset, addresses: pa.Table, rows: pa.Table, is_settled: pa.ChunkedArray) -> pa.Table:
    """New rows of the settled addresses whose attributes differ from those in `rows`."""
    uris = addresses.column("source_uri")
    if "attributes" not in rows.column_names:
        return _details(dataset, uris[:0])
    is_other = pc.and_(
        pc.invert(_are_same(rows, addresses, ["attributes"])), pc.is_valid(addresses.column("attributes"))
    )
    described = _details(dataset, uris.filter(pc.and_(is_other, is_settled)))
    places = pc.index_in(described.column("source_uri"), value_set=uris)
    return _replaced(described, "attributes", addresses.column("attributes").take(places))


def _replaced(rows: pa.Table, name: str, values: pa.ChunkedArray) -> pa.Table:
    column_index = rows.column_names.index(name)
    field = rows.schema.field(name)
    return rows.set_column(column_index, field, values.cast(field.type))
