"""Publishing: killed at every step, told of a full disk, replayed; each document once, no half file for a reader."""

import datetime
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.storage.document_claims import claim
from flows.storage.publish import publish
from flows.storage.recover import recover
from schemas.errors import DatasetError
from schemas.tables import SHARD_TABLES
from tests.flows.storage.places import Place, names
from tests.support.everywhere import read_everywhere
from tests.support.kill_steps import Attempt, attempts_of, killing_steps, steps_to_kill
from tests.support.shards import SPEC, document, journal, recovered


def child_steps(place: Place) -> None:
    """A run of two shards over what is not published yet, then a third shard that is journaled and never published."""
    from flows.storage.publish import end_run

    dataset = place.open(SPEC)
    number = len(list(attempts_of(place).glob("*")))
    run_id = f"20260101T0000{number:02d}-abcdef"
    with dataset.lease(run_id):
        with dataset.locked():
            recover(dataset)
        note = {
            "run_id": run_id,
            "started_at": "2026-01-01T00:00:00+00:00",
            "discovered": 2,
            "already_done": 0,
            "skipped": 0,
            "recipe_id": "r",
            "version": "0",
        }
        dataset.note_run(run_id, note)
        for place in (1, 2):
            with dataset.locked():
                recover(dataset)
                granted = claim(dataset, run_id, [f"{place:064d}"])
            if granted:
                shard = f"{run_id}-{place:05d}"
                batches = document(place, shard)
                if f"request-{place}" in dataset.rows("calls", ["request_id"]).column(0).to_pylist():
                    del batches["calls"]  # paid for by a run before: used, and not asked again
                else:
                    journal(dataset, shard, place)
                publish(dataset, shard, batches)
        row = {"run_id": run_id, "started_at": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), "discovered": 2}
        end_run(dataset, run_id, row, {"sources": [{"source_uri": "/x", "run_id": run_id, "gone": False}]})


@pytest.fixture
def attempt() -> Iterator[Attempt]:
    with killing_steps(__file__) as call:
        yield call


def check_complete(root: Path) -> None:
    ids = duckdb.sql(f"select document_id, count(*) from '{root}/documents/*.parquet' group by 1 order by 1").fetchall()
    assert ids == [(f"{number:064d}", 1) for number in (1, 2)]
    calls = duckdb.sql(
        f"select document_id, request_id, count(*) from '{root}/calls/*.parquet' group by 1, 2 order by 1"
    ).fetchall()
    assert [count for _, _, count in calls] == [1] * len(calls)
    assert {document_id for document_id, _, _ in calls} == {document_id for document_id, _ in ids}
    for table in ("invoice", "evidence"):
        assert duckdb.sql(
            f"select count(*), count(distinct document_id) from '{root}/{table}/*.parquet'"
        ).fetchall() == [(2, 2)]
    assert duckdb.sql(f"select change_id from '{root}/changes/*.parquet' order by 1").fetchall() == [(1,), (2,)]
    for folder in ("staged", "journal", "claims", "runs", "spool"):
        assert names(root, folder) == []


@pytest.mark.parametrize("kind", ["disk", pytest.param("folder", marks=pytest.mark.whole_machine)])
def test_a_kill_at_any_step_loses_and_doubles_nothing(quick_path: Path, attempt: Attempt, kind: str) -> None:
    born = quick_path / "born"
    if kind == "folder":  # on disk the birth is killed, too
        Place(kind, born).open(SPEC)

    def new(name: str) -> Place:
        if born.exists():
            shutil.copytree(born, quick_path / name)
        return Place(kind, quick_path / name)

    whole = new("whole")
    steps = int(attempt(whole, 0))
    recovered(whole)
    check_complete(whole.root)
    assert steps > 60
    for kill_at in steps_to_kill(steps):
        place = new(f"killed-{kill_at}")
        assert attempt(place, kill_at) == "killed"
        if kind == "disk":
            read_everywhere(place.root)
        assert attempt(place, 0).isdigit()
        recovered(place)
        check_complete(place.root)
        shutil.rmtree(place.root)


@pytest.mark.s3_contract
def test_answers_of_a_killed_run_are_published_without_their_document(place: Place) -> None:
    dataset = place.open(SPEC)
    journal(dataset, "20260101T000000-dead00-00000", 7)
    torn = "_work/journal/20260101T000000-dead00-00000"
    if place.kind == "disk":
        with (place.root / torn).open("ab") as file:
            file.write(b"00000000 {torn")
    else:
        place.put(f"{torn}/00000002", b"00000000 {torn")
    with dataset.locked():
        recover(dataset)
        recover(dataset)
    assert dataset.rows("calls", ["request_id"]).to_pylist() == [{"request_id": "request-7"}]
    assert dataset.published_ids() == set()


@pytest.mark.s3_contract
def test_a_live_runs_journal_and_staging_are_left_alone(place: Place) -> None:
    dataset = place.open(SPEC)
    shard = "20260101T000000-live00-00000"
    with dataset.lease("20260101T000000-live00"):
        journal(dataset, shard, 7)
        dataset.store.write_parquet(f"_work/staged/{shard}/documents.parquet", dataset.tables["documents"], ())
        with dataset.locked():
            recover(dataset)
        assert dataset.store.read_segment(shard)
        assert names(place.files(), "staged") == [shard]
    with dataset.locked():
        recover(dataset)
    assert names(place.files(), "staged") == []
    assert dataset.rows("calls", ["request_id"]).num_rows == 1


def test_a_killed_runs_row_is_written_with_what_is_left_as_deferred(place: Place) -> None:
    dataset = place.open(SPEC)
    run_id = "20260101T000000-dead00"
    note = {
        "run_id": run_id,
        "started_at": "2026-01-01T00:00:00+00:00",
        "discovered": 5,
        "already_done": 1,
        "skipped": 1,
        "recipe_id": "r",
        "version": "0",
    }
    dataset.note_run(run_id, note)
    publish(dataset, f"{run_id}-00000", document(1, f"{run_id}-00000"))
    (row,) = dataset.rows(
        "runs", ["discovered", "already_done", "skipped", "ok", "deferred", "cost_usd", "finished_at"]
    ).to_pylist()
    with dataset.locked():
        recover(dataset)
    (row,) = dataset.rows(
        "runs", ["discovered", "already_done", "skipped", "ok", "deferred", "cost_usd"]
    ).to_pylist() or [row]
    assert row["discovered"] == row["already_done"] + row["skipped"] + row["ok"] + row["deferred"]


def test_a_document_published_meanwhile_is_left_out_but_its_calls_are_kept(place: Place) -> None:
    dataset = place.open(SPEC)
    publish(dataset, "20260101T000000-aaaaaa-00000", document(1, "20260101T000000-aaaaaa-00000"))
    again = document(1, "20260101T000000-bbbbbb-00000")
    again["calls"] = [
        pa.RecordBatch.from_pylist(
            [{"document_id": f"{1:064d}", "request_id": "another"}], schema=SHARD_TABLES["calls"]
        )
    ]
    publish(dataset, "20260101T000000-bbbbbb-00000", again)
    assert dataset.rows("documents", ["document_id"]).num_rows == 1
    assert dataset.rows("invoice", ["document_id"]).num_rows == 1
    assert sorted(dataset.rows("calls", ["request_id"]).column(0).to_pylist()) == ["another", "request-1"]


@pytest.mark.parametrize("asked", [(), (1,), (2, 9), (9,), (1, 2, 3)])
def test_which_of_some_documents_are_published_is_told_also_when_more_are_since(
    place: Place, asked: tuple[int, ...]
) -> None:
    dataset, other = place.open(SPEC), place.read()
    ids = {f"{number:064d}" for number in asked}
    assert dataset.published_among(ids) == set()
    for number in (1, 2):
        shard = f"20260101T000000-aaaaaa-0000{number}"
        publish(other, shard, document(number, shard))
    assert dataset.published_among(ids) == dataset.published_ids() & ids == {f"{n:064d}" for n in {1, 2} & set(asked)}


def test_a_full_disk_is_a_clear_error_and_nothing_is_published(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = place.open(SPEC)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    shard = "20260101T000000-aaaaaa-00000"
    with monkeypatch.context() as patch:
        patch.setattr(
            f"flows.storage.backends.{'disk' if place.kind == 'disk' else 'object_store'}.write_parquet", full
        )
        with pytest.raises(DatasetError, match="No space left"):
            publish(dataset, shard, document(1, shard))
    assert dataset.published_ids() == set()
    publish(dataset, shard, document(1, shard))
    assert len(dataset.published_ids()) == 1


def test_every_file_has_the_stated_schema_and_statement_survives(place: Place) -> None:
    dataset = place.open(SPEC)
    shard = "20260101T000000-aaaaaa-00000"
    publish(dataset, shard, document(1, shard))
    root = place.files()
    for name, schema in place.read().tables.items():
        for path in (root / name).iterdir():
            assert pq.read_schema(path).equals(schema, check_metadata=True), path
    assert json.loads((root / "_work" / "dataset.json").read_text())["document_type"] == "invoice"


def test_a_damaged_file_is_named(place: Place) -> None:
    dataset = place.open(SPEC)
    place.put("documents/broken.parquet", b"PAR1 is not enough")
    with pytest.raises(DatasetError, match=r"broken\.parquet"):
        dataset.published_ids()
