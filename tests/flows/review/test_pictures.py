"""Pictures on demand: from the bytes of the document's id and no others, wherever they stand now; a fault costs one picture."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flows import cli
from flows.documents.ocr import SecondReader
from flows.documents.sandbox import Sandbox
from flows.review import pictures as module
from flows.review.pictures import Pictures
from flows.storage.dataset import Dataset
from flows.storage.open import read_dataset
from schemas.errors import SandboxLimitError, UnreadableDocumentError
from tests.conftest import SAMPLES
from tests.support.planted import MEMORY, planted_look

LONG = SAMPLES / "invoices" / "calder_point.pdf"  # of three pages
SHORT = SAMPLES / "invoices" / "nordlicht.pdf"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(1, 3.0, MEMORY, looking=planted_look) as shared:
        yield shared


@pytest.fixture
def archive(tmp_path: Path, extract: Callable) -> Callable[..., tuple[Dataset, dict[str, str]]]:
    """A dataset of files named so, and their ids by name."""

    def make(**files: Path) -> tuple[Dataset, dict[str, str]]:
        for name, source in files.items():
            (tmp_path / "in").mkdir(exist_ok=True)
            shutil.copy(source, tmp_path / "in" / f"{name}.pdf")
        extract(tmp_path / "in", tmp_path / "out")
        dataset = read_dataset(tmp_path / "out")
        rows = dataset.rows("documents", ["file_name", "document_id"]).to_pylist()
        return dataset, {Path(row["file_name"]).stem: row["document_id"] for row in rows}

    return make


def drawer(dataset: Dataset, sandbox: Sandbox, folder: Path) -> Callable[..., object]:
    """Pictures, one after the other, as a server in its one loop would ask for them."""
    folder.mkdir()
    found = Pictures(dataset, sandbox, folder)
    loop = asyncio.new_event_loop()
    return lambda document_id, number: loop.run_until_complete(found.page(document_id, number))


@pytest.mark.parametrize(
    ("fault", "said"), [("segfault", "exit code -11"), ("hang", "longer than 3 s"), ("bomb", "1,024 MB")]
)
def test_a_page_that_kills_the_library_costs_one_picture_and_is_not_tried_again(
    archive: Callable, sandbox: Sandbox, tmp_path: Path, fault: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, ids = archive(**{fault: LONG, "sound": SHORT})
    page = drawer(dataset, sandbox, tmp_path / "copies")
    with pytest.raises(SandboxLimitError, match=rf"{fault}.pdf: drawing page 2 .*{said}"):
        page(ids[fault], 2)
    looks: list[int] = []
    look = sandbox.look
    monkeypatch.setattr(sandbox, "look", lambda *told: looks.append(told[2]) or look(*told))
    with pytest.raises(SandboxLimitError, match=said):
        page(ids[fault], 2)
    assert looks == []
    assert page(ids[fault], 3).image is not None
    assert page(ids["sound"], 1).image is not None
    assert page(ids["sound"], 1).image is not None
    assert looks == [3, 1]


def test_a_document_that_moved_is_drawn_and_one_with_other_bytes_is_not(
    archive: Callable, extract: Callable, sandbox: Sandbox, tmp_path: Path
) -> None:
    dataset, ids = archive(one=SHORT, two=LONG)
    (tmp_path / "in" / "one.pdf").rename(tmp_path / "in" / "moved.pdf")
    extract(tmp_path / "in", tmp_path / "out")  # which sees it at its new place
    shutil.copy(SAMPLES / "invoices" / "harrow_finch.pdf", tmp_path / "in" / "two.pdf")
    page = drawer(dataset, sandbox, tmp_path / "copies")
    words = " ".join(word.text for word in page(ids["one"], 1).words)
    assert "Nordlicht" in words
    with pytest.raises(UnreadableDocumentError, match=r"two.pdf: has other bytes now"):
        page(ids["two"], 1)
    (tmp_path / "in" / "two.pdf").unlink()
    fresh = drawer(dataset, sandbox, tmp_path / "others")
    with pytest.raises(UnreadableDocumentError, match=r"two.pdf: cannot be read \(No such file"):
        fresh(ids["two"], 1)


def test_the_second_reader_gives_a_scan_its_words(samples_out: dict[str, Path], tmp_path: Path) -> None:
    dataset = read_dataset(samples_out["invoices"])
    rows = dataset.rows("documents", ["file_name", "document_id"]).to_pylist()
    letter = next(row["document_id"] for row in rows if row["file_name"] == "whitmore_letter.pdf")
    (tmp_path / "copies").mkdir()
    with Sandbox(1, 120.0, 4 << 30) as roomy:
        with_words = Pictures(dataset, roomy, tmp_path / "copies", scans=SecondReader(roomy, tmp_path / "read"))
        loop = asyncio.new_event_loop()
        page = loop.run_until_complete(with_words.page(letter, 1))
        loop.close()
    places = {word.text: word for word in page.words}
    assert places["720.00"].x0 > 0.5 * page.width
    assert places["Daughters"].y0 < 0.2 * page.height < places["720.00"].y0 < page.height


def test_few_copies_and_pictures_are_kept(
    samples_out: dict[str, Path], sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT_DOCUMENTS", 2)
    monkeypatch.setattr(module, "KEPT_PAGES", 3)
    dataset = read_dataset(samples_out["invoices"])
    ids = dataset.rows("documents", ["document_id"]).column(0).to_pylist()
    (tmp_path / "copies").mkdir()
    found = Pictures(dataset, sandbox, tmp_path / "copies")
    loop = asyncio.new_event_loop()
    for document_id in [*ids, ids[0]]:
        assert loop.run_until_complete(found.page(document_id, 1)).image is not None
        assert {each.name for each in (tmp_path / "copies").iterdir()} == set(found._copies)
        assert document_id in found._copies
    assert len(found._copies) == 2
    assert list(found._pages) == [(ids[-2], 1), (ids[-1], 1), (ids[0], 1)]
    loop.close()


def test_a_document_that_is_forgotten_meanwhile_is_dropped_here_too(
    archive: Callable, sandbox: Sandbox, tmp_path: Path
) -> None:
    dataset, ids = archive(one=SHORT, two=LONG)
    page = drawer(dataset, sandbox, tmp_path / "copies")
    assert page(ids["one"], 1).image is not None
    assert cli.main(["forget", str(tmp_path / "out"), ids["one"]]) == 0
    with pytest.raises(UnreadableDocumentError, match="is not published any more"):
        page(ids["one"], 1)
    assert list((tmp_path / "copies").iterdir()) == []


def test_what_is_not_published_has_no_picture(samples_out: dict[str, Path], sandbox: Sandbox, tmp_path: Path) -> None:
    page = drawer(read_dataset(samples_out["invoices"]), sandbox, tmp_path / "copies")
    with pytest.raises(UnreadableDocumentError, match="is not published any more"):
        page("0" * 64, 1)
