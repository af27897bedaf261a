"""Failing documents are named with their fault, remedy and next try, wherever a run or a dataset is told of."""

import datetime
import json
from collections.abc import Callable
from pathlib import Path

import pymupdf
import pytest

from flows.cli import main
from flows.reports.failing import MOST_FAILING, failing_documents, parted
from flows.storage.open import read_dataset
from tests.support.archives import break_some, invoices


def encrypted(path: Path) -> None:
    with pymupdf.open() as document:
        document.new_page().insert_text((72, 72), "Invoice 1")
        document.save(path, encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="secret", owner_pw="secret")


def test_failing_documents_are_named_by_the_run_and_by_status_with_remedy_and_next_try(
    tmp_path: Path, extract: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = invoices(tmp_path / "in", 3), tmp_path / "out"
    break_some(source, range(1))
    encrypted(source / "locked.pdf")
    done = extract(source, out)
    assert (done.summary["failed"], done.summary["failing_count"]) == (2, 2)
    by_name = {Path(row["address"]).name: row for row in done.summary["failing"]}
    assert set(by_name) == {"invoice000.pdf", "locked.pdf"}
    locked = by_name["locked.pdf"]
    assert (locked["error"], locked["attempts"], locked["due_at"]) == ("EncryptedDocumentError", 1, None)
    assert "PAGEMILL_PASSWORDS_FILE" in locked["remedy"]
    assert "needs a password" in locked["message"]
    assert all(len(row["document"]) == 64 and row["remedy"] for row in by_name.values())
    capsys.readouterr()
    main(["status", str(out)])
    said = capsys.readouterr().out
    assert said.count("failing: ") == 2
    assert "not tried again by itself" in said
    main(["status", str(out), "--json"])
    assert json.loads(capsys.readouterr().out)["failing"] == done.summary["failing"]


def test_ten_are_named_and_the_rest_is_counted(
    tmp_path: Path, extract: Callable, capsys: pytest.CaptureFixture
) -> None:
    source, out = invoices(tmp_path / "in", MOST_FAILING + 4), tmp_path / "out"
    break_some(source, range(MOST_FAILING + 3))
    done = extract(source, out)
    assert (len(done.summary["failing"]), done.summary["failing_count"]) == (MOST_FAILING, MOST_FAILING + 3)
    capsys.readouterr()
    main(["status", str(out)])
    assert (
        f"and 3 more failing: the newest row of each document in the table `failures` of {out}"
        in capsys.readouterr().out
    )


def test_a_document_that_was_mended_or_read_since_fails_no_more(tmp_path: Path, extract: Callable) -> None:
    source, out = invoices(tmp_path / "in", 2), tmp_path / "out"
    unread = source / "gone.pdf"
    unread.symlink_to(source / "nothing.pdf")
    first = extract(source, out)
    unread.unlink()
    unread.write_bytes((invoices(tmp_path / "more", 4) / "invoice003.pdf").read_bytes())
    second = extract(source, out)
    assert second.summary["failing"] == []
    assert failing_documents(read_dataset(out)).count == 0, first.summary


def test_the_time_of_the_next_try_doubles_and_ends_after_five() -> None:
    from flows.reports import failing

    at = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    row = {"at": at, "retryable": True}
    hours = [
        (datetime.datetime.fromisoformat(due) - at).total_seconds() / 3600
        for attempts in range(1, 5)
        if (due := failing._due_at({**row, "attempts": attempts}, is_due=False))
    ]
    assert hours == [20, 40, 80, 160]
    assert failing._due_at({**row, "attempts": 5}, is_due=False) is None
    assert failing._due_at({**row, "attempts": 5}, is_due=True) == at.isoformat()


def test_a_message_of_ours_ends_with_its_remedy() -> None:
    assert parted("a.pdf: broken; send it; again") == ("a.pdf: broken; send it", "again")
    assert parted("no remedy") == ("no remedy", "")
