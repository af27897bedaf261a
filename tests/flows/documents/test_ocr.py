"""A scanned document through a run with the second reader: values with boxes, money confirmed, nothing read twice."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pymupdf
import pytest

from flows.cli import main
from flows.documents.sandbox import Sandbox
from flows.runs.forget import forget
from flows.runs.request import RunRequest
from flows.runs.resources import Engine
from flows.runs.run import run
from flows.settings import load_settings
from flows.storage.find import find_documents
from flows.storage.open import read_dataset
from flows.type_loader import load_type
from schemas.errors import SandboxLimitError
from tests.support.moody import Moody, moody
from tests.support.outcomes import rows

SAID = {"number": "INV-2041", "issue_date": "2026-03-14", "currency": "EUR", "gross_total": 1234.5}


def scan(path: Path, *lines: str) -> None:
    """A document of one page that is nothing but a picture of these lines."""
    with pymupdf.open() as drawn:
        page = drawn.new_page(width=400, height=300)
        for place, line in enumerate(lines):
            page.insert_text((40, 60 + 30 * place), line, fontsize=14)
        picture = page.get_pixmap(dpi=150).tobytes("png")
    with pymupdf.open() as scanned:
        scanned.new_page(width=400, height=300).insert_image(pymupdf.Rect(0, 0, 400, 300), stream=picture)
        scanned.save(path)


class Counted(Sandbox):
    """A sandbox that counts the pictures it reads; it can be told to crash on them."""

    def __init__(self, inner: Sandbox) -> None:
        self.inner, self.read, self.crashes = inner, 0, False

    def expect(self, documents: int) -> None:
        self.inner.expect(documents)

    async def split(self, *arguments: Any) -> Any:
        return await self.inner.split(*arguments)

    async def read_picture(self, *arguments: Any) -> Any:
        self.read += 1
        if self.crashes:
            raise SandboxLimitError("x.pdf: reading the picture ended its process")
        return await self.inner.read_picture(*arguments)


class Place:
    def __init__(self, root: Path, model: Moody, shared: Engine) -> None:
        self.root, self.out = root, root / "out"
        (root / "in").mkdir()
        self.model, self.shared, self.sandbox = model, shared, Counted(shared.sandbox)

    def run(self, out: Path | None = None, **options: Any) -> dict[str, Any]:
        settings = load_settings(base_url=self.model.url, **options)
        engine = replace(self.shared, settings=settings, base_url=self.model.url, api_key=None, sandbox=self.sandbox)
        return run(
            engine, RunRequest([str(self.root / "in")], load_type("invoice"), out or self.out, quiet=True)
        ).summary


@pytest.fixture
def place(tmp_path: Path, offline_engine: Engine) -> Iterator[Place]:
    with moody(**SAID) as model:
        place = Place(tmp_path, model, offline_engine)
        scan(tmp_path / "in" / "scan.pdf", "Invoice INV-2041", "Date 14 March 2026", "Total EUR 1,234.50")
        yield place


def found(out: Path) -> dict[str, tuple]:
    columns = "field, match, page, x0 is not null, quote"
    return {field: rest for field, *rest in rows(out, "evidence", columns)}


def test_values_of_a_scan_get_their_places_and_money_is_confirmed(place: Place) -> None:
    place.run(place.root / "without")
    assert place.sandbox.read == 0
    assert found(place.root / "without")["/gross_total"][0] == "image"
    assert rows(place.root / "without", "invoice", "needs_review") == [(True,)]
    place.run(ocr=True)
    assert place.sandbox.read == 1
    match, page, has_box, quote = found(place.out)["/gross_total"]
    assert (match, page, has_box) == ("normalized", 1, True)
    assert "1,234.50" in quote
    assert found(place.out)["/number"][0] == "exact"
    assert rows(place.out, "invoice", "needs_review") == [(False,)]
    assert rows(place.out, "pages", "text, sent_as") == [("", "image")]  # what is sent is what was sent without it


def test_what_was_read_is_read_from_the_cache_and_goes_when_the_document_is_forgotten(place: Place) -> None:
    place.run(ocr=True)
    place.run(place.root / "again", ocr=True)
    assert place.sandbox.read == 1
    settings = load_settings()
    (document_id,) = rows(place.out, "documents", "document_id")[0]
    (kept,) = (settings.cache_dir / "ocr" / document_id).glob("*.json")
    assert "1,234.50" in kept.read_text()
    kept.write_text('[["cut', encoding="utf-8")
    place.run(place.root / "cut", ocr=True)
    assert place.sandbox.read == 2
    assert found(place.root / "cut") == found(place.out)
    done = forget(place.out, find_documents(read_dataset(place.out), ["scan.pdf"], None), settings)
    assert done.rows["scanned pages"] == 1
    assert not kept.parent.exists()


def test_a_picture_that_crashes_the_reader_costs_its_places_and_nothing_else(place: Place) -> None:
    place.sandbox.crashes = True
    summary = place.run(ocr=True)
    assert (summary["ok"] + summary["partial"], summary["failed"]) == (1, 0)
    assert found(place.out)["/gross_total"][0] == "image"


def test_the_recipe_knows_the_reader_and_is_what_it_was_without_it(place: Place) -> None:
    place.run(place.root / "without")
    place.run(ocr=True)
    assert rows(place.root / "without", "recipes", "recipe_id") != rows(place.out, "recipes", "recipe_id")
    ((settings,),) = rows(place.out, "recipes", "settings")
    assert '"ocr": "rapidocr-' in settings
    ((settings,),) = rows(place.root / "without", "recipes", "settings")
    assert "ocr" not in settings


def test_without_the_extra_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("flows.settings.is_installed", lambda: False)
    monkeypatch.setenv("PAGEMILL_OCR", "1")
    assert main(["run", str(tmp_path), "--type", "invoice", "--out", str(tmp_path / "out"), "--model", "offline"]) == 2
    assert "PAGEMILL_OCR: the extra is not installed: `pip install 'pagemill[ocr]'`" in capsys.readouterr().err
