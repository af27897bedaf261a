"""Nights of real invoices through the real run: what `quality` says of them, and what is reported when a layout changes."""

import dataclasses
import datetime
import random
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import duckdb
import pytest

from flows.reports.quality import Quality
from flows.reports.status import run_lines
from flows.runs.request import RunRequest
from flows.runs.run import run
from flows.settings import load_settings
from flows.storage.open import read_dataset
from flows.storage.remove import forget_documents
from flows.storage.verify import verify
from flows.type_loader import load_type
from tests.support.nights import VENDORS, invoice
from tests.support.quick import quick

KIND = load_type("invoice")


@pytest.fixture
def night(offline_engine: object, tmp_path: Path) -> Iterator[object]:
    """One night's run over the folder `in`."""
    engine = dataclasses.replace(offline_engine, settings=load_settings(model="offline"))

    def call() -> dict:
        done = run(engine, RunRequest([str(tmp_path / "in")], KIND, tmp_path / "out", quiet=True))
        assert done.stopped is None
        assert done.summary["failed"] == 0
        return done.summary

    with quick(), mock.patch("os.fsync", lambda handle: None):
        yield call


@pytest.mark.whole_machine
def test_a_new_layout_is_reported_the_next_morning_and_honest_nights_are_not(night: object, tmp_path: Path) -> None:
    chance = random.Random(7)
    number = 0
    for at in range(28):
        for vendor in VENDORS:
            for _ in range(chance.randint(2, 4)):
                number += 1
                odd = chance.random() < 0.04  # honest nights are not perfect
                invoice(tmp_path / "in" / f"{number}.pdf", vendor, number, total="In all" if odd else "Total amount")
        assert night()["drift"] == [], at
    for _ in range(8):
        number += 1
        invoice(tmp_path / "in" / f"{number}.pdf", "Birch & Sons", number, total="Zu zahlen bleibt")
        invoice(tmp_path / "in" / f"{number}-other.pdf", "Cedar GmbH", 10_000 + number)
    summary = night()
    assert any(text.startswith("Birch & Sons: /gross_total has a value in 0% of 8") for text in summary["drift"])
    assert not any(text.startswith(("Alder", "Cedar")) for text in summary["drift"])
    assert any(
        "worse than in the nights before: Birch & Sons: /gross_total" in line for line in run_lines(summary, tmp_path)
    )
    assert verify(tmp_path / "out") == []


def test_shares_are_those_of_the_tables(night: object, tmp_path: Path) -> None:
    for number in range(9):
        label = "In all" if number % 3 == 0 else "Total amount"
        invoice(tmp_path / "in" / f"{number}.pdf", VENDORS[number % 2], number, total=label)
    summary = night()
    out = tmp_path / "out"
    told = duckdb.sql(f"""
        select measure, field, "group", count, total, value from '{out}/quality/*.parquet'
        where run_id = '{summary["run_id"]}'""").fetchall()
    shares = {(name, field, group): (count, total) for name, field, group, count, total, _ in told}
    assert shares["filled", "/gross_total", None] == (6, 9)
    assert shares["filled", "/gross_total", VENDORS[0]] == (3, 5)
    looked, located = duckdb.sql(f"""
        select count(*), count(*) filter (where match in ('exact', 'normalized', 'fuzzy'))
        from '{out}/evidence/*.parquet' where field = '/number'
        and match in ('exact', 'normalized', 'fuzzy', 'image', 'absent')""").fetchall()[0]
    assert shares["located", "/number", None] == (located, looked)
    partial, documents = duckdb.sql(
        f"select count(*) filter (where status = 'partial'), count(*) from '{out}/documents/*.parquet'"
    ).fetchall()[0]
    assert shares["partial", None, None] == (partial, documents)
    assert all(value == pytest.approx(count / total) for *_, count, total, value in told)


def test_a_run_without_new_documents_says_nothing(night: object, tmp_path: Path) -> None:
    invoice(tmp_path / "in" / "1.pdf", VENDORS[0], 1)
    night()
    summary = night()
    dataset = read_dataset(tmp_path / "out")
    assert Quality.of(dataset, summary["run_id"], KIND).counts == {}
    assert summary["run_id"] not in dataset.rows("quality", ["run_id"]).column(0).to_pylist()


def test_the_name_of_a_group_is_forgotten_with_its_last_document(night: object, tmp_path: Path) -> None:
    for number, vendor in enumerate(("Canary AG", "Canary AG", VENDORS[0])):
        invoice(tmp_path / "in" / f"{number}.pdf", vendor, number)
    night()
    dataset = read_dataset(tmp_path / "out")
    rows = dataset.rows("invoice", ["document_id", "seller_name"]).to_pylist()
    canaries = [row["document_id"] for row in rows if row["seller_name"] == "Canary AG"]
    assert len(canaries) == 2
    for left, document_id in ((True, canaries[0]), (False, canaries[1])):
        run_id = f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S}-forget{int(left)}"
        forget_documents(dataset, f"{run_id}-00000", [document_id])
        groups = set(read_dataset(tmp_path / "out").rows("quality", ["group"]).column(0).to_pylist())
        assert groups == ({None, "Canary AG", VENDORS[0]} if left else {None, VENDORS[0]})
    found = [path for path in (tmp_path / "out").rglob("*") if path.is_file() and b"Canary" in path.read_bytes()]
    assert found == []
