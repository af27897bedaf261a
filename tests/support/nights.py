"""Invoices of a few vendors as the embedded model reads them, night after night."""

import os
from pathlib import Path

import pymupdf

VENDORS = ("Alder Tools Ltd", "Birch & Sons", "Cedar GmbH")
LONG_AGO = 1_700_000_000


def invoice(path: Path, vendor: str, number: int, *, total: str = "Total amount") -> None:
    """An invoice as the embedded model reads it; with another label for its total, that is not found."""
    net = 100 + number
    lines = [
        f"Seller: {vendor}", f"Invoice number: R-{number}", "Invoice date: 2026-03-01", f"Net total: {net}.00",
        f"Tax total: {net / 5:.2f}", f"{total}: {net * 1.2:.2f}", "Currency: EUR",
    ]  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    with pymupdf.open() as document:
        page = document.new_page()
        for place, line in enumerate(lines):
            page.insert_text((60, 80 + 22 * place), line)
        document.save(path)
    os.utime(path, (LONG_AGO + number, LONG_AGO + number))
