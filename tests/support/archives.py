"""Folders of documents that tests run over."""

import os
import time
from pathlib import Path

import pymupdf

from tests.conftest import SAMPLES

INVOICE = SAMPLES / "invoices" / "harrow_finch.pdf"


def copies(folder: Path, count: int, source: Path = INVOICE) -> Path:
    """Documents that differ in bytes, and say the same."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"copy{number:03d}.pdf").write_bytes(source.read_bytes() + b"\n%% copy %d\n" % number)
    return folder


def invoices(folder: Path, count: int) -> Path:
    """Documents that say different things."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        with pymupdf.open() as document:
            page = document.new_page()
            page.insert_text((72, 72), f"Invoice number: INV-{number:04d}\nInvoice date: 2026-03-{number % 27 + 1:02d}")
            page.insert_text((72, 130), f"Total: {100 + number}.50 EUR")
            document.save(folder / f"invoice{number:03d}.pdf")
    return folder


def break_some(folder: Path, numbers: range) -> None:
    for number in numbers:
        (folder / f"invoice{number:03d}.pdf").write_bytes(b"%PDF-1.7 and then nothing " + bytes([number]))


DOCUMENTS = int(os.environ.get("PAGEMILL_TEST_DOCUMENTS", "40"))
COPIES = {"a_copy.pdf": f"invoice{DOCUMENTS - 5:03d}.pdf", "z_copy.pdf": "invoice000.pdf"}


def archive(folder: Path, count: int) -> Path:
    """Small documents: two that are none of ours, and two addresses far apart whose bytes are one document's."""
    invoices(folder, count - 4)
    (folder / "a_torn.pdf").write_bytes(b"%PDF-1.7 torn")
    (folder / "z_empty.pdf").write_bytes(b"")
    for name, other in COPIES.items():
        (folder / name).write_bytes((folder / other).read_bytes())
    old = time.time() - 60
    for path in folder.iterdir():
        os.utime(path, (old, old))
    return folder
