"""Publishing: killed at every step, told of a full disk, replayed; each document once, no half file for a reader."""

import datetime
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
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
# only flows.storage (and what that imports): no Prefect, no PyMuPDF, no model. It is forked from a parent that has
# these imports behind it, or a hundred kills would be a hundred imports of pyarrow.
PARENT = """
import os, signal, sys
from pathlib import Path
from tests.flows.storage.test_publish import child_steps
from flows.storage import dataset, publish
assert not {"prefect", "pymupdf", "openai"} & set(sys.modules)

def steps_until(root, kill_at):
    calls = 0
    def counted(real):
        def call(*arguments, **options):
            nonlocal calls
            calls += 1
            if calls == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)
        return call
    for name in ("fsync", "replace", "rename", "unlink", "rmdir", "mkdir", "write"):
        setattr(os, name, counted(getattr(os, name)))
    child_steps(Path(root))
    return calls

for line in sys.stdin:
    root, kill_at = line.rsplit(" ", 1)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        real_write = os.write
        try:
            real_write(writing, str(steps_until(root, int(kill_at))).encode())
        except BaseException as error:
            real_write(writing, repr(error).encode())
        os._exit(0)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    said = os.read(reading, 10_000).decode()
    os.close(reading)
    print("killed" if os.WIFSIGNALED(status) else said, flush=True)
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
    number = len(list(root.with_name(f"{root.name}-attempts").glob("*")))
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
                batches = document(place, shard)
                if f"request-{place}" in dataset.rows("calls", ["request_id"]).column(0).to_pylist():
                    del batches["calls"]  # paid for by a run before: used, and not asked again
                else:
                    journal(dataset, shard, place)
                publish(dataset, shard, batches)
        row = {"run_id": run_id, "started_at": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), "discovered": 2}
        end_run(dataset, run_id, row, [{"source_uri": "/x", "run_id": run_id, "gone": False}])


@pytest.fixture
def attempt() -> Iterator[Callable[[Path, int], str]]:
    """Run `child_steps` in a process that kills itself at a step (0: never); says `killed` or how many steps it took."""
    command = [sys.executable, "-c", PARENT]
    parent = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def call(root: Path, kill_at: int) -> str:
        attempts = root.with_name(f"{root.name}-attempts")
        attempts.mkdir(parents=True, exist_ok=True)
        parent.stdin.write(f"{root} {kill_at}\n")
        parent.stdin.flush()
        said = parent.stdout.readline().strip()
        (attempts / str(kill_at)).touch()
        assert said == "killed" or said.isdigit(), said
        return said

    yield call
    parent.stdin.close()
    parent.wait(timeout=10)
    parent.stdout.close()


def read_everywhere(root: Path) -> None:
    """Every published table through the strictest reader, the main ones through the others too."""
    for folder in sorted(root.iterdir()) if root.exists() else ():
        if folder.name == "_work" or not list(folder.iterdir()):
            continue  # a table whose birth was cut short has no file yet
        duckdb.sql(f"select count(*) from '{folder}/*.parquet'").fetchall()
        if folder.name in {"documents", "invoice", "calls"}:
            pd.read_parquet(folder)
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


def test_a_kill_at_any_step_loses_and_doubles_nothing(tmp_path: Path, attempt: Callable[[Path, int], str]) -> None:
    steps = int(attempt(tmp_path / "whole", 0))
    dataset = read_dataset(tmp_path / "whole")
    with dataset.locked():
        recover(dataset)
    check_complete(tmp_path / "whole")
    assert steps > 60
    read_everywhere(tmp_path / "whole")
    for kill_at in range(1, steps + 1):
        root = tmp_path / f"killed-{kill_at}"
        assert attempt(root, kill_at) == "killed"
        read_everywhere(root)
        assert attempt(root, 0).isdigit()
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
