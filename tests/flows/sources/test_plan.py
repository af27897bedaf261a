"""What is done, held back and pending, and what the plan knows without opening anything."""

import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.sources.addresses import Address, Addresses
from flows.sources.discover import Discovered, Source, discover
from flows.sources.plan import Plan, make_plan
from flows.storage.dataset import Dataset
from flows.storage.dataset_spec import DatasetSpec
from flows.storage.open import open_dataset
from schemas.document_types import DOCUMENT_TYPES
from schemas.record_tables import all_tables, record_tables

NOW = datetime.datetime(2026, 6, 1, 2, 0, tzinfo=datetime.UTC)
BEFORE = NOW - datetime.timedelta(days=1)
THEN = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)
THEN_US = int(THEN.timestamp()) * 10**6


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    kind = DOCUMENT_TYPES["invoice"]
    names = tuple(table.name for table in record_tables(kind))
    return open_dataset(tmp_path / "out", DatasetSpec(kind.name, kind.schema, all_tables(kind), names))


def put(dataset: Dataset, table: str, *rows: dict) -> None:
    count = len(list((Path(dataset.location) / table).iterdir()))
    written = pa.Table.from_pylist(list(rows), dataset.tables[table])
    pq.write_table(written, Path(dataset.location) / table / f"2026-{count}.parquet")


def row(uri: str, document_id: str | None, **other: object) -> dict:
    facts = {"bytes": 7, "modified_at": THEN, "gone": False, "seen_at": BEFORE}
    return {"source_uri": uri, "document_id": document_id, **facts, **other}


def address(uri: str, **other: object) -> Address:
    return Address(**{"uri": uri, "size": 7, "modified_us": THEN_US, **other})


def plan(dataset: Dataset, *addresses: Address, sources: tuple[Source, ...] = (), **options: object) -> Plan:
    found = Discovered(Addresses.collect(addresses), sources, (), frozenset({".pdf"}))
    return make_plan(dataset, found, "r", now=NOW, **options)


@pytest.mark.parametrize(
    ("now", "is_opened"),
    [
        (address("/a.pdf"), False),
        (address("/a.pdf", size=8), True),
        (address("/a.pdf", modified_us=THEN_US + 1), True),
        (address("/a.pdf", modified_us=None), True),
        (address("/a.pdf", etag="e"), True),
        (address("/b.pdf"), True),
    ],
    ids=["the same", "size", "time", "no time", "etag", "another address"],
)
def test_an_address_is_opened_when_size_time_or_etag_differ(dataset: Dataset, now: Address, is_opened: bool) -> None:
    put(dataset, "documents", {"document_id": "A"})
    put(dataset, "sources", row("/a.pdf", "A"))
    planned = plan(dataset, now)
    assert [each.uri for each in planned.pending] == [now.uri] * is_opened
    assert planned.already_done == (not is_opened)
    assert [each.uri for each in plan(dataset, now, rehash=True).pending] == [now.uri]


@pytest.mark.parametrize(
    "rows", [[row("/a.pdf", "A", modified_at=None)], [row("/a.pdf", "A", gone=True)], [row("/a.pdf", "B")]]
)
def test_a_row_is_no_proof_without_a_settled_time_a_present_file_and_a_published_id(
    dataset: Dataset, rows: list
) -> None:
    put(dataset, "documents", {"document_id": "A"})
    put(dataset, "sources", *rows)
    assert len(plan(dataset, address("/a.pdf")).pending) == 1


def test_an_object_whose_etag_is_that_of_its_row_is_not_opened(dataset: Dataset) -> None:
    put(dataset, "documents", {"document_id": "A"})
    put(dataset, "sources", row("s3://b/a.pdf", "A", etag="e"))
    assert plan(dataset, address("s3://b/a.pdf", etag="e")).already_done == 1
    assert len(plan(dataset, address("s3://b/a.pdf", etag="f")).pending) == 1


def test_forgotten_ids_are_skipped_even_if_published(dataset: Dataset) -> None:
    put(dataset, "documents", {"document_id": "A"})
    put(dataset, "sources", row("/a.pdf", "A"))
    planned = plan(dataset, address("/a.pdf"), forgotten=["A"])
    assert (planned.already_done, planned.skipped, len(planned.pending)) == (0, 1, 0)


def test_a_row_of_this_run_is_the_newest_even_after_the_clock_went_back(dataset: Dataset) -> None:
    tomorrow = NOW + datetime.timedelta(days=1)
    put(dataset, "sources", row("/a.pdf", "A", seen_at=tomorrow))
    assert plan(dataset, address("/b.pdf")).not_before > tomorrow


def test_other_attributes_are_noted_without_opening_and_none_take_nothing_away(dataset: Dataset) -> None:
    put(dataset, "documents", {"document_id": "A"})
    put(dataset, "sources", row("/a.pdf", "A", attributes='{"v": 1}'))
    assert plan(dataset, address("/a.pdf", attributes='{"v": 1}')).noted.num_rows == 0
    assert plan(dataset, address("/a.pdf")).noted.num_rows == 0
    planned = plan(dataset, address("/a.pdf", attributes='{"v": 2}'))
    assert len(planned.pending) == 0
    (noted,) = planned.noted.to_pylist()
    assert (noted["source_uri"], noted["document_id"], noted["attributes"]) == ("/a.pdf", "A", '{"v": 2}')


@pytest.mark.parametrize(
    ("rows", "is_opened"),
    [
        ([], False),
        ([row("/a.pdf", None)], False),
        ([row("/a.pdf", None, bytes=6)], True),
        ([row("/a.pdf", "A", bytes=6)], True),
    ],
    ids=["its run was killed", "nothing changed", "another file", "another file than the one once read"],
)
def test_an_address_that_could_not_be_read_waits_unless_something_else_stands_there(
    dataset: Dataset, rows: list, is_opened: bool
) -> None:
    failed = {"source_uri": "/a.pdf", "at": BEFORE, "attempts": 1, "retryable": False, "recipe_id": "r"}
    put(dataset, "failures", failed)
    put(dataset, "sources", *rows)
    planned = plan(dataset, address("/a.pdf"))
    assert (len(planned.pending), planned.skipped) == (is_opened, not is_opened)
    assert planned.failures.attempts(None, "/a.pdf") == 1


FOLDER = Source("/in", "/in/")


def gone(dataset: Dataset, there: int, missing: int, *sources: Source, **other: object) -> tuple[list[str], int]:
    rows = [row(f"/in/{number:03d}.pdf", str(number), **other) for number in range(there + missing)]
    put(dataset, "sources", *rows, row("/in/other.doc", "X"), row("/elsewhere/1.pdf", "Y"), row("/inn/1.pdf", "Z"))
    planned = plan(dataset, *[address(f"/in/{number:03d}.pdf") for number in range(there)], sources=sources)
    return [each["source_uri"] for each in planned.noted.to_pylist() if each["gone"]], planned.not_gone


def test_what_a_complete_listing_lacks_is_gone_and_nothing_elsewhere(dataset: Dataset) -> None:
    assert gone(dataset, 38, 2, FOLDER) == (["/in/038.pdf", "/in/039.pdf"], 0)


def test_when_more_than_one_in_twenty_would_go_none_does(dataset: Dataset) -> None:
    assert gone(dataset, 37, 3, FOLDER) == ([], 3)


def test_what_has_only_moved_does_not_count_and_the_operator_may_say_that_all_is_gone(dataset: Dataset) -> None:
    rows = [row(f"/in/{number:03d}.pdf", str(number)) for number in range(40)]
    moved = [row(f"/in/sub/{number:03d}.pdf", str(number)) for number in range(37, 40)]
    put(dataset, "sources", *rows, *moved)
    there = [address(each["source_uri"]) for each in (*rows[:36], *moved)]
    planned = plan(dataset, *there, sources=[FOLDER])  # four are missing, three of them stand elsewhere
    assert (planned.gone, planned.not_gone) == (4, 0)
    few = [address(each["source_uri"]) for each in rows[:30]]
    assert (plan(dataset, *few, sources=[FOLDER]).gone, plan(dataset, *few, sources=[FOLDER]).not_gone) == (0, 13)
    allowed = plan(dataset, *few, sources=[FOLDER], allow_gone=True)
    assert (allowed.gone, allowed.not_gone) == (13, 0)


def test_an_incomplete_listing_and_a_file_by_name_take_nothing_for_gone(dataset: Dataset) -> None:
    assert gone(dataset, 38, 2, Source("/in", "/in/", None, False)) == ([], 0)
    assert gone(dataset, 38, 2) == ([], 0)


def test_a_list_takes_for_gone_what_it_named_before(dataset: Dataset) -> None:
    assert gone(dataset, 38, 2, Source("@/list.txt")) == ([], 0)  # found otherwise
    assert gone(dataset, 38, 2, Source("@/list.txt"), found_by="@/list.txt", seen_at=NOW) == (
        ["/in/038.pdf", "/in/039.pdf"],
        0,
    )


def test_overlapping_sources_take_an_address_for_gone_once(dataset: Dataset) -> None:
    glob = discover(["/nowhere/*.pdf"], "/out", [".pdf"], allow_empty=True).sources[0]
    assert glob.pattern is not None
    assert (
        gone(dataset, 38, 2, FOLDER, Source("/", "/"))[0] == []
    )  # three of the second are missing elsewhere: too many
    assert gone(dataset, 99, 1, FOLDER, FOLDER) == (["/in/099.pdf"], 0)


def test_a_file_behind_a_link_that_no_walk_follows_is_not_gone(dataset: Dataset, tmp_path: Path) -> None:
    source = tmp_path / "in"
    (tmp_path / "behind").mkdir()
    source.mkdir()
    names = [source / f"{number}.pdf" for number in range(30)]
    for path in [*names, tmp_path / "behind" / "x.pdf"]:
        path.touch()
    (source / "link").symlink_to(tmp_path / "behind")
    put(dataset, "sources", *[row(str(path), path.name) for path in [*names, source / "link" / "x.pdf"]])
    names[0].unlink()
    planned = make_plan(dataset, discover([str(source)], Path(dataset.location), [".pdf"]), "r")
    assert [each["source_uri"] for each in planned.noted.to_pylist()] == [str(names[0])]
    (source / "link" / "x.pdf").unlink()
    planned = make_plan(dataset, discover([f"{source}/**/*.pdf"], Path(dataset.location), [".pdf"]), "r")
    assert planned.not_gone == 2  # of 31: more than 5 %


def test_a_dataset_without_the_column_found_by_is_planned_all_the_same(dataset: Dataset) -> None:
    put(dataset, "documents", {"document_id": "A"})
    schema = dataset.tables["sources"]
    dataset.tables["sources"] = schema.remove(schema.get_field_index("found_by"))
    put(dataset, "sources", row("/in/a.pdf", "A"), *[row(f"/in/{number}.pdf", "A") for number in range(20)])
    there = [address(f"/in/{number}.pdf") for number in range(20)]
    planned = plan(dataset, *there, sources=(FOLDER, Source("@/list.txt")))
    assert (planned.already_done, planned.gone) == (20, 1)
