"""Looking things up in tables of a million rows without making Python values of them."""

from bisect import bisect_left
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def newest(table: pa.Table, key: str, time: str) -> pa.Table:
    """The newest row of each `key` that is not null: the latest `time`, and of equal times the later row."""
    if table.column(key).null_count:
        table = table.filter(pc.is_valid(table.column(key)))
    table = table.combine_chunks()  # taking rows out of a thousand pieces costs several times as much
    times = table.column(time)
    if not pc.all(pc.less_equal(times[:-1], times[1:])).as_py():
        table = table.take(pc.sort_indices(table, sort_keys=[(time, "ascending")]))  # a stable sort
    places = pa.table({"key": table.column(key), "place": pa.arange(0, table.num_rows)})
    last = places.group_by("key", use_threads=False).aggregate([("place", "max")]).column("place_max")
    return table if len(last) == table.num_rows else table.take(last)


def same(left: pa.ChunkedArray, right: pa.ChunkedArray) -> pa.ChunkedArray:
    """Where both have the same value, or both none."""
    both_null = pc.and_(pc.is_null(left), pc.is_null(right))
    return pc.or_(pc.fill_null(pc.equal(left, right), False), both_null)


class Index:
    """The rows of a table by a column whose values are distinct, found by halving: nothing is built a row."""

    def __init__(self, table: pa.Table, key: str) -> None:
        table = table.filter(pc.is_valid(table.column(key)))
        self._rows = table.take(pc.sort_indices(table, sort_keys=[(key, "ascending")])).combine_chunks()
        self._keys = self._rows.column(key)

    def __len__(self) -> int:
        return int(self._rows.num_rows)

    def get(self, value: str) -> dict[str, Any] | None:
        """The row of `value`; null where there is none."""
        place = bisect_left(range(len(self)), value, key=lambda at: self._keys[at].as_py())
        if place == len(self) or self._keys[place].as_py() != value:
            return None
        row: dict[str, Any] = self._rows.slice(place, 1).to_pylist()[0]
        return row
