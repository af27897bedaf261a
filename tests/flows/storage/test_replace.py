"""Replacing a shard's rows: killed at every step, two at once, documents that left; all old rows or all new, never a mix."""

import datetime
import itertools
import json
import shutil
import threading
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from flows.storage.dataset import Dataset
from flows.storage.document_claims import claim, claim_published
from flows.storage.publish import end_run, publish, replace_documents
from flows.storage.recover import recover
from schemas.errors import DatasetError
from tests.flows.storage.places import HELD, Place, names
from tests.support.everywhere import read_everywhere
from tests.support.kill_steps import Attempt, attempts_of, killing_steps, steps_to_kill
from tests.support.shards import AT, POINTERS, SHARD, SPEC, recovered, rows_of

EXPECTED = [  # what `changes` tells of the documents that child_steps replaces
    (f"{number:064d}", *rest)
    for number in (1, 2)
    for rest in (
        ("/iban", "IBAN old", None),
        ("/line_items", f'[{{"description": "item {number} old", "amount": "1.5000"}}]', "[]"),
        ("/number", f"{number} old", f"{number} new"),
    )
]


def born(place: Place, *shards: tuple[str, tuple[int, ...]]) -> Dataset:
    """A dataset with shards of old documents."""
    dataset = place.open(SPEC)
    for shard, numbers in shards or ((SHARD, (1, 2, 3)),):
        publish(dataset, shard, rows_of(dataset, numbers, "old", shard.rpartition("-")[0]))
    return dataset


def child_steps(place: Place) -> None:
    """A command that replaces the first two documents of the shard by new ones, and ends."""
    dataset = place.open(SPEC)
    number = len(list(attempts_of(place).glob("*")))
    run_id = f"20260101T0000{number:02d}-abcdef"
    with dataset.lease(run_id):
        with dataset.locked():
            recover(dataset)
        note = {"run_id": run_id, "started_at": AT.isoformat(), "recipe_id": "r", "version": "0"}
        dataset.note_run(run_id, {**note, "discovered": 3, "already_done": 0, "skipped": 1})
        with dataset.locked():
            recover(dataset)
            mine = claim_published(dataset, run_id, [f"{each:064d}" for each in (1, 2)])
        assert len(mine) == 2
        new = rows_of(dataset, (1, 2), "new", run_id)
        replace_documents(dataset, SHARD, f"{run_id}-00000", new, POINTERS)
        row = dict.fromkeys(("already_done", "partial", "failed", "deferred"), 0)
        end_run(
            dataset, run_id, {**row, "run_id": run_id, "started_at": AT, "discovered": 3, "skipped": 1, "ok": 2}, {}
        )


@pytest.fixture
def attempt() -> Iterator[Attempt]:
    with killing_steps(__file__) as call:
        yield call


def select(root: Path, table: str, what: str, rest: str = "") -> list[tuple]:
    return duckdb.sql(f"select {what} from '{root}/{table}/*.parquet' {rest}").fetchall()


def versions(root: Path) -> list[str]:
    """The version of each document, once it is the same in every table and the document is there once."""
    found: dict[str, set[str]] = {}
    tables = (
        ("documents", "title"),
        ("invoice", "split_part(number, ' ', 2)"),
        ("evidence", "value"),
        ("pages", "text"),
        ("figures", "caption"),
        ("checks", '"check"'),
        ("invoice_line_items", "split_part(description, ' ', 3)"),
    )
    counts: dict[str, dict[str, int]] = {}
    for table, version in tables:
        for document_id, said, count in select(root, table, f"document_id, {version}, count(*)", "group by 1, 2"):
            found.setdefault(document_id, set()).add(said)
            counts.setdefault(document_id, {})[table] = count
    assert sorted(found) == [f"{number:064d}" for number in (1, 2, 3)]
    old = {"documents": 1, "invoice": 1, "evidence": 1, "pages": 2, "figures": 1, "invoice_line_items": 1}
    new = {"documents": 1, "invoice": 1, "evidence": 1, "pages": 2, "checks": 1}
    for document_id, said in found.items():
        assert len(said) == 1, (document_id, said)
        assert counts[document_id] == (old if said == {"old"} else new)
    return [said.pop() for _, said in sorted(found.items())]


def replaced(root: Path) -> list[tuple]:
    """What `changes` tells of replaced values; its numbers have no gap and no double."""
    numbers = [number for (number,) in select(root, "changes", "change_id", "order by 1")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert select(root, "changes", "count(*)", "where kind = 'added'") == [(3,)]
    assert not select(
        root, "changes", "1", "where kind = 'replaced' and (record <> 0 or run_id is null or \"at\" is null)"
    )
    return sorted(select(root, "changes", "document_id, field, old, new", "where kind = 'replaced'"))


def untouched(root: Path) -> dict[str, bytes]:
    return {
        path.parent.name + path.name: path.read_bytes()
        for name in ("calls", "failures")
        for path in (root / name).glob("*")
    }


@pytest.mark.whole_machine
@pytest.mark.parametrize("kind", ["disk", "folder"])
def test_a_kill_at_any_step_leaves_all_old_rows_or_all_new_ones(quick_path: Path, attempt: Attempt, kind: str) -> None:
    born(Place(kind, quick_path / "old"))
    paid = untouched(quick_path / "old")
    shutil.copytree(quick_path / "old", quick_path / "whole")
    steps = int(attempt(Place(kind, quick_path / "whole"), 0))
    assert steps > 40
    assert versions(quick_path / "whole") == ["new", "new", "old"]
    assert replaced(quick_path / "whole") == sorted(EXPECTED)
    seen = []
    for kill_at in steps_to_kill(steps):
        root = quick_path / f"killed-{kill_at}"
        place = Place(kind, root)
        shutil.copytree(quick_path / "old", root)
        assert attempt(place, kill_at) == "killed"
        if kind == "disk":
            read_everywhere(root, ("invoice", "checks", "figures", "documents", "changes"))
        assert untouched(root) == paid
        recovered(place)
        if kind == "disk":
            read_everywhere(root)
        first, second, third = versions(root)
        assert first == second, kill_at
        assert third == "old"
        assert replaced(root) == (sorted(EXPECTED) if first == "new" else []), kill_at
        assert untouched(root) == paid
        for folder in ("staged", "journal", "claims", "leases", "runs", "spool"):
            assert names(root, folder) == [], kill_at
        seen.append(first)
        if kill_at % 4 == 0:  # what was killed is done by the next command; what was done before is not told again
            assert attempt(place, 0).isdigit()
            assert versions(root) == ["new", "new", "old"]
            assert replaced(root) == sorted(EXPECTED)
            parts = "discovered - already_done - skipped - ok - partial - failed - deferred"
            assert set(select(root, "runs", parts)) == {(0,)}
            assert untouched(root) == paid
        shutil.rmtree(root)
    assert [said for said, _ in itertools.groupby(seen)] == ["old", "new"]  # once it is READY, nothing takes it back


@pytest.mark.whole_machine
@pytest.mark.parametrize("kind", ["disk", "folder"])
def test_a_kill_at_any_step_of_the_recovery_leaves_all_new_rows(
    quick_path: Path, attempt: Attempt, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = born(Place(kind, quick_path / "ready"))
    shutil.copytree(quick_path / "ready", quick_path / "whole")

    def dead(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("flows.storage.staging.move", dead)
        new = rows_of(dataset, (1, 2), "new", "20251231T000000-aaaaaa")
        with pytest.raises(DatasetError):
            replace_documents(dataset, SHARD, "20251231T000000-aaaaaa-00000", new, POINTERS)
    assert versions(quick_path / "ready") == ["old", "old", "old"]
    shutil.copytree(quick_path / "ready", quick_path / "done")
    # Nothing differs the second time, so that the steps beyond the replace itself are the recovery's.
    recovering = int(attempt(Place(kind, quick_path / "done"), 0)) - int(attempt(Place(kind, quick_path / "whole"), 0))
    assert recovering > 8
    for kill_at in steps_to_kill(recovering + 7):
        root = quick_path / f"killed-{kill_at}"
        shutil.copytree(quick_path / "ready", root)
        assert attempt(Place(kind, root), kill_at) == "killed"
        if kind == "disk":
            read_everywhere(root, ("invoice", "checks", "figures", "documents", "changes"))
        recovered(Place(kind, root))
        assert versions(root) == ["new", "new", "old"]
        assert replaced(root) == sorted(EXPECTED)
        assert names(root, "staged") == []
        shutil.rmtree(root)


def take_out(dataset: Dataset, number: int) -> None:
    """A document leaves the shard, as one does whose address shows another version: its rows go, its answers stay."""
    for table in ("documents", "evidence", "pages", "figures", *SPEC.record_tables):
        kept = dataset.shard_rows(table, SHARD)
        kept = kept.filter(pc.not_equal(kept.column("document_id"), f"{number:064d}"))
        dataset.store.publish_parquet(f"{table}/{SHARD}.parquet", kept.schema, kept.to_batches())


def test_a_document_that_left_the_shard_is_not_brought_back(place: Place) -> None:
    elsewhere = "20250101T000000-000000-00001"
    dataset = born(place, (SHARD, (1, 2)), (elsewhere, (3,)))
    new = rows_of(dataset, (1, 2, 3), "new", "20260101T000000-aaaaaa")
    take_out(dataset, 2)
    assert replace_documents(dataset, SHARD, "20260101T000000-aaaaaa-00000", new, POINTERS) == 1
    assert sorted(select(place.files(), "documents", "document_id, title")) == [
        (f"{1:064d}", "new"),
        (f"{3:064d}", "old"),
    ]
    for table in ("evidence", "pages", "figures", "checks", *SPEC.record_tables):
        assert (f"{2:064d}",) not in select(place.files(), table, "document_id")
    for table in ("evidence", "invoice"):
        assert select(place.files(), table, "count(*)") == [(2,)]
    assert {document_id for document_id, *_ in replaced(place.files())} == {f"{1:064d}"}


def test_nothing_is_written_when_all_documents_have_left(place: Place) -> None:
    dataset = born(place)
    before = {table: dataset.store.stamps(table) for table in dataset.tables}
    new = rows_of(dataset, (7, 8), "new", "20260101T000000-aaaaaa")
    assert replace_documents(dataset, SHARD, "20260101T000000-aaaaaa-00000", new, POINTERS) == 0
    assert {table: dataset.store.stamps(table) for table in dataset.tables} == before
    assert names(place.files(), "staged") == []


def test_a_table_without_a_file_gets_one_and_one_whose_rows_vanish_keeps_an_empty_one(place: Place) -> None:
    dataset = born(place)
    file = f"{SHARD}.parquet"
    assert not (place.files() / "checks" / file).exists()
    assert pq.read_metadata(place.files() / "figures" / file).num_rows == 3
    new = rows_of(dataset, (1, 2, 3), "new", "20260101T000000-aaaaaa")
    replace_documents(dataset, SHARD, "20260101T000000-aaaaaa-00000", new, POINTERS)
    root = place.files()
    assert pq.read_metadata(root / "checks" / file).num_rows == 3
    for table in ("figures", "invoice_line_items"):
        assert pq.read_metadata(root / table / file).num_rows == 0
    assert {shard for table in dataset.tables for shard in dataset.files(table) if table != "changes"} == {
        "0",
        SHARD,
    }  # rows are replaced in their own files, and only `changes` has one more
    for table, schema in dataset.tables.items():
        for path in (root / table).iterdir():
            assert pq.read_schema(path).equals(schema, check_metadata=True), path
    read_everywhere(place.files())
    assert versions(place.files()) == ["new", "new", "new"]
    older = rows_of(dataset, (1, 2, 3), "old", "20260101T000001-aaaaaa")
    replace_documents(dataset, SHARD, "20260101T000001-aaaaaa-00000", older, POINTERS)
    assert versions(place.files()) == ["old", "old", "old"]  # and back, from an empty file
    assert pq.read_metadata(place.files() / "checks" / file).num_rows == 0


def batches(dataset: Dataset, tables: Mapping[str, list[dict]]) -> dict[str, list[pa.RecordBatch]]:
    return {name: [pa.RecordBatch.from_pylist(rows, schema=dataset.tables[name])] for name, rows in tables.items()}


def test_changes_hold_old_and_new_of_each_field_that_differs_and_no_other(place: Place) -> None:
    dataset = place.open(SPEC)
    key = {"document_id": f"{1:064d}"}
    item = {**key, "record": 0, "description": "Bolt", "amount": Decimal("1.50")}
    record = {
        **key,
        "record": 0,
        "number": "7",
        "issue_date": datetime.date(2026, 1, 2),
        "gross_total": Decimal("12.5"),
    }
    old = {
        "documents": [{**key, "title": "old", "status": "ok"}],
        "invoice": [{**record, "iban": None, "extracted_at": AT}],
        "invoice_line_items": [{**item, "item_index": 0}, {**item, "item_index": 1, "description": "Nut é"}],
    }
    publish(dataset, SHARD, batches(dataset, old))
    new = {
        "documents": [{**key, "title": "new", "status": "partial"}],
        "invoice": [
            {**record, "issue_date": None, "gross_total": Decimal("99.9999"), "iban": "DE1", "record_status": "partial"}
        ],
        "invoice_line_items": [{**item, "item_index": 0, "amount": None}],
    }
    run_id = "20260101T000000-aaaaaa"
    assert replace_documents(dataset, SHARD, f"{run_id}-00000", batches(dataset, new), POINTERS) == 1
    told = select(
        place.files(), "changes", "change_id, run_id, document_id, record, kind, field, old, new", "order by 1"
    )
    assert told[0][0] == 1
    assert told[0][4] == "added"
    assert [row[1:5] for row in told[1:]] == [(run_id, key["document_id"], 0, "replaced")] * 4
    assert {row[5]: row[6:] for row in told[1:]} == {
        "/issue_date": ("2026-01-02", None),
        "/gross_total": ("12.5000", "99.9999"),
        "/iban": (None, "DE1"),
        "/line_items": (
            '[{"description": "Bolt", "amount": "1.5000"}, {"description": "Nut é", "amount": "1.5000"}]',
            '[{"description": "Bolt", "amount": null}]',
        ),
    }
    assert [row[0] for row in told] == [1, 2, 3, 4, 5]
    assert json.loads(told[-1][7]) == [{"description": "Bolt", "amount": None}]


def test_changes_hold_nothing_when_nothing_differs(place: Place) -> None:
    dataset = born(place)
    same = rows_of(dataset, (1, 2, 3), "old", "20260101T000000-aaaaaa")
    before = set(dataset.files("changes"))
    assert replace_documents(dataset, SHARD, "20260101T000000-aaaaaa-00000", same, POINTERS) == 0
    assert set(dataset.files("changes")) == before
    assert set(select(place.files(), "documents", "run_id")) == {
        ("20260101T000000-aaaaaa",)
    }  # and yet they were replaced


def test_two_replaces_at_once_work_on_no_document_both(place: Place) -> None:
    born(place)
    dataset, other = place.read(HELD), place.read(HELD)
    ids = [f"{number:064d}" for number in (1, 2, 3, 4)]
    with dataset.lease("20260101T000000-aaaaaa"), other.lease("20260101T000000-bbbbbb"):
        with dataset.locked():
            assert claim_published(dataset, "20260101T000000-aaaaaa", ids[:2]) == set(ids[:2])
        with other.locked():
            recover(other)
            assert claim_published(other, "20260101T000000-bbbbbb", ids) == {ids[2]}  # the fourth is nowhere published
            assert claim(other, "20260101T000000-bbbbbb", ids) == {ids[3]}  # which a run may add, and the others not
        with dataset.locked():
            assert claim_published(dataset, "20260101T000000-aaaaaa", ids) == set(ids[:2])
    with other.lease("20260101T000000-cccccc"), other.locked():
        recover(other)
        assert claim_published(other, "20260101T000000-cccccc", ids) == set(
            ids[:3]
        )  # claims of dead runs count for nothing
        assert names(place.files(), "claims") == ["20260101T000000-cccccc"]


def test_two_replaces_of_one_shard_at_once_both_hold(place: Place) -> None:
    born(place)
    errors: list[Exception] = []

    def replace(number: int) -> None:
        dataset = place.read(HELD)
        run_id = f"20260101T00000{number}-aaaaaa"
        try:
            with dataset.lease(run_id):
                new = rows_of(dataset, [number], "new", run_id)
                replace_documents(dataset, SHARD, f"{run_id}-00000", new, POINTERS)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=replace, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert versions(place.files()) == ["new", "new", "old"]
    assert replaced(place.files()) == sorted(EXPECTED)


def test_a_full_disk_leaves_the_old_rows(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = born(place)
    from flows.storage.backends.parquet_files import write_parquet

    def full(path: Path, schema: pa.Schema, *arguments: object) -> int:
        if schema == dataset.tables["documents"]:
            raise OSError(28, "No space left on device")
        return write_parquet(path, schema, *arguments)

    new = rows_of(dataset, (1, 2), "new", "20260101T000000-aaaaaa")
    with monkeypatch.context() as patch:
        patch.setattr(
            f"flows.storage.backends.{'disk' if place.kind == 'disk' else 'object_store'}.write_parquet", full
        )
        with pytest.raises(DatasetError, match="No space left"):
            replace_documents(dataset, SHARD, "20260101T000000-aaaaaa-00000", new, POINTERS)
    assert versions(place.files()) == ["old", "old", "old"]
    assert names(place.files(), "staged") == []
    assert replace_documents(dataset, SHARD, "20260101T000000-aaaaaa-00000", new, POINTERS) == 2
    assert versions(place.files()) == ["new", "new", "old"]


def test_changes_name_a_document_that_has_the_same_values_but_another_status(place: Place) -> None:
    dataset = place.open(SPEC)
    key = {"document_id": f"{1:064d}"}
    record = {**key, "record": 0, "number": "7", "extracted_at": AT}
    old = {"documents": [{**key, "status": "partial"}], "invoice": [{**record, "record_status": "partial"}]}
    publish(dataset, SHARD, batches(dataset, old))
    new = {"documents": [{**key, "status": "ok"}], "invoice": [{**record, "record_status": "ok"}]}
    staging = "20260101T000000-aaaaaa-00000"
    assert replace_documents(dataset, SHARD, staging, batches(dataset, new), POINTERS) == 0
    told = select(place.files(), "changes", "change_id, document_id, record, kind, field, old, new", "order by 1")
    assert told[1:] == [(2, key["document_id"], None, "replaced", None, None, None)]
