"""The sample documents: reproducible, true to their schemas, right in their sums, and printing what their truth says."""

import datetime as dt
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pymupdf
import pytest

from schemas.document_type import DocumentType
from schemas.document_types import DOCUMENT_TYPES

SAMPLES = Path(__file__).parent.parent / "sample_docs"
DOCUMENTS = sorted(SAMPLES.glob("*/*.pdf"))
SCANNED = {"whitmore_letter"}
INVOICES = sorted((SAMPLES / "invoices").glob("*.json"))


def truth_of(path: Path) -> dict[str, Any]:
    return json.loads(path.with_suffix(".json").read_text(encoding="utf-8"), parse_float=Decimal)


def type_of(path: Path) -> DocumentType:
    if path.parent.name == "prices":
        schema = json.loads((path.parent / "price_list.schema.json").read_text(encoding="utf-8"))
        return DocumentType.from_schema(schema, "price_list")
    return DOCUMENT_TYPES[path.parent.name.removesuffix("s")]


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, below in value.items():
            yield from leaves(below, name)
    elif isinstance(value, list):
        for below in value:
            yield from leaves(below, key)
    elif value is not None:
        yield key, value


def with_dates(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: with_dates(below) for key, below in value.items()}
    if isinstance(value, list):
        return [with_dates(below) for below in value]
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return dt.date.fromisoformat(value)
    return value


def as_printed(key: str, value: Any) -> list[str]:
    """Every way in which one of the layouts may print `value`; the address of the truth is on one line."""
    if isinstance(value, dt.date):
        named = f"{value.day} {value:%B} {value.year}"
        return [named, f"{value:%d.%m.%Y}", f"{value:%m/%d/%Y}"]
    if isinstance(value, int | Decimal):
        plain = [f"{value:,}", f"{value:,.2f}"]
        return plain + [text.translate(str.maketrans(",.", ".,")) for text in plain]
    return value.split(", ") if key == "address" else [value]


def test_a_second_run_writes_the_same_bytes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(SAMPLES / "make_samples.py"), str(tmp_path)], check=True)
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.*")}
    kept = {path.relative_to(SAMPLES): path.read_bytes() for path in SAMPLES.glob("*/*.pdf")}
    kept |= {name.with_suffix(".json"): (SAMPLES / name).with_suffix(".json").read_bytes() for name in list(kept)}
    assert made.keys() == kept.keys()
    assert [str(name) for name in made if made[name] != kept[name]] == []


def test_the_samples_stay_small() -> None:
    assert sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file()) < 3_000_000


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_truth_is_valid_and_has_every_key(path: Path) -> None:
    truth, kind = truth_of(path), type_of(path)
    assert list(truth) == [field.name for field in kind.root.fields]
    assert kind.validate(with_dates(truth)) == ()


@pytest.mark.parametrize("path", INVOICES, ids=lambda path: path.stem)
def test_sums_hold(path: Path) -> None:
    truth = truth_of(path)
    for item in truth["line_items"]:
        assert item["amount"] == round(item["quantity"] * item["unit_price"], 2)
    lines = sum(item["amount"] for item in truth["line_items"])
    assert lines - (truth["allowances"] or 0) + (truth["charges"] or 0) == truth["net_total"]
    assert truth["net_total"] + truth["tax_total"] == truth["gross_total"]


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if path.stem not in SCANNED], ids=lambda path: path.stem)
def test_the_page_prints_the_truth(path: Path) -> None:
    with pymupdf.open(path) as document:
        text = " ".join(" ".join(page.get_text() for page in document).split())
    for key, value in leaves(with_dates(truth_of(path))):
        printed = as_printed(key, value)
        found = [form in text for form in printed]
        assert all(found) if key == "address" else any(found), f"{key}: {value!r}"


def test_the_scan_has_no_text_layer() -> None:
    with pymupdf.open(SAMPLES / "invoices" / "whitmore_letter.pdf") as document:
        assert [page.get_text().strip() for page in document] == [""]
        assert len(document[0].get_images()) == 1


def test_what_the_samples_are_for() -> None:
    pages = {}
    for path in DOCUMENTS:
        with pymupdf.open(path) as document:
            pages[path.stem] = len(document)
    assert pages["calder_point"] == 3
    assert pages["brightwater_2025"] == 12
    assert len(truth_of(SAMPLES / "prices" / "kestrel_2026.pdf")["items"]) == 400
