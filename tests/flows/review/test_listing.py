"""The list of documents: which, in what order, from which columns, and what is read again when a shard has changed."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.review.listing import LOW, MARKS, Listing, ListingFilter, marks_of
from flows.storage.backends.parquet_files import write_parquet
from flows.storage.dataset import Dataset
from flows.storage.dataset_spec import spec_of
from flows.storage.open import open_dataset
from flows.type_loader import load_type
from tests.support.examples import examples

TYPE = load_type("invoice")
SHARD = "20260101T000000-abcdef-00000"
CONFIDENCES = st.lists(st.one_of(st.none(), st.sampled_from([0.1, 0.3, LOW, 0.9])), max_size=3)
NAMES = st.sampled_from(["a.pdf", "B.pdf", "re-A.pdf", "100%_[x].pdf", "ä.pdf", ""])
DOCUMENTS = st.lists(
    st.fixed_dictionaries(
        {
            "name": NAMES, "partial": st.booleans(), "review": st.booleans(), "confidences": CONFIDENCES,
            "absences": st.integers(0, 2), "problems": st.integers(0, 2), "group": st.sampled_from([None, "X", "Y"]),
            "corrected": st.sampled_from([[], [""], ["/number"], ["/number", ""]]),
        }
    ),
    max_size=7,
)  # fmt: skip


def identity(place: int) -> str:
    return f"{place:064x}"


def put(dataset: Dataset, documents: list[dict[str, Any]], shard: str = SHARD, first: int = 0) -> None:
    """The shard of these documents, as a run would have published it."""
    rows: dict[str, list[dict[str, Any]]] = {"documents": [], "invoice": [], "evidence": []}
    for place, each in enumerate(documents, first):
        head = {"document_id": identity(place), "record": 0}
        status = "partial" if each["partial"] else "ok"
        rows["documents"].append(
            {
                **head,
                "file_name": each["name"],
                "pages": 1,
                "status": status,
                "problem_kinds": ["check"] * each["problems"],
            }
        )
        rows["invoice"].append(
            {
                **head,
                "needs_review": each["review"],
                "corrected_fields": each["corrected"],
                "seller_name": each["group"],
            }
        )
        rows["evidence"] += [{**head, "match": "exact", "confidence": value} for value in each["confidences"]]
        rows["evidence"] += [{**head, "match": "absent"}] * each["absences"]
    for table, found in rows.items():
        schema = dataset.tables[table]
        known = [{name: value for name, value in row.items() if name in schema.names} for row in found]
        write_parquet(
            Path(dataset.location) / table / f"{shard}.parquet",
            schema,
            pa.Table.from_pylist(known, schema).to_batches(),
        )


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return open_dataset(tmp_path_factory.mktemp("list") / "out", spec_of(TYPE))


def told(document: dict[str, Any], place: int) -> dict[str, Any]:
    """What the list must say of a document."""
    lowest = min([value for value in document["confidences"] if value is not None], default=None)
    return {
        "id": identity(place), "name": document["name"], "pages": 1, "group": document["group"],
        "problems": document["problems"], "absences": document["absences"], "confidence": lowest,
        "partial": document["partial"], "absent": document["absences"] > 0, "low": lowest is not None and lowest < LOW,
        "review": document["review"], "corrected": bool(document["corrected"]), "accepted": "" in document["corrected"],
    }  # fmt: skip


def badness(row: dict[str, Any]) -> tuple[Any, ...]:
    confidence = 2.0 if row["confidence"] is None else row["confidence"]
    return (
        row["accepted"],
        not row["partial"],
        not row["review"],
        confidence,
        -row["absences"],
        -row["problems"],
        row["name"],
    )


@settings(max_examples=examples(60))
@given(
    DOCUMENTS,
    st.frozensets(st.sampled_from(MARKS), max_size=2),
    st.sampled_from([None, "X", "Z"]),
    st.sampled_from(["", "a", "A.PDF", "%_[", "Ä"]),
    st.integers(0, 3),
)
def test_the_wanted_documents_come_worst_first_a_slice_at_a_time(
    dataset: Dataset,
    documents: list[dict[str, Any]],
    marks: frozenset[str],
    group: str | None,
    search: str,
    start: int,
) -> None:
    put(dataset, documents)
    found = Listing(dataset, TYPE).slice(ListingFilter(marks, group, search), start, 2)
    everything = [told(each, place) for place, each in enumerate(documents)]
    fits = [
        row
        for row in everything
        if all(row[mark] for mark in marks)
        and (group is None or row["group"] == group)
        and search.lower() in row["name"].lower()
    ]
    assert (found.total, found.documents) == (len(fits), len(everything))
    assert found.counts == {mark: sum(row[mark] for row in everything) for mark in MARKS}
    keys = [badness(row) for row in sorted(fits, key=badness)]
    assert [badness(row) for row in found.rows] == keys[start : start + 2]
    assert all(row in fits for row in found.rows)


def plain(name: str, **more: Any) -> dict[str, Any]:
    usual = {
        "partial": False,
        "review": False,
        "confidences": [],
        "absences": 0,
        "problems": 0,
        "group": None,
        "corrected": [],
    }
    return {"name": name, **usual, **more}


def test_a_shard_that_was_replaced_is_read_again_and_no_other(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(dataset, [plain("a"), plain("b", confidences=[0.9])])
    put(dataset, [plain("c")], shard=SHARD.replace("abcdef", "fedcba"), first=10)
    listing = Listing(dataset, TYPE)
    assert [row["name"] for row in listing.slice(ListingFilter()).rows] == ["b", "a", "c"]
    read: list[str] = []
    columns = dataset.shard_columns
    monkeypatch.setattr(
        dataset, "shard_columns", lambda table, shard, names: read.append(shard) or columns(table, shard, names)
    )
    assert listing.slice(ListingFilter()).total == 3
    assert read == []
    put(dataset, [plain("a", partial=True), plain("b", absences=1)])
    assert [(row["name"], row["partial"], row["absences"]) for row in listing.slice(ListingFilter()).rows] == [
        ("a", True, 0), ("b", False, 1), ("c", False, 0),
    ]  # fmt: skip
    assert read == [SHARD]
    put(dataset, [], shard=SHARD.replace("abcdef", "fedcba"))


def test_the_groups_with_most_documents_are_told_by_name(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    put(dataset, [plain("a", group=each) for each in ("X", "Z", "Y", "Z", "Y", None)])
    listing = Listing(dataset, TYPE)
    assert listing.groups() == [("X", 1), ("Y", 2), ("Z", 2)]
    monkeypatch.setattr("flows.review.listing.MOST_GROUPS", 2)
    assert listing.groups() == [("Y", 2), ("Z", 2)]


def test_a_dataset_of_an_older_pagemill_has_no_confidence(tmp_path: Path) -> None:
    dataset = open_dataset(tmp_path / "out", spec_of(TYPE))
    schema = dataset.tables["evidence"]
    dataset.tables["evidence"] = schema.remove(schema.get_field_index("confidence"))
    put(dataset, [plain("a", confidences=[0.1], absences=1)])
    (row,) = Listing(dataset, TYPE).slice(ListingFilter()).rows
    assert (row["confidence"], row["low"], row["absences"]) == (None, False, 1)


def test_a_mark_that_nobody_knows_is_left_out() -> None:
    assert marks_of(["partial", "", "1=1", "low"]) == {"partial", "low"}
