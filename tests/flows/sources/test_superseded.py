"""Which published documents a newer version replaces: the rule in columns against the rule in words."""

import datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.sources.superseded import superseded

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
SCHEMA = pa.schema(
    [
        ("source_uri", pa.string()),
        ("document_id", pa.string()),
        ("gone", pa.bool_()),
        ("seen_at", pa.timestamp("us", "UTC")),
    ]
)
ROWS = st.lists(
    st.tuples(st.sampled_from("pqr"), st.none() | st.sampled_from("ABCD"), st.booleans(), st.integers(0, 9))
)


def found(rows: list[tuple], published: str) -> set[str]:
    table = [(uri, document_id, gone, START + datetime.timedelta(days=day)) for uri, document_id, gone, day in rows]
    sources = pa.Table.from_pylist([dict(zip(SCHEMA.names, each, strict=True)) for each in table], SCHEMA)
    ids = superseded(sources, pa.chunked_array([list(published)], pa.string())).to_pylist()
    assert len(ids) == len(set(ids))
    return set(ids)


@given(ROWS, st.sets(st.sampled_from("ABCD")))
def test_superseded_is_what_no_address_names_and_one_has_replaced(rows: list[tuple], published: set[str]) -> None:
    now: dict[str, tuple] = {}
    for row in rows:
        if row[0] not in now or row[3] >= now[row[0]][3]:
            now[row[0]] = row
    named = {row[1] for row in now.values() if not row[2]}
    expected = {
        old
        for uri, old, _, _ in rows
        if old in published and old not in named and not now[uri][2] and now[uri][1] in published and now[uri][1] != old
    }
    assert found(rows, "".join(sorted(published))) == expected


@pytest.mark.parametrize(
    ("rows", "published", "expected"),
    [
        ([("p", "A", False, 1), ("p", "B", False, 2)], "AB", {"A"}),
        ([("p", "A", False, 1), ("p", "B", False, 2)], "A", set()),
        ([("p", "A", False, 1), ("q", "B", False, 1), ("p", "B", False, 2), ("q", "A", False, 2)], "AB", set()),
        ([("p", "A", False, 1), ("q", "A", False, 1), ("p", "B", False, 2)], "AB", set()),
        ([("p", "A", False, 1), ("q", "A", False, 1), ("p", "B", False, 2), ("q", "A", True, 3)], "AB", {"A"}),
        ([("p", "A", False, 1), ("p", "A", True, 2)], "A", set()),
        ([("p", "A", False, 1), ("p", None, False, 2)], "A", set()),
        ([("p", "A", False, 1), ("p", "B", False, 2), ("p", "A", False, 3)], "AB", {"B"}),
    ],
    ids=[
        "new version",
        "it failed",
        "swapped",
        "held elsewhere",
        "gone elsewhere",
        "only gone",
        "unreadable",
        "turned back",
    ],
)
def test_by_example(rows: list[tuple], published: str, expected: set[str]) -> None:
    assert found(rows, published) == expected
