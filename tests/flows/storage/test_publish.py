"""Publishing: killed at every step, told of a full disk, replayed; each document once, no half file for a reader."""

import datetime
import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.storage.dataset import Dataset, DatasetSpec, open_dataset, read_dataset
from flows.storage.journal import read_segment
from flows.storage.publish import publish, recover
from schemas.document_types import DOCUMENT_TYPES
from schemas.errors import DatasetError
from schemas.tables import SHARD_TABLES, all_tables, record_tables
from tests.conftest import ROOT

INVOICE = DOCUMENT_TYPES["invoice"]
SPEC = DatasetSpec(
    "invoice", INVOICE.schema, all_tables(INVOICE), tuple(table.name for table in record_tables(INVOICE))
)

# The child publishes two shards and ends its run, and kills itself at the n-th call that changes the disk. It imports
# only flows.storage (and what that imports): no Prefect, no PyMuPDF, no model.
CHILD = """
import os, signal, sys
kill_at = int(sys.argv[2])
calls = 0
def counted(name):
    real = getattr(os, name)
    def call(*arguments, **options):
        global calls
        calls += 1
        if calls == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)
    setattr(os, name, call)
from pathlib import Path
from tests.flows.storage.test_publish import SPEC, child_steps
from flows.storage import dataset, publish
assert not {"prefect", "pymupdf", "openai"} & set(sys.modules)
for name in ("fsync", "replace", "rename", "unlink", "rmdir", "mkdir", "write"):
    counted(name)
child_steps(Path(sys.argv[1]))
print(calls)
"""


def document(number: int, shard: str) -> dict[str, list[pa.RecordBatch]]:
    document_id = f"{number:064d}"
    run_id = shard.rpartition("-")[0]
    at = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    values = {
        "documents": {
            "document_id": document_id,
            "file_name": f"{number}.pdf",
            "status": "ok",
            "run_id": run_id,
            "extracted_at": at,
            "cost_usd": 0.5,
        },
        "evidence": {"document_id": document_id, "record": 0, "field": "/number", "match": "exact"},
        "calls": {
            "document_id": document_id,
            "request_id": f"request-{number}",
            "run_id": run_id,
            "cost_usd": 0.5,
            "attempts": 1,
            "prompt_tokens": 7,
        },
    }
    batches = {name: [pa.RecordBatch.from_pylist([row], schema=SHARD_TABLES[name])] for name, row in values.items()}
    record = record_tables(INVOICE)[0]
    batches["invoice"] = [
        pa.RecordBatch.from_pylist(
            [{"document_id": document_id, "record": 0, "number": str(number)}], schema=record.schema
        )
    ]
    return batches


def journal(dataset: Dataset, shard: str, number: int) -> None:
    import asyncio

    from flows.storage.journal import Segment

    async def write() -> None:
        segment = Segment(dataset.work / "journal" / shard)
        await segment.append(document(number, shard)["calls"][0].to_pylist()[0])
        segment.close()

    asyncio.run(write())


def child_steps(root: Path) -> None:
    """A run of two shards over what is not published yet, then a third shard that is journaled and never published."""
    from flows.storage.publish import end_run

    dataset = open_dataset(root, SPEC)
    number = len(list((root / "_work" / "attempts").glob("*"))) if (root / "_work" / "attempts").exists() else 0
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
                granted = dataset.claim(run_id, [f"{place:064d}"])
            if granted:
                shard = f"{run_id}-{place:05d}"
                journal(dataset, shard, place)
                publish(dataset, shard, document(place, shard))
        row = {"run_id": run_id, "started_at": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), "discovered": 2}
        end_run(dataset, run_id, row, [{"source_uri": "/x", "run_id": run_id, "gone": False}])


def attempt(root: Path, kill_at: int) -> subprocess.CompletedProcess[str]:
    (root / "_work" / "attempts").mkdir(parents=True, exist_ok=True)
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CHILD), str(root), str(kill_at)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    (root / "_work" / "attempts" / str(kill_at)).touch()
    assert process.returncode in {0, -signal.SIGKILL}, process.stderr
    return process


def read_everywhere(root: Path) -> None:
    """Every published table through every reader."""
    for folder in sorted(root.iterdir()):
        if folder.name == "_work" or not list(folder.iterdir()):
            continue  # a table whose birth was cut short has no file yet
        pd.read_parquet(folder)
        duckdb.sql(f"select count(*) from '{folder}/*.parquet'").fetchall()
        pl.read_parquet(folder / "*.parquet")


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
        assert list((root / "_work" / folder).iterdir()) == []


def test_a_kill_at_any_step_loses_and_doubles_nothing(tmp_path: Path) -> None:
    steps = int(attempt(tmp_path / "whole", 0).stdout)
    dataset = read_dataset(tmp_path / "whole")
    with dataset.locked():
        recover(dataset)
    check_complete(tmp_path / "whole")
    assert steps > 60
    for kill_at in range(1, steps + 1):
        root = tmp_path / f"killed-{kill_at}"
        first = attempt(root, kill_at)
        assert first.returncode == -signal.SIGKILL, kill_at
        read_everywhere(root)
        attempt(root, 0)
        read_everywhere(root)
        dataset = read_dataset(root)
        with dataset.locked():
            recover(dataset)
        check_complete(root)


def test_answers_of_a_killed_run_are_published_without_their_document(tmp_path: Path) -> None:
    dataset = open_dataset(tmp_path, SPEC)
    journal(dataset, "20260101T000000-dead00-00000", 7)
    with (tmp_path / "_work" / "journal" / "20260101T000000-dead00-00000").open("ab") as file:
        file.write(b"00000000 {torn")
    with dataset.locked():
        recover(dataset)
        recover(dataset)
    assert dataset.rows("calls", ["request_id"]).to_pylist() == [{"request_id": "request-7"}]
    assert dataset.published_ids() == set()


def test_a_live_runs_journal_and_staging_are_left_alone(tmp_path: Path) -> None:
    dataset = open_dataset(tmp_path, SPEC)
    with dataset.lease("20260101T000000-live00"):
        journal(dataset, "20260101T000000-live00-00000", 7)
        (tmp_path / "_work" / "staged" / "20260101T000000-live00-00000").mkdir()
        with dataset.locked():
            recover(dataset)
        assert list(read_segment(tmp_path / "_work" / "journal" / "20260101T000000-live00-00000"))
        assert (tmp_path / "_work" / "staged" / "20260101T000000-live00-00000").exists()
    with dataset.locked():
        recover(dataset)
    assert not (tmp_path / "_work" / "staged" / "20260101T000000-live00-00000").exists()
    assert dataset.rows("calls", ["request_id"]).num_rows == 1


def test_a_killed_runs_row_is_written_with_what_is_left_as_deferred(tmp_path: Path) -> None:
    dataset = open_dataset(tmp_path, SPEC)
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


def test_a_document_published_meanwhile_is_left_out_but_its_calls_are_kept(tmp_path: Path) -> None:
    dataset = open_dataset(tmp_path, SPEC)
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


def test_a_full_disk_is_a_clear_error_and_nothing_is_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = open_dataset(tmp_path, SPEC)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    shard = "20260101T000000-aaaaaa-00000"
    with monkeypatch.context() as patch:
        patch.setattr("flows.storage.publish.write_parquet", full)
        with pytest.raises(DatasetError, match="No space left"):
            publish(dataset, shard, document(1, shard))
    assert dataset.published_ids() == set()
    publish(dataset, shard, document(1, shard))
    assert len(dataset.published_ids()) == 1


def test_every_file_has_the_stated_schema_and_statement_survives(tmp_path: Path) -> None:
    dataset = open_dataset(tmp_path, SPEC)
    shard = "20260101T000000-aaaaaa-00000"
    publish(dataset, shard, document(1, shard))
    for name, schema in read_dataset(tmp_path).tables.items():
        for path in dataset.files(name):
            assert pq.read_schema(path).equals(schema, check_metadata=True), path
    assert json.loads((tmp_path / "_work" / "dataset.json").read_text())["document_type"] == "invoice"


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    dataset = open_dataset(tmp_path, SPEC)
    (tmp_path / "documents" / "broken.parquet").write_bytes(b"PAR1 is not enough")
    with pytest.raises(DatasetError, match=r"broken\.parquet"):
        dataset.published_ids()
