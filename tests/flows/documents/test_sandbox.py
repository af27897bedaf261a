"""A crash, a hang, a bomb: one document each, and the others come back."""

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import duckdb
import psutil
import pytest

from extractors.split.options import SplitOptions
from flows.documents.sandbox import Sandbox, read_frames
from flows.runs.refresh import refresh
from flows.runs.refresh_request import RefreshRequest
from flows.runs.request import RunRequest
from flows.runs.run import run
from flows.storage.open import read_dataset
from flows.type_loader import load_type
from schemas.errors import RunStoppedError
from tests.conftest import SAMPLES
from tests.support.archives import invoices
from tests.support.planted import MEMORY, planted
from tests.support.waiting import wait_until


def test_three_planted_faults_among_a_hundred_cost_three_documents(tmp_path: Path, offline_engine: object) -> None:
    source = invoices(tmp_path / "in", 100)
    for number, fault in ((20, "segfault"), (50, "hang"), (80, "bomb")):
        (source / f"invoice{number:03d}.pdf").rename(source / f"{fault}.pdf")
    with Sandbox(2, 5.0, MEMORY, planted) as sandbox:
        request = RunRequest([str(source)], load_type("invoice"), tmp_path / "out", quiet=True)
        outcome = run(replace(offline_engine, sandbox=sandbox), request)
    assert (outcome.summary["ok"], outcome.summary["failed"]) == (97, 3)
    assert outcome.exit_code == 1
    rows = duckdb.sql(
        f"select source_uri, error, message, retryable from '{tmp_path}/out/failures/*.parquet'"
    ).fetchall()
    reasons = {Path(uri).stem: (error, message) for uri, error, message, retryable in rows if retryable}
    assert {error for error, _ in reasons.values()} == {"SandboxLimitError"}
    assert "exit code -11" in reasons["segfault"][1]
    assert "longer than 5 s" in reasons["hang"][1]
    assert "1,024 MB" in reasons["bomb"][1]


def test_a_split_process_that_is_told_to_end_costs_no_document_unless_each_one_is(
    tmp_path: Path, offline_engine: object
) -> None:
    source = invoices(tmp_path / "in", 6)
    (source / "invoice002.pdf").rename(source / "told.pdf")
    (source / "invoice004.pdf").rename(source / "told-always.pdf")
    with Sandbox(1, 60.0, MEMORY, planted) as sandbox:
        request = RunRequest([str(source)], load_type("invoice"), tmp_path / "out", quiet=True)
        outcome = run(replace(offline_engine, sandbox=sandbox), request)
    assert (outcome.summary["ok"], outcome.summary["failed"]) == (5, 1)
    ((uri, message),) = duckdb.sql(f"select source_uri, message from '{tmp_path}/out/failures/*.parquet'").fetchall()
    assert Path(uri).name == "told-always.pdf"
    assert (
        "was begun 3 times, and each time its process was ended from outside (the last one with exit code -15)"
        in message
    )


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_a_split_process_that_ends_while_it_has_nothing_to_do_costs_nothing(tmp_path: Path, by: signal.Signals) -> None:
    def split_one(sandbox: Sandbox, number: int) -> int:
        name = "nordlicht.pdf"
        frames = tmp_path / f"frames{number}"
        return asyncio.run(sandbox.split(SAMPLES / "invoices" / name, name, frames, SplitOptions())).pages

    with Sandbox(1, 60.0, 4 << 30) as sandbox:
        assert split_one(sandbox, 0) == 1
        for number in (1, 2):
            (idle,) = [
                each
                for each in psutil.Process().children()
                if "spawn_main" in " ".join(each.cmdline()) and is_of(sandbox, each)
            ]
            idle.send_signal(by)
            wait_until(lambda: not idle.is_running() or idle.status() == psutil.STATUS_ZOMBIE)  # a wait would reap it
            assert split_one(sandbox, number) == 1


def test_a_worker_has_no_key_in_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "canary-key")
    monkeypatch.setenv("ANY_TOKEN_AT_ALL", "canary-token")
    with Sandbox(1, 60.0, 4 << 30) as sandbox:
        file = SAMPLES / "invoices" / "nordlicht.pdf"
        assert asyncio.run(sandbox.split(file, "a.pdf", tmp_path / "frames", SplitOptions())).pages == 1
        (worker,) = sandbox._pool._pool_manager.worker_manager.workers
        environment = Path(f"/proc/{worker}/environ").read_bytes()
    assert b"canary" not in environment
    assert b"OPENROUTER" not in environment


def test_no_more_processes_start_than_documents_need_and_more_later_where_they_do(tmp_path: Path) -> None:
    def workers(documents: int) -> int:
        sandbox.expect(documents)
        for number in range(documents):
            asyncio.run(
                sandbox.split(SAMPLES / "invoices" / "nordlicht.pdf", "a.pdf", tmp_path / str(number), SplitOptions())
            )
        return len(sandbox._pool._pool_manager.worker_manager.workers)

    with Sandbox(2, 60.0, 4 << 30) as sandbox:
        assert [workers(documents) for documents in (1, 3, 1)] == [1, 2, 2]


def is_of(sandbox: Sandbox, process: psutil.Process) -> bool:
    """A process of this sandbox, and not of the engine that the tests share."""
    return process.pid in sandbox._pool._pool_manager.worker_manager.workers


@pytest.mark.parametrize("is_refresh", [False, True], ids=["run", "refresh"])
def test_a_split_process_that_dies_when_the_run_was_told_to_stop_leaves_its_document_for_the_next(
    tmp_path: Path, offline_engine: object, is_refresh: bool
) -> None:
    source, out = invoices(tmp_path / "in", 3), tmp_path / "out"
    (source / "invoice001.pdf").rename(source / "stopped.pdf")
    request = RunRequest([str(source)], load_type("invoice"), out, quiet=True)
    if is_refresh:
        assert run(offline_engine, request).summary["ok"] == 3
    with Sandbox(1, 60.0, MEMORY, planted) as sandbox:
        engine = replace(offline_engine, sandbox=sandbox)
        if is_refresh:
            done, stopped = refresh(engine, RefreshRequest(out, where="true", quiet=True))
            assert (done.kept, done.deferred, done.refreshed) == ([], 3 - done.refreshed, done.refreshed)
            assert done.deferred > 0
        else:
            outcome = run(engine, request)
            stopped = outcome.stopped
            assert (outcome.summary["failed"], outcome.summary["deferred"]) == (0, 3 - outcome.summary["ok"])
            assert outcome.summary["deferred"] > 0
    assert isinstance(stopped, RunStoppedError)
    assert read_dataset(out).rows("failures", ["error"]).num_rows == 0  # no attempt is lost
    if not is_refresh:
        assert run(offline_engine, request).summary["ok"] == outcome.summary["deferred"]


def test_frames_give_back_the_pages_one_at_a_time(tmp_path: Path) -> None:
    name = "calder_point.pdf"
    with Sandbox(1, 60.0, 4 << 30) as sandbox:
        info = asyncio.run(sandbox.split(SAMPLES / "invoices" / name, name, tmp_path / "frames", SplitOptions()))
    pages = read_frames(tmp_path / "frames")
    assert next(pages).number == 1
    assert info.pages == 3
    assert [page.number for page in pages] == [2, 3]


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_die_with_their_parent(tmp_path: Path, workers: int) -> None:
    import subprocess
    import sys

    import psutil

    from tests.conftest import ROOT
    from tests.support.killing import kill

    script = f"""
import asyncio, sys, time
from pathlib import Path
from flows.documents.sandbox import Sandbox
from extractors.split.split import SplitOptions
async def main(sandbox):
    name = {str(SAMPLES / "invoices" / "nordlicht.pdf")!r}
    await asyncio.gather(*(sandbox.split(Path(name), "x.pdf", Path({str(tmp_path)!r}) / str(n), SplitOptions()) for n in range(4)))
if __name__ == "__main__":
    with Sandbox({workers}, 60.0, 4 << 30) as sandbox:
        asyncio.run(main(sandbox))
        print("ready", flush=True)
        time.sleep(60)
"""
    (tmp_path / "holder.py").write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "holder.py")], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout.readline().strip() == "ready"
    assert len(psutil.Process(process.pid).children(recursive=True)) >= workers
    assert kill(process)
