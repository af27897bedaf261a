"""Removing rows: forgotten for good or superseded, killed at every step, while others work; all there or all gone."""

import datetime
import itertools
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flows.storage.dataset import Dataset
from flows.storage.document_claims import claim, claim_published
from flows.storage.publish import end_run, publish, replace_documents
from flows.storage.recover import recover
from flows.storage.remove import forget_documents, supersede_documents
from schemas.errors import DatasetError
from tests.flows.storage.places import HELD, Place, names
from tests.support.kill_steps import Attempt, killing_steps, steps_to_kill
from tests.support.shards import AT, POINTERS, SHARD, SPEC, document, journal, recovered, rows_of

OTHER = "20250101T000000-000000-00001"
STAGING = "20260101T000000-aaaaaa-00000"
RUN = "20250101T000000-000000"
GONE, STAYS = f"{1:064d}", f"{2:064d}"
TABLES = ("documents", "invoice", "invoice_line_items", "evidence", "pages", "figures", "calls", "failures", "sources")


def source(uri: str, document_id: str | None) -> dict:
    return {"source_uri": uri, "document_id": document_id, "gone": False, "run_id": RUN, "seen_at": AT}


def born(place: Place) -> Dataset:
    """Two shards of old documents, a third document in the other shard, addresses, and values told of a replacement."""
    dataset = place.open(SPEC)
    publish(dataset, SHARD, rows_of(dataset, (1, 2), "old", RUN))
    publish(dataset, OTHER, rows_of(dataset, (3,), "old", RUN))
    replaced = rows_of(dataset, (1, 2), "new", RUN)
    keeps = {"figures", "pages", "documents", "invoice", "evidence"}
    new = {table: batches for table, batches in replaced.items() if table in keeps}
    new["figures"] = rows_of(dataset, (1, 2), "old", RUN)["figures"]
    new["invoice_line_items"] = rows_of(dataset, (1, 2), "old", RUN)["invoice_line_items"]
    replace_documents(dataset, SHARD, "20250102T000000-000000-00000", new, POINTERS)
    rows = [source("/a/1.pdf", None), source("/a/1.pdf", GONE), source("/a/2.pdf", STAYS), source("/a/2.pdf", GONE)]
    end_run(dataset, RUN, {"run_id": RUN, "started_at": AT, "discovered": 3}, {"sources": rows})
    return dataset


def held(root: Path) -> dict[str, list[str]]:
    """The document ids of each table, sorted; of `sources` the addresses."""
    found = {}
    for table in TABLES:
        column = "source_uri" if table == "sources" else "document_id"
        rows = [
            row
            for path in (root / table).glob("*.parquet")
            for row in pq.read_table(path, columns=[column]).to_pylist()
        ]
        found[table] = sorted({int(row[column]) if column == "document_id" else row[column] for row in rows})
    return found


def changes(root: Path) -> list[tuple]:
    columns = ("change_id", "kind", "document_id", "record", "field", "old", "new", "at")
    rows = [row for path in (root / "changes").glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    return sorted(tuple(row[name] for name in columns) for row in rows)


def told(root: Path, number: int) -> list[tuple]:
    return [row[1:2] + row[3:7] for row in changes(root) if row[2] == f"{number:064d}"]


ALL = {table: [1, 2, 3] for table in TABLES} | {"sources": ["/a/1.pdf", "/a/2.pdf"]}
FORGOTTEN = {table: [2, 3] for table in TABLES} | {"sources": ["/a/2.pdf"]}
SUPERSEDED = FORGOTTEN | {"calls": [1, 2, 3], "failures": [1, 2, 3], "sources": ["/a/1.pdf", "/a/2.pdf"]}


def check_forgotten(root: Path) -> None:
    assert held(root) == FORGOTTEN
    mine = told(root, 1)
    assert {row[1] for row in mine} == {None}
    assert {row[3:] for row in mine} == {(None, None)}
    assert [row[0] for row in mine].count("forgotten") == 1
    assert any(row[3] is not None for row in told(root, 2))
    numbers = [row[0] for row in changes(root)]
    assert numbers == list(range(1, len(numbers) + 1))


def check_superseded(root: Path) -> None:
    assert held(root) == SUPERSEDED
    values = {row[2]: (row[3], row[4]) for row in told(root, 1) if row[0] == "superseded"}
    assert values == {
        "/number": ("1 new", None),
        "/issue_date": ("2026-01-02", None),
        "/gross_total": ("12.5000", None),
        "/line_items": ('[{"description": "item 1 old", "amount": "1.5000"}]', None),
    }


def child_steps(place: Place) -> None:
    """A command that removes the first document: what its folder's name says."""
    dataset = place.open(SPEC)
    if "forget" in str(place.root):
        forget_documents(dataset, STAGING, [GONE])
    else:
        with dataset.lease("20260101T000000-aaaaaa"):
            supersede_documents(dataset, STAGING, [GONE], POINTERS)


@pytest.fixture(scope="module")
def attempt() -> Iterator[Attempt]:
    with killing_steps(__file__) as call:
        yield call


@pytest.mark.whole_machine
@pytest.mark.parametrize("kind", ["disk", "folder"])
@pytest.mark.parametrize(("what", "check"), [("forget", check_forgotten), ("supersede", check_superseded)])
def test_a_kill_at_any_step_leaves_every_row_or_none(
    quick_path: Path, attempt: Attempt, kind: str, what: str, check: Callable[[Path], None]
) -> None:
    born(Place(kind, quick_path / "old"))
    assert held(quick_path / "old") == ALL
    shutil.copytree(quick_path / "old", quick_path / f"{what}-whole")
    steps = int(attempt(Place(kind, quick_path / f"{what}-whole"), 0))
    check(quick_path / f"{what}-whole")
    seen = []
    for kill_at in steps_to_kill(steps):
        place = Place(kind, quick_path / f"{what}-{kill_at}")
        shutil.copytree(quick_path / "old", place.root)
        assert attempt(place, kill_at) == "killed"
        now = held(place.root)
        assert set(now["documents"]) <= set(now["evidence"])  # no reader finds a document without its rows
        recovered(place)
        seen.append(held(place.root) != ALL)
        if seen[-1]:
            check(place.root)
        assert names(place.root, "staged") == names(place.root, "leases") == names(place.root, "forgets") == []
        assert place.read().forgotten_ids() == ({GONE} if what == "forget" and seen[-1] else set())
        if kill_at % 4 == 0:
            assert attempt(place, 0).isdigit()
            check(place.root)
        shutil.rmtree(place.root)
    assert [said for said, _ in itertools.groupby(seen)] == [
        False,
        True,
    ]  # once it is noted or READY, nothing takes it back


def test_what_is_forgotten_is_gone_told_and_counted(place: Place) -> None:
    dataset = born(place)
    untouched = dataset.store.stamps("invoice")[f"{OTHER}.parquet"]
    done = forget_documents(dataset, STAGING, [GONE])
    check_forgotten(place.files())
    assert done.rows == {
        "documents": 1, "invoice": 1, "invoice_line_items": 1, "evidence": 1, "pages": 2, "figures": 1, "calls": 1,
        "failures": 1, "sources": 3,
    }  # fmt: skip
    assert done.changes_emptied == 2
    assert any("backups" in each for each in done.unreachable)
    assert dataset.store.stamps("invoice")[f"{OTHER}.parquet"] == untouched
    before = changes(place.files())
    forget_documents(dataset, "20260102T000000-aaaaaa-00000", [GONE])
    assert changes(place.files()) == before


def test_a_shard_without_rows_left_keeps_its_files(place: Place) -> None:
    dataset = born(place)
    before = {table: set(dataset.files(table)) for table in dataset.tables if table != "changes"}
    forget_documents(dataset, STAGING, [f"{number:064d}" for number in (1, 2, 3)])
    assert {table: set(dataset.files(table)) for table in before} == before
    assert dataset.published_ids() == set()
    for path in (place.files() / "figures").iterdir():
        assert pq.read_schema(path).equals(dataset.tables["figures"], check_metadata=True)


def test_what_is_forgotten_stays_out(place: Place) -> None:
    dataset = born(place)
    forget_documents(dataset, STAGING, [GONE, f"{7:064d}"])
    assert dataset.forgotten_ids() == {GONE, f"{7:064d}"}
    run_id, before = "20260102T000000-bbbbbb", held(place.files())
    with dataset.lease(run_id):
        with dataset.locked():
            assert claim(dataset, run_id, [GONE, f"{7:064d}", f"{8:064d}"]) == {f"{8:064d}"}
        journal(dataset, f"{run_id}-00000", 1)
        publish(dataset, f"{run_id}-00000", document(1, f"{run_id}-00000"))
        end_run(dataset, run_id, {"run_id": run_id}, {"sources": [source("/a/again.pdf", GONE)]})
    journal(dataset, "20260102T000000-dead00-00000", 7)  # what a killed run had been answered
    with dataset.locked():
        recover(dataset)
    assert held(place.files()) == before
    assert names(place.files(), "journal") == []


def test_a_document_that_a_live_run_works_on_is_waited_for(place: Place) -> None:
    born(place)
    dataset, other = place.read(HELD), place.read(HELD)
    run_id = "20260102T000000-bbbbbb"
    lease = other.lease(run_id)
    with other.locked():
        assert claim_published(other, run_id, [GONE]) == {GONE}
    with pytest.raises(DatasetError, match=run_id):
        forget_documents(dataset, STAGING, [GONE], wait=False)
    assert held(place.files()) == ALL
    assert dataset.forgotten_ids() == {GONE}  # so that nothing new of it is published
    waiting = threading.Thread(target=forget_documents, args=(dataset, STAGING, [GONE]), kwargs={"poll": 0.05})
    waiting.start()
    time.sleep(0.2)
    assert waiting.is_alive()
    new = rows_of(other, (1, 2), "new", run_id)
    assert replace_documents(other, SHARD, f"{run_id}-00000", new, POINTERS) == 1  # of the second one only
    lease.end()
    waiting.join(timeout=30)
    assert not waiting.is_alive()
    assert held(place.files())["documents"] == [2, 3]


def test_what_nobody_waited_for_is_removed_once_the_run_has_ended(place: Place) -> None:
    born(place)
    dataset, other = place.read(HELD), place.read(HELD)
    run_id = "20260102T000000-bbbbbb"
    with other.lease(run_id):
        with other.locked():
            claim_published(other, run_id, [GONE])
        with pytest.raises(DatasetError, match="once that run has ended"):
            forget_documents(dataset, STAGING, [GONE], wait=False)
        with other.locked():
            recover(other)  # the run itself, which is not through with it
        assert held(place.files()) == ALL
    recovered(place)
    check_forgotten(place.files())


def test_a_second_forget_counts_what_the_first_could_not_remove(place: Place) -> None:
    dataset = born(place)
    dataset.store.write(f"_work/forgets/{STAGING}", f"{GONE}\n".encode())  # killed before anything else
    done = forget_documents(dataset, "20260102T000000-aaaaaa-00000", [GONE, STAYS])
    assert done.rows["documents"] == 2
    assert names(place.files(), "forgets") == []


def test_what_is_superseded_is_kept_in_changes(place: Place) -> None:
    dataset = born(place)
    with dataset.lease("20260101T000000-aaaaaa"):
        assert supersede_documents(dataset, STAGING, [GONE, f"{9:064d}"], POINTERS) == {GONE}
        assert supersede_documents(dataset, STAGING, [GONE], POINTERS) == set()
    check_superseded(place.files())
    forget_documents(dataset, "20260102T000000-aaaaaa-00000", [GONE])
    check_forgotten(place.files())


def test_a_document_of_another_run_is_not_superseded(place: Place) -> None:
    born(place)
    dataset, other = place.read(HELD), place.read(HELD)
    with dataset.lease("20260101T000000-aaaaaa"), other.lease("20260102T000000-bbbbbb"):
        with other.locked():
            claim_published(other, "20260102T000000-bbbbbb", [GONE])
        assert supersede_documents(dataset, STAGING, [GONE], POINTERS) == set()
    assert held(place.files()) == ALL


def test_changes_keep_their_order_when_the_clock_is_set_back(place: Place) -> None:
    dataset = born(place)
    ahead = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=400)
    row = {"change_id": 50, "at": ahead, "kind": "added", "document_id": STAYS}
    import pyarrow as pa

    batch = pa.RecordBatch.from_pylist([row], schema=dataset.tables["changes"])
    dataset.store.publish_parquet("changes/20250103T000000-000000.parquet", batch.schema, [batch])
    forget_documents(dataset, STAGING, [GONE])
    times = [row[7] for row in changes(place.files())]
    assert times == sorted(times)
    assert changes(place.files())[-1][0] == 51
