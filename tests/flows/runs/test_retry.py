"""Failures made due by somebody's word."""

import datetime
import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pymupdf
import pytest

from flows.runs.request import RunRequest
from flows.runs.resources import Engine
from flows.runs.retry import retry
from flows.runs.run import run
from flows.sources.failures import read_retries
from flows.storage.backends.disk import DiskStore
from flows.storage.open import read_dataset
from flows.storage.verify import verify
from schemas.errors import ConfigurationError, DatasetError
from tests.conftest import SAMPLES
from tests.support.outcomes import rows
from tests.support.painted import studio

INVOICE = SAMPLES / "invoices" / "harrow_finch.pdf"


def test_an_encrypted_document_is_done_after_retry_and_a_password(
    tmp_path: Path, extract: Callable, pagemill: Callable
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "letter.pdf").write_bytes(b"no PDF")
    with pymupdf.open(INVOICE) as document:
        document.save(source / "locked.pdf", encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="secret", owner_pw="owner")
    first = extract(source, out)
    assert first.summary["failed"] == 2
    (tmp_path / "passwords.txt").write_text("secret\n")
    still = extract(source, out, passwords_file=tmp_path / "passwords.txt")
    assert still.summary["skipped"] == 2
    told = pagemill("retry", out, "--error", "EncryptedDocumentError", "--json")
    assert (told.code, told.json) == (0, {"due": 1, "errors": {"EncryptedDocumentError": 1}})
    done = extract(source, out, passwords_file=tmp_path / "passwords.txt")
    assert (done.summary["ok"], done.summary["skipped"], done.summary["failed"]) == (1, 1, 0)
    assert retry(out) == {"UnsupportedDocumentError": 1}  # what is published is no failure any more
    again = extract(source, out)
    assert (again.summary["already_done"], again.summary["failed"]) == (1, 1)
    rows = read_dataset(out).rows("failures", ["error", "attempts"]).to_pylist()
    assert [row["attempts"] for row in rows if row["error"] == "UnsupportedDocumentError"] == [1, 1]  # counted anew


def test_a_word_on_all_replaces_the_others_and_holds_for_failures_of_a_wrong_clock(
    tmp_path: Path, extract: Callable
) -> None:
    (tmp_path / "x.pdf").write_bytes(b"no PDF")
    out = tmp_path / "out"
    extract(tmp_path / "x.pdf", out)
    retry(out, "UnsupportedDocumentError")
    retry(out, "SandboxLimitError")
    dataset = read_dataset(out)
    assert [each.error for each in read_retries(dataset)] == ["UnsupportedDocumentError", "SandboxLimitError"]
    retry(out)
    (word,) = read_retries(dataset)
    assert word.error is None
    latest = dataset.rows("failures", ["at"]).column(0).to_pylist()[0]
    assert word.at >= latest
    assert word.at <= datetime.datetime.now(datetime.UTC)


def test_unknown_names_and_no_dataset_are_refused_and_a_broken_file_is_named(
    tmp_path: Path, extract: Callable, pagemill: Callable
) -> None:
    (tmp_path / "x.pdf").write_bytes(b"no PDF")
    out = tmp_path / "out"
    extract(tmp_path / "x.pdf", out)
    with pytest.raises(ConfigurationError, match="UnsupportedDocumentError"):
        retry(out, "Unsuported")
    with pytest.raises(ConfigurationError, match=r"dataset\.json"):
        retry(tmp_path / "nowhere")
    assert retry(out, "OversizedPageError") == {}
    path = out / "_work" / "retries.json"
    for broken in ("{", json.dumps([{"at": "yesterday", "error": None}]), "[1]"):
        path.write_text(broken)
        with pytest.raises(DatasetError, match=r"retries\.json"):
            read_retries(read_dataset(out))
    told = pagemill("retry", out)
    assert (told.code, "remove it" in told.err) == (1, True)


def test_an_answer_that_could_not_be_used_is_asked_for_once_more_and_a_right_one_is_paid_once(
    tmp_path: Path, offline_engine: Engine
) -> None:
    with studio(tmp_path, offline_engine) as place:
        place.write("a0", "b0")
        place.model.fails = ("Paint b0",)
        first = place.run()
        assert (first["ok"], first["failed"], first["requests"]) == (1, 1, 5)  # four of them for b0
        for _ in range(2):
            retry(place.out)
            still = place.run()
            assert (still["failed"], still["requests"]) == (1, 1)
        place.model.fails = ()
        retry(place.out)
        done = place.run()
        assert (done["ok"], done["failed"], done["requests"]) == (1, 0, 1)
        assert rows(place.out, "documents", "file_name, requests") == [("a0.txt", 1), ("b0.txt", 7)]
        assert place.run()["requests"] == 0
        assert verify(place.out) == []


def test_a_failure_after_a_right_answer_is_not_asked_for_again(
    tmp_path: Path, offline_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with studio(tmp_path, offline_engine) as place:
        place.write("a0")
        with monkeypatch.context() as patch:
            patch.setattr("flows.documents.extract.tabulate", lambda *_: 1 / 0)
            assert (place.run()["failed"], len(place.model.asked)) == (1, 1)
        retry(place.out)
        done = place.run()
        assert (done["ok"], done["requests"]) == (1, 0)


def test_a_right_answer_on_a_later_try_is_kept_when_the_document_then_fails_for_another_reason(
    tmp_path: Path, offline_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with studio(tmp_path, offline_engine) as place:
        place.write("a0")
        place.model.fails = ("Paint a0",)
        place.run()
        place.model.fails = ()
        retry(place.out)
        with monkeypatch.context() as patch:
            patch.setattr("flows.documents.extract.tabulate", lambda *_: 1 / 0)
            assert (place.run()["failed"], len(place.model.asked)) == (1, 5)
        retry(place.out)
        done = place.run()
        assert (done["ok"], done["requests"]) == (1, 0)


def test_of_a_long_document_what_was_asked_before_the_budget_ended_is_not_asked_for_again(
    tmp_path: Path, offline_engine: Engine
) -> None:
    """Each later night takes the document as far as its one more request a piece, and not from its beginning."""
    with studio(tmp_path, offline_engine) as place:
        place.write_at("long", "a0\n" + "\n".join(f"line {number} of Paint a0" for number in range(400)))
        place.model.fails = ("Paint a0",)
        first = place.run(chunk_tokens=1500)
        pieces = first["requests"] // 4
        assert pieces > 2
        retry(place.out)
        request = RunRequest([str(tmp_path / "in")], place.kind, place.out, budget_usd=0.0115, quiet=True)
        stopped = run(place.engine(chunk_tokens=1500, concurrency=1), request)
        assert 0 < stopped.summary["requests"] < pieces
        assert stopped.summary["deferred"] == 1
        place.model.fails = ()
        done = place.run(chunk_tokens=1500)
        assert done["partial"] == 1  # the pieces that were asked once more
        assert done["requests"] == pieces - stopped.summary["requests"]


def test_on_a_full_disk_nothing_is_made_due_and_that_is_said(
    tmp_path: Path, extract: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.pdf").write_bytes(b"no PDF")
    out = tmp_path / "out"
    extract(tmp_path / "x.pdf", out)

    def full(self: DiskStore, key: str, data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(DiskStore, "write", full)
        with pytest.raises(
            DatasetError, match=r"No space.*no failure was made due: .* repeat `pagemill retry`"
        ) as caught:
            retry(out)
    assert "run again" not in str(caught.value)
    assert read_retries(read_dataset(out)) == []
    assert retry(out) == {"UnsupportedDocumentError": 1}
