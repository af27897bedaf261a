"""Addresses by the million: kept as Arrow columns, made into Python values one at a time."""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, overload

import pyarrow as pa

SCHEMA = pa.schema(
    [
        ("source_uri", pa.string()),
        ("bytes", pa.int64()),
        ("modified_at", pa.timestamp("us", tz="UTC")),
        ("etag", pa.string()),
        ("attributes", pa.string()),
        ("path", pa.binary()),
        ("found_by", pa.string()),
    ]
)
_MOST_HELD = 65_536  # addresses as Python values before they become columns
# Range of the tables' times, in microseconds since 1970: the years 1 to 9999.
_FIRST_US, _LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999


class Address(NamedTuple):  # a frozen dataclass takes three times as long to make, and there are millions
    """Address of a document: `uri` is an absolute path or a URL. Size (bytes) and time are None where no file exists.

    `modified_us` counts microseconds since 1970 (UTC). `path` is opened in place of `uri` where these differ: a name
    in invalid UTF-8, or a URL with credentials; it is in no table. `found_by` names the SOURCE that was expanded to it.
    """

    uri: str
    size: int | None
    modified_us: int | None
    etag: str | None = None
    attributes: str | None = None
    path: str | None = None
    found_by: str | None = None

    @property
    def opened_as(self) -> str:
        """Path or URL to open."""
        return self.path or self.uri

    @property
    def file_name(self) -> str:
        """The last step of the path."""
        return os.path.basename(self.uri)  # noqa: PTH119 - a string operation, the file need not be there


class Addresses(Sequence[Address]):
    """A sequence of addresses over a table of `SCHEMA`."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    @classmethod
    def collect(cls, addresses: Iterable[Address]) -> "Addresses":
        """The sequence of `addresses`, read in blocks to bound memory."""
        batches: list[pa.RecordBatch] = []
        buffered: list[Address] = []
        for address in addresses:
            buffered.append(address)
            if len(buffered) == _MOST_HELD:
                batches.append(_batch(buffered))
                buffered = []
        return cls(pa.Table.from_batches([*batches, _batch(buffered)], SCHEMA))

    def filter(self, mask: pa.ChunkedArray) -> "Addresses":
        """The addresses for which `mask` is true."""
        return Addresses(self.table.filter(mask))

    def sizes(self) -> Iterator[int]:
        """The sizes in bytes, 0 for an unknown one."""
        for batch in self.table.select(["bytes"]).to_batches(max_chunksize=_MOST_HELD):
            yield from (size or 0 for size in batch.column(0).to_pylist())

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @overload
    def __getitem__(self, index: int) -> Address: ...
    @overload
    def __getitem__(self, index: slice) -> "Addresses": ...
    def __getitem__(self, index: int | slice) -> "Address | Addresses":
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step != 1:
                return Addresses(self.table.take(pa.array(range(start, stop, step), pa.int64())))
            return Addresses(self.table.slice(start, max(0, stop - start)))
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return next(iter(self[index % len(self) :][:1]))

    def __iter__(self) -> Iterator[Address]:
        for batch in self.table.to_batches(max_chunksize=1_024):
            columns = {name: batch.column(name) for name in SCHEMA.names}
            columns["modified_at"] = columns["modified_at"].cast(pa.int64())
            for uri, size, time, etag, attributes, path, found_by in zip(
                *(column.to_pylist() for column in columns.values()), strict=True
            ):
                yield Address(uri, size, time, etag, attributes, None if path is None else os.fsdecode(path), found_by)


def _batch(addresses: Sequence[Address]) -> pa.RecordBatch:
    uris, sizes, times, etags, attributes, paths, found_by = zip(*addresses, strict=True) if addresses else [()] * 7
    times = pa.array(map(_writable_time, times), pa.int64()).cast(SCHEMA.field("modified_at").type)
    opened = pa.array([None if path is None else os.fsencode(path) for path in paths], pa.binary())
    texts = [pa.array(values, pa.string()) for values in (uris, etags, attributes, found_by)]
    arrays = [texts[0], pa.array(sizes, pa.int64()), times, texts[1], texts[2], opened, texts[3]]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def _writable_time(modified_us: int | None) -> int | None:
    """The time, None where the tables cannot hold it: the file is then read by every run."""
    return modified_us if modified_us is not None and _FIRST_US <= modified_us <= _LAST_US else None
