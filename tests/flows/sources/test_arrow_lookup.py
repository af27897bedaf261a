"""Columns against the plain way."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from flows.sources.arrow_lookup import Index, newest, same

KEYS = st.none() | st.sampled_from(["", "a", "b", "ä", "\U0001f600", "\uffff", "a/b"])


@given(st.lists(st.tuples(KEYS, st.integers(0, 3))), st.integers(1, 4))
def test_the_newest_row_of_each_key_is_the_latest_and_of_equal_times_the_last(rows: list, chunk: int) -> None:
    plain: dict[str, tuple[int, int]] = {}
    for place, (key, time) in enumerate(rows):
        if key is not None and (key not in plain or time >= plain[key][0]):
            plain[key] = (time, place)
    columns = {
        "key": pa.array([key for key, _ in rows], pa.string()),
        "time": pa.array([t for _, t in rows], pa.int64()),
    }
    table = pa.table({**columns, "place": pa.array(range(len(rows)), pa.int64())})
    parts = [table.slice(start, chunk) for start in range(0, len(rows), chunk)] or [table]
    found = newest(pa.concat_tables(parts), "key", "time").to_pylist()
    assert {row["key"]: (row["time"], row["place"]) for row in found} == plain
    assert len(found) == len(plain)


@given(st.sets(st.text(max_size=3)), st.text(max_size=3))
def test_a_row_is_found_by_its_key(keys: set[str], wanted: str) -> None:
    table = pa.table({"key": pa.array([*keys, None], pa.string()), "value": pa.array(range(len(keys) + 1), pa.int64())})
    index = Index(table, "key")
    assert len(index) == len(keys)
    for place, key in enumerate(keys):
        assert index.get(key) == {"key": key, "value": place}
    assert (index.get(wanted) is not None) == (wanted in keys)


@given(st.lists(st.tuples(st.none() | st.integers(0, 1), st.none() | st.integers(0, 1))))
def test_two_columns_are_the_same_where_values_are_or_both_are_none(pairs: list) -> None:
    left, right = (pa.chunked_array([[pair[side] for pair in pairs]], pa.int64()) for side in (0, 1))
    assert same(left, right).to_pylist() == [a == b for a, b in pairs]
