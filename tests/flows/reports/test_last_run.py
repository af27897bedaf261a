"""`pagemill status`: what the newest run did, as JSON, as lines, and as tables on a terminal."""

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows import cli
from flows.reports.last_run import sections
from flows.storage.dataset import Dataset
from flows.ui.terminal import plain_lines
from tests.conftest import ROOT, SAMPLES


@pytest.fixture
def out(tmp_path: Path, extract: object) -> Path:
    """A run of an invoice whose name commands a terminal, a partial one, and a broken file."""
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(SAMPLES / "invoices" / "whitmore_letter.pdf", folder)
    shutil.copy(SAMPLES / "invoices" / "harrow_finch.pdf", folder / "a\x1b[31m[bold]b.pdf")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    extract(folder, tmp_path / "out")
    return tmp_path / "out"


def test_the_newest_run_is_told_as_json(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {"discovered", "documents", "ok", "partial", "failed", "deferred", "skipped", "cost_usd"} <= told.keys()
    assert (told["documents"], told["ok"], told["partial"], told["failed"]) == (2, 1, 1, 1)
    last = told["last_run"]
    assert (last["discovered"], last["ok"], last["partial"], last["failed"]) == (3, 1, 1, 1)
    assert last["failures"] == [{"stage": "split", "error": "UnreadableDocumentError", "count": 1}]
    assert {each["file_name"] for each in last["slowest"]} == {"whitmore_letter.pdf", "a\x1b[31m[bold]b.pdf"}
    assert [each["problem_kinds"] for each in last["partials"]] == [["required"] * 3]
    assert last["problem_kinds"] == {"required": 3}
    assert last["drift"] == []


def test_away_from_a_terminal_each_row_is_a_line_without_control_characters(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["status", str(out)]) == 0
    said = capsys.readouterr().out
    assert "failures by reason: split  UnreadableDocumentError  documents 1\n" in said
    assert re.search(r"partial documents: \w{12} whitmore_letter\.pdf  pages 1  required\n", said)
    assert "\ufffd[31m[bold]b.pdf" in said
    assert "\x1b" not in said


def test_on_a_terminal_there_are_tables_and_names_stay_text(out: Path) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "status", str(out)],
        cwd=ROOT,
        stdout=theirs,
        env={**os.environ, "COLUMNS": "120", "TERM": "xterm"},
    ) as process:
        assert process.wait() == 0
    os.close(theirs)
    held = b""
    try:
        while piece := os.read(ours, 65_536):
            held += piece
    except OSError:  # the terminal has nobody at its other end
        pass
    os.close(ours)
    said = held.decode()
    bare = re.sub(r"\x1b\[[0-9;]*m", "", said)
    assert "failures by reason" in bare
    assert re.search(r"split\s+UnreadableDocumentError\s+1\s", bare)
    assert "\ufffd[31m[bold]b.pdf" in bare
    assert "\x1b[31m[bold]" not in said


def test_a_dataset_in_which_no_run_has_ended_has_none(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (out / "runs").iterdir():
        if path.name != "0.parquet":
            path.unlink()
    assert cli.main(["status", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["last_run"] is None
    assert plain_lines(sections(None)) == []


def test_status_reads_no_column_of_texts_and_of_answers(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read: set[tuple[str, str]] = set()
    parts, shard_columns = Dataset.parts, Dataset.shard_columns

    def noted(self: Dataset, table: str, columns: list[str]) -> object:
        read.update((table, each) for each in columns)
        return parts(self, table, columns)

    def noted_shard(self: Dataset, table: str, shard: str, columns: list[str]) -> object:
        read.update((table, each) for each in columns)
        return shard_columns(self, table, shard, columns)

    monkeypatch.setattr(Dataset, "parts", noted)
    monkeypatch.setattr(Dataset, "shard_columns", noted_shard)
    monkeypatch.delattr(Dataset, "shard_batches")
    assert cli.main(["status", str(out)]) == 0
    capsys.readouterr()
    assert {table for table, _ in read} <= {"documents", "runs", "failures", "calls", "quality", "sources"}
    assert {column for table, column in read if table == "calls"} == {"cost_usd"}
    assert not {"problems", "response"} & {column for _, column in read}
    assert {table for table, column in read if column == "message"} <= {"failures"}  # of the ten that are named
