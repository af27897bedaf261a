"""Look-ups in tables of a million rows, without making Python values of the rows."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def newest(table: pa.Table, key: str, time: str) -> pa.Table:
    """The newest row of each `key` that is not null: the latest `time`, and of equal times the later row."""
    rows = Newest(table.filter(pc.is_valid(table.column(key))), key, time)
    places = rows.places(rows.table.column(key))
    return rows.table.filter(pc.equal(places, pa.arange(0, len(places))))


class Newest:
    """The newest row of each key, looked up for the requested keys only."""

    def __init__(self, table: pa.Table, key: str, time: str) -> None:
        times = table.column(time)
        if not pc.all(pc.less_equal(times[:-1], times[1:])).as_py():
            table = table.take(pc.sort_indices(table, sort_keys=[(time, "ascending")]))  # a stable sort
        self.table = table.combine_chunks()  # a table in a thousand pieces is several times slower to take rows from
        self._key, self._time = key, time

    def places(self, keys: pa.ChunkedArray) -> pa.Array:
        """The row number of the newest row of each of `keys`; null in the array where there is none."""
        count = self.table.num_rows
        backwards = self.table.column(self._key).take(pa.arange(count - 1, -1, -1))
        first = pc.index_in(keys, value_set=backwards).cast(pa.int64())  # finds the first of equal values
        return pc.subtract(count - 1, first).combine_chunks()

    def others(self, keys: pa.ChunkedArray, places: pa.Array) -> pa.Table:
        """The newest row of each key that is not among `keys` (distinct); `places` are the row numbers of `keys`."""
        hit = places.drop_null()
        if len(hit) == self.table.num_rows:
            return self.table[:0]
        rest = self.table.filter(pc.invert(pc.is_in(pa.arange(0, self.table.num_rows), value_set=hit)))
        rest = rest.filter(pc.invert(pc.is_in(rest.column(self._key), value_set=keys)))
        return newest(rest, self._key, self._time)


def same(left: pa.ChunkedArray, right: pa.ChunkedArray) -> pa.ChunkedArray:
    """Mask of the rows with the same value in both, or null in both."""
    both_null = pc.and_(pc.is_null(left), pc.is_null(right))
    return pc.or_(pc.fill_null(pc.equal(left, right), False), both_null)


class Index:
    """The rows of a table by a column of distinct values, found by binary search: no hash table is built."""

    def __init__(self, table: pa.Table, key: str) -> None:
        table = table.filter(pc.is_valid(table.column(key)))
        self._key = key
        self._rows = table.take(pc.sort_indices(table, sort_keys=[(key, "ascending")])).combine_chunks()
        self._keys = self._rows.column(key)

    def __len__(self) -> int:
        return int(self._rows.num_rows)

    def among(self, values: Sequence[str]) -> "Index":
        """The rows of `values` alone."""
        return Index(self._rows.filter(pc.is_in(self._keys, value_set=pa.array(values, pa.string()))), self._key)

    def get(self, value: str) -> dict[str, Any] | None:
        """The row of `value`; None where there is none."""
        index = bisect_left(range(len(self)), value, key=lambda at: self._keys[at].as_py())
        if index == len(self) or self._keys[index].as_py() != value:
            return None
        row: dict[str, Any] = self._rows.slice(index, 1).to_pylist()[0]
        return row
