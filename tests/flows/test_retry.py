"""Failures made due by somebody's word."""

import datetime
import json
from collections.abc import Callable
from pathlib import Path

import pymupdf
import pytest

from flows.retry import read_retries, retry
from flows.storage.dataset import read_dataset
from schemas.errors import ConfigurationError, DatasetError
from tests.conftest import SAMPLES

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
