"""The page as one file: the worst documents with their pictures, within its bounds, saying what it has not."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows import cli
from flows.review import export as module
from flows.review.export import export, export_line
from flows.settings import load_settings
from flows.storage.open import read_dataset
from tests.conftest import SAMPLES, Finished


def data_of(path: Path) -> dict[str, Any]:
    found = re.search(r'id="data">(.*?)</script>', path.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_the_command_writes_the_worst_documents(
    samples_out: dict[str, Path], tmp_path: Path, pagemill: Callable[..., Finished]
) -> None:
    done = pagemill("review", samples_out["invoices"], "--html", tmp_path / "x.html", "--limit", 2)
    assert done.code == 0, done.err
    assert done.out == (
        f"2 documents with 4 pictures of pages drawn in {tmp_path}/x.html. This file has the 2 worst of 5 documents.\n"
    )
    data = data_of(tmp_path / "x.html")
    assert [row["name"] for row in data["rows"]] == ["whitmore_letter.pdf", "calder_point.pdf"]
    assert data["counts"]["partial"] == 1
    assert set(data["shown"]) == {row["id"] for row in data["rows"]}
    assert data["left_out"] == ["This file has the 2 worst of 5 documents."]
    calder = data["rows"][1]["id"]
    for number in (1, 2, 3):
        assert data["pages"][f"{calder}/{number}"]["picture"].startswith("data:image/png;base64,")
    assert "token" not in data


def test_what_finds_no_room_is_left_out_and_told(
    samples_out: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings()
    monkeypatch.setattr(module, "MOST_PICTURE_CHARACTERS", 700_000)
    monkeypatch.setattr(module, "MOST_PAGES", 2)
    done = export(samples_out["invoices"], None, settings, tmp_path / "x.html", 20)
    data = data_of(tmp_path / "x.html")
    pictures = [page["picture"] for page in data["pages"].values() if "picture" in page]
    assert 0 < sum(map(len, pictures)) <= 700_000
    assert done.pictures == len(pictures) < 7
    assert done.left_out == (f"Pictures of {7 - len(pictures)} pages are left out, so that it opens quickly.",)
    assert export_line(done, Path("x")).endswith(done.left_out[0])
    calder = next(row["id"] for row in data["rows"] if row["name"] == "calder_point.pdf")
    assert f"{calder}/3" not in data["pages"] or f"{calder}/2" not in data["pages"]

    sizes = {name: len(str(record)) for name, record in data["shown"].items()}
    monkeypatch.setattr(module, "MOST_RECORDS", sum(sizes.values()) - 1)
    done = export(samples_out["invoices"], None, settings, tmp_path / "x.html", 20)
    assert done.documents == 4
    assert "1 of them are left out, so that it opens quickly." in done.left_out


def test_pages_without_a_picture_have_their_text(tmp_path: Path, extract: Callable) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(SAMPLES / "invoices" / "nordlicht.pdf", tmp_path / "in")
    extract(tmp_path / "in", tmp_path / "out")
    (tmp_path / "in" / "nordlicht.pdf").unlink()
    done = export(tmp_path / "out", None, load_settings(), tmp_path / "x.html", 20)
    assert (done.documents, done.pictures) == (1, 0)
    (page,) = data_of(tmp_path / "x.html")["pages"].values()
    assert "cannot be read" in page["note"]
    assert "Nordlicht Elektrotechnik GmbH" in page["text"]


def test_nothing_is_written_into_the_dataset_nor_where_nothing_can_be(
    samples_out: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = samples_out["invoices"]
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    for target, complaint in (
        (out / "documents" / "x.html", "is in the dataset"),
        (tmp_path / "no" / "x.html", "there is no folder"),
        (tmp_path, "is not a file that can be replaced"),
    ):
        assert cli.main(["review", str(out), "--html", str(target)]) == 2
        assert complaint in capsys.readouterr().err
    assert cli.main(["review", str(out), "--html", str(tmp_path / "x.html"), "--limit", "1"]) == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    assert read_dataset(out).files("corrections") == ["0"]
