"""Bytes taken once, whole, with the facts that belong to them."""

import errno
import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flows.sources.addresses import Address
from flows.sources.spool import spool
from schemas.errors import ChangedWhileReadError, DatasetError, UnreadableDocumentError


def address(path: Path) -> Address:
    return Address(str(path), None, None)


def test_the_id_is_the_hash_of_the_bytes_and_old_files_are_settled(tmp_path: Path) -> None:
    source = tmp_path / "a.pdf"
    source.write_bytes(b"content")
    os.utime(source, (4_000_000_000, 4_000_000_000))  # later than the read, however busy the machine is
    fresh = spool(address(source), tmp_path)
    assert not fresh.is_settled
    os.utime(source, (1_700_000_000, 1_700_000_000))
    settled = spool(address(source), tmp_path)
    assert settled.document.document_id == hashlib.sha256(b"content").hexdigest()
    assert settled.path.read_bytes() == b"content"
    assert settled.is_settled
    assert (settled.address.size, settled.address.modified_us) == (7, 1_700_000_000 * 10**6)


def test_two_copies_from_one_address_at_once_are_each_whole(tmp_path: Path) -> None:
    source = tmp_path / "a.pdf"
    source.write_bytes(b"content" * 100_000)
    (tmp_path / "spool").mkdir()
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: spool(address(source), tmp_path / "spool"), range(200)))
    assert {copy.path.read_bytes() for copy in taken} == {source.read_bytes()}
    assert len(list((tmp_path / "spool").iterdir())) == 1


def test_a_fifo_a_folder_and_nothing_fail_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.pdf")
    (tmp_path / "folder.pdf").mkdir()
    for name in ("fifo.pdf", "folder.pdf", "nothing.pdf"):
        with pytest.raises(UnreadableDocumentError, match=name):
            spool(address(tmp_path / name), tmp_path)


def test_a_name_that_is_no_utf8_is_read_and_shown_with_escapes(tmp_path: Path) -> None:
    from flows.sources.discover import discover

    path = os.fsencode(tmp_path) + b"/b\xff\xfed.pdf"
    Path(os.fsdecode(path)).write_bytes(b"content")
    (found,) = discover([str(tmp_path)], tmp_path / "out", [".pdf"]).addresses
    assert found.file_name == "b\\xff\\xfed.pdf"
    (tmp_path / "spool").mkdir()
    taken = spool(found, tmp_path / "spool")
    assert taken.document.source_uri.endswith("b\\xff\\xfed.pdf")
    assert taken.path.read_bytes() == b"content"


def test_a_full_disk_is_no_fault_of_the_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "a.pdf"
    source.write_bytes(b"content")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("flows.sources.spool.Path.open", full)
    with pytest.raises(DatasetError, match="make room"):
        spool(address(source), tmp_path)


def test_a_file_that_keeps_changing_fails_for_tonight(tmp_path: Path) -> None:
    source = tmp_path / "a.pdf"
    source.write_bytes(b"x" * 30_000_000)
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            with source.open("ab") as file:
                file.write(b"y")

    writer = threading.Thread(target=change)
    writer.start()
    try:
        with pytest.raises(ChangedWhileReadError) as caught:
            spool(address(source), tmp_path)
    finally:
        stop.set()
        writer.join()
    assert caught.value.retryable
