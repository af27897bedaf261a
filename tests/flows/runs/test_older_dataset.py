"""A dataset that an earlier version wrote is read, extended, refreshed and corrected by this one."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.cli import main
from flows.storage.open import read_dataset
from flows.storage.verify import verify
from tests.conftest import ROOT, SAMPLES, Finished

OLD = ROOT / "tests" / "datasets"
NAME, CORRECTED = "harrow_finch.pdf", "Harrow & Finch Ltd."


@pytest.fixture(params=sorted(path.name for path in OLD.iterdir() if path.is_dir()))
def out(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(shutil.copytree(OLD / request.param, tmp_path / "out"))


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in (NAME, "nordlicht.pdf"):
        shutil.copy(SAMPLES / "invoices" / name, folder)
    return folder


def seller_of(out: Path) -> str:
    dataset = read_dataset(out)
    rows = dataset.rows("invoice", ["file_name", "seller_name"]).to_pylist()
    return next(row["seller_name"] for row in rows if row["file_name"] == NAME)


def test_it_is_sound_and_read(out: Path, capsys: pytest.CaptureFixture) -> None:
    assert verify(out) == []
    assert seller_of(out) == CORRECTED
    assert main(["status", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] == 1
    assert main(["why", str(out), NAME, "/seller/name", "--json"]) == 0
    explained = json.loads(capsys.readouterr().out)
    assert (explained["value"], explained["corrections"][0]["by"]) == (CORRECTED, "ada")


def test_it_is_extended_refreshed_and_corrected(
    out: Path, archive: Path, extract: Callable, pagemill: Callable[..., Finished]
) -> None:
    extended = extract(archive, out).summary
    assert (extended["already_done"], extended["ok"]) == (1, 1)
    refreshed = pagemill("refresh", out, "--document", NAME, "--model", "offline", "--json")
    assert (refreshed.code, refreshed.json["refreshed"]) == (0, 1)
    assert seller_of(out) == CORRECTED
    assert main(["correct", str(out), NAME, "number", "N-1", "--by", "bob"]) == 0
    rows = read_dataset(out).rows("invoice", ["number", "corrected_fields"]).to_pylist()
    assert {"number": "N-1", "corrected_fields": ["/number", "/seller/name"]} in [
        {"number": row["number"], "corrected_fields": sorted(row["corrected_fields"])} for row in rows
    ]
    assert verify(out) == []


def test_replay_takes_its_stored_answers(out: Path, archive: Path, extract: Callable, pagemill: Callable) -> None:
    extract(archive, out)  # which finds where the document is now
    replayed = pagemill("refresh", out, "--replay", "--model", "offline", "--json")
    assert (replayed.code, replayed.json["refreshed"], replayed.json["requests"]) == (0, 2, 0)
    assert seller_of(out) == CORRECTED
