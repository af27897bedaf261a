"""`pagemill forget`: what is forgotten is in no file, comes back with no run, and is listed before a condition removes it."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from flows import cli
from flows.runs.resources import Engine
from flows.storage.backends.disk import DiskStore
from flows.storage.document_claims import claim_published
from flows.storage.open import read_dataset
from flows.storage.recover import recover
from flows.storage.remove import forget_documents
from flows.storage.verify import verify
from schemas.errors import DatasetError
from tests.conftest import SAMPLES
from tests.flows.storage.places import Place
from tests.support.outcomes import rows
from tests.support.painted import Studio, name_of, studio

CANARY = "Zanzibarquokka77"


def canary_document(folder: Path) -> Path:
    """An invoice whose name, text and answer hold the canary, beside another invoice."""
    import pymupdf

    folder.mkdir()
    shutil.copy(SAMPLES / "invoices" / "harrow_finch.pdf", folder)
    path = folder / f"{CANARY}.pdf"
    with pymupdf.open() as document:
        page = document.new_page()
        lines = ["INVOICE", f"Invoice number: {CANARY}", "Invoice date: 2026-01-05", "Total: 12.00 EUR"]
        for number, line in enumerate(lines):
            page.insert_text((72, 72 + 20 * number), line)
        document.save(path)
    return path


def holding(root: Path, word: str) -> list[str]:
    """The files that hold the word: in their name, their bytes, or, for a table, whose pages are compressed, their rows."""
    found = []
    for path in root.rglob("*"):
        if path.is_file():
            text = path.read_bytes().decode("latin-1") + path.name
            if path.suffix == ".parquet":
                text += str(pq.read_table(path).to_pylist())
            if word in text:
                found.append(path.relative_to(root).as_posix())
    return found


def prefect_files(run_id: str) -> Path:
    """Where Prefect keeps its database, once the events of a run are in it: its server writes them some seconds later."""
    from prefect.events.worker import EventsWorker

    EventsWorker.drain_all(timeout=10)
    folder = Path(os.environ["PAGEMILL_CACHE_DIR"]) / "prefect"
    end = time.monotonic() + 30
    with contextlib.closing(sqlite3.connect(folder / "prefect.db")) as db:
        asked = "select count(*) from events where event like 'prefect.task-run.%' and payload || resource like ?"
        while not db.execute(asked, [f"%{run_id}%"]).fetchone()[0]:
            assert time.monotonic() < end
            time.sleep(0.1)
    return folder


def forget(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.main(["forget", *map(str, arguments)])
    return code, *capsys.readouterr()


def test_a_forgotten_canary_is_nowhere_and_does_not_come_back(
    place: Place, tmp_path: Path, extract: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    document = canary_document(tmp_path / "in")
    out = place.url or place.root
    done = extract(document.parent, out, report=True)
    assert done.exit_code == 0
    reports = place.files() / "_work" / "reports"
    mine = hashlib.sha256(document.read_bytes()).hexdigest()
    assert holding(reports, mine[:12]) == [f"{done.summary['run_id']}.html"]  # by its id, and by nothing else
    assert holding(reports, CANARY) == []
    place.put("_work/reports/20260101T000000-abcdef.html.aside", mine.encode())  # its writer was killed
    tables = {name.partition("/")[0] for name in holding(place.files(), CANARY)}
    assert {"documents", "invoice", "evidence", "pages", "calls", "sources"} <= tables
    tries = Path(os.environ["PAGEMILL_CACHE_DIR"]) / "tries"
    assert cli.main(["try", str(document), "--type", "invoice", "--model", "offline"]) == 0
    assert holding(tries, CANARY)
    capsys.readouterr()

    code, said, _ = forget(capsys, out, document, "--json")
    assert code == 0
    record = json.loads(said)
    assert record["rows"]["documents"] == record["rows"]["sources"] == 1
    assert record["unreachable"]
    assert holding(place.files(), CANARY) == []
    assert list(reports.rglob("*.html*")) == []
    assert holding(tries, CANARY) == []
    if place.url is None:  # once is enough: it takes seconds, and Prefect is the same
        prefect = prefect_files(done.summary["run_id"])
        assert any("prefect.db" in each for each in holding(prefect, done.summary["run_id"]))
        assert holding(prefect, CANARY) == []
    assert any((place.files() / "_work").rglob("*"))  # was looked into, too

    again = extract(document.parent, out)
    assert (
        again.summary["discovered"]
        == again.summary["already_done"] + again.summary["skipped"] + again.summary["deferred"]
    )
    assert holding(place.files(), CANARY) == []
    assert len(read_dataset(out).published_ids()) == 1
    assert cli.main(["status", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["documents"] == 1


@pytest.fixture
def out(tmp_path: Path, samples_out: dict[str, Path]) -> Path:
    return Path(shutil.copytree(samples_out["invoices"], tmp_path / "out"))


def ids(out: Path) -> dict[str, str]:
    """The id of each document by its file's name."""
    rows = read_dataset(out).rows("documents", ["file_name", "document_id"]).to_pylist()
    return {row["file_name"]: row["document_id"] for row in rows}


@pytest.mark.parametrize("by", ["id", "prefix", "path", "name"])
def test_a_document_is_named_by_id_prefix_path_or_file_name(
    out: Path, by: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = ids(out)
    mine = before["nordlicht.pdf"]
    names = {
        "id": mine,
        "prefix": mine[:9],
        "path": SAMPLES / "invoices" / "nordlicht.pdf",
        "name": "nordlicht.pdf",
    }
    code, said, _ = forget(capsys, out, names[by])
    assert code == 0
    assert "1 document forgotten and kept out" in said
    assert ids(out) == {name: each for name, each in before.items() if each != mine}


def test_a_condition_lists_first_and_removes_with_yes(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = ids(out)
    code, said, told = forget(capsys, out, "--where", "file_name like 'nord%'")
    assert (code, before) == (0, ids(out))
    assert before["nordlicht.pdf"][:12] in said
    assert "1 document, none removed" in told
    code, said, _ = forget(capsys, out, "--where", "file_name like 'nord%'", "--yes", "--json")
    assert json.loads(said)["document_ids"] == [before["nordlicht.pdf"]]
    assert "nordlicht.pdf" not in ids(out)
    assert len(ids(out)) == len(before) - 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "name a DOCUMENT"),
        (["nosuch.pdf"], "nosuch.pdf is no document"),
        (["--where", "pagez > 1"], "--where:"),
        (["--where", "1=1) or (select count(*) from '/etc/passwd'"], "--where:"),
    ],
)
def test_what_means_nothing_is_refused(
    out: Path, arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = ids(out)
    code, _, told = forget(capsys, out, *arguments)
    assert code == 2
    assert complaint in told
    assert ids(out) == before


def test_a_document_that_a_run_has_not_published_yet_is_known_by_its_path(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    later = tmp_path / "later.pdf"
    later.write_bytes(b"%PDF-1.7 not yet read")
    code, said, _ = forget(capsys, out, later, "--json")
    assert (code, json.loads(said)["document_ids"]) == (0, [hashlib.sha256(later.read_bytes()).hexdigest()])
    assert read_dataset(out).forgotten_ids() == set(json.loads(said)["document_ids"])
    dataset = read_dataset(out)
    with dataset.lease("20260101T000000-abcdef"):
        dataset.note_run("20260101T000000-abcdef", {})
        code, _, told = forget(capsys, out, "elsewhere.pdf")
        assert (code, "A run is at work" in told) == (2, True)
        dataset.store.unlink("_work/runs/20260101T000000-abcdef.json")


def test_an_id_that_was_never_published_is_kept_out(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = forget(capsys, out, "0" * 64)
    assert code == 0
    assert "1 document forgotten and kept out from now on; rows removed: none" in said
    assert read_dataset(out).forgotten_ids() == {"0" * 64}


@pytest.mark.parametrize(
    ("method", "key", "is_noted"),
    [
        ("locked", "", False),
        ("write", "_work/forgets/", False),
        ("write", "_work/forgotten", True),
        ("write", "READY", True),
    ],
)
def test_where_nothing_can_be_written_it_is_said_what_became_of_the_documents(
    out: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    key: str,
    is_noted: bool,
) -> None:
    before, mine = ids(out), ids(out)["nordlicht.pdf"]
    usual = getattr(DiskStore, method)

    def full(self: DiskStore, *arguments: Any) -> Any:
        if key in (arguments[0] if arguments else ""):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return usual(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(DiskStore, method, full)
        code, _, told = forget(capsys, out, mine)
    assert code == 1
    assert "No space left on device" in told
    assert ("nothing was forgotten" in told) is not is_noted
    assert ("noted, but their rows may still exist" in told) is is_noted
    assert "repeat `pagemill forget`" in " ".join(told.split())
    assert "run again" not in told
    assert ids(out) == before
    with read_dataset(out).locked():
        recover(read_dataset(out))
    assert (mine in ids(out).values()) is not is_noted
    assert forget(capsys, out, mine)[0] == 0
    assert mine not in ids(out).values()
    assert verify(out) == []


def test_a_live_run_is_named_when_nobody_waits(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset, mine = read_dataset(out), ids(out)["nordlicht.pdf"]
    with dataset.lease("20260101T000000-abcdef"):
        with dataset.locked():
            claim_published(dataset, "20260101T000000-abcdef", [mine])
        code, _, told = forget(capsys, out, mine, "--no-wait")
    assert code == 1
    assert "20260101T000000-abcdef" in told
    assert mine in ids(out).values()


@pytest.mark.parametrize("fails", [(), ("Paint b0",)], ids=["answered", "failed"])
def test_a_document_that_is_forgotten_while_it_is_extracted_is_counted_as_skipped(
    tmp_path: Path, offline_engine: Engine, fails: tuple[str, ...]
) -> None:
    with studio(tmp_path, offline_engine) as place:
        place.write("a0", "b0")
        place.model.fails = fails
        mine = hashlib.sha256((tmp_path / "in" / "b0.txt").read_bytes()).hexdigest()
        forget_when_asked(place, mine)
        done = place.run()
        assert (done["discovered"], done["ok"], done["skipped"], done["failed"]) == (2, 1, 1, 0)
        assert rows(place.out, "documents", "file_name") == [("a0.txt",)]
        assert rows(place.out, "failures") == []
        assert place.run()["skipped"] == 1
        assert verify(place.out) == []


def test_a_document_that_is_forgotten_while_it_is_refreshed_is_not_counted_as_made_anew(
    tmp_path: Path, offline_engine: Engine
) -> None:
    with studio(tmp_path, offline_engine) as place:
        place.write("a0", "b0")
        place.run()
        place.making = 2
        mine = ids(place.out)["b0.txt"]
        forget_when_asked(place, mine)
        done = place.refresh(is_all=True)
        assert (done.chosen, done.refreshed, done.deferred) == (2, 1, 0)
        assert [(each.document_id, each.reason) for each in done.kept] == [(mine, "it was forgotten meanwhile")]
        assert (2, 1, 1, "refresh") in rows(place.out, "runs", "discovered, ok, skipped, command")


def forget_when_asked(place: Studio, mine: str) -> None:
    """`forget --no-wait`, when the model is asked for b0: the document is the run's, and stays until it has ended."""
    tells = place.model.tells

    def tell(body: dict[str, Any]) -> dict[str, Any]:
        if name_of(body) == "b0":
            with pytest.raises(DatasetError):
                forget_documents(read_dataset(place.out), "20260101T000000-aaaaaa-00000", [mine], wait=False)
        return tells(body)

    place.model.tells = tell
