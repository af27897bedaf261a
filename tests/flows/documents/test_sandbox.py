"""A crash, a hang, a bomb: one document each, and the others come back."""

import os
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from extractors.split.split import SplitOptions
from flows.documents.sandbox import Sandbox, read_frames
from flows.runs.run import RunRequest, run
from flows.type_loader import load_type
from tests.conftest import SAMPLES
from tests.flows.runs.test_run import invoices
from tests.support.planted import MEMORY, planted


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


def test_frames_give_back_the_pages_one_at_a_time(tmp_path: Path) -> None:
    import asyncio

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
