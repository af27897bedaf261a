"""Content that is kept for a time only: it goes when it is old enough, and nothing else does."""

import datetime
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.storage.expire import CONTENT, expire_content
from flows.storage.open import read_dataset
from flows.storage.verify import verify
from tests.support.outcomes import rows

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


@pytest.fixture
def out(samples_out: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(samples_out["invoices"], tmp_path / "out"))


def contents(out: Path) -> dict[str, int]:
    return {table: rows(out, table, f"count({column})")[0][0] for table, column in CONTENT.items()}


def others(out: Path) -> dict[str, list]:
    """Everything but content, and `changes`, where nothing may be told."""
    dataset = read_dataset(out)
    return {
        table: sorted(map(repr, dataset.rows(table, [n for n in schema.names if n != CONTENT.get(table)]).to_pylist()))
        for table, schema in dataset.tables.items()
    }


def expire(out: Path, before: datetime.datetime, number: int = 1) -> int:
    return expire_content(read_dataset(out), f"{NOW:%Y%m%dT%H%M%S}-aaaaaa-{number:05d}", before)


def test_what_is_old_loses_its_content_and_nothing_else(out: Path) -> None:
    before, kept = contents(out), others(out)
    assert before["pages"] > 4
    assert before["calls"] > 4
    assert expire(out, NOW - DAY) == 0
    assert contents(out) == before
    files = {path: path.read_bytes() for path in out.glob("*/*.parquet")}
    assert expire(out, NOW + DAY) == sum(before.values())
    assert set(contents(out).values()) == {0}
    assert others(out) == kept
    assert verify(out) == []
    changed = {path.parent.name for path, data in files.items() if path.read_bytes() != data}
    assert changed == {"pages", "calls"}
    files = {path: path.stat().st_mtime_ns for path in out.glob("*/*.parquet")}
    assert expire(out, NOW + DAY, 2) == 0
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/*.parquet")} == files


def test_a_document_that_was_made_anew_since_keeps_its_pages(out: Path) -> None:
    before = contents(out)
    ((extracted,),) = rows(out, "documents", "min(extracted_at)")
    assert expire(out, extracted) == before["calls"]  # the run began before, the answers are as old as it
    assert contents(out) == {**before, "calls": 0}


def test_a_run_ends_with_it_and_answers_that_went_are_asked_for_again(tmp_path: Path, extract: Callable) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("Invoice number: A-1")
    out = tmp_path / "out"
    extract(tmp_path / "in", out, keep=1e-9)
    assert set(contents(out).values()) == {0}
    assert rows(out, "invoice", "number") == [("A-1",)]
    assert verify(out) == []
