"""A field whose name is digits is a field: no step takes it for an index of a list."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.cli import main
from flows.storage.open import read_dataset

SCHEMA = {
    "title": "yearly",
    "type": "object",
    "properties": {
        "number": {"type": "string"},
        "2024": {"type": "number", "format": "decimal"},
        "2023": {"type": "number", "format": "decimal"},
    },
    "x-pagemill-checks": [{"name": "grows", "check": "`2024` >= `2023`"}],
}


@pytest.fixture
def out(tmp_path: Path, extract: Callable) -> Path:
    (tmp_path / "report.txt").write_text("Report\n\nNumber: R-17\n2024: 1,250.50\n2023: 990.00\n")
    (tmp_path / "yearly.schema.json").write_text(json.dumps(SCHEMA))
    extract(tmp_path / "report.txt", tmp_path / "out", kind=str(tmp_path / "yearly.schema.json"))
    return tmp_path / "out"


def test_its_rates_are_its_own(out: Path) -> None:
    rows = read_dataset(out).rows("quality", ["measure", "field"]).to_pylist()
    assert {row["field"] for row in rows if row["measure"] == "located"} == {"/number", "/2024", "/2023"}


def test_the_checks_of_it_are_told_by_why(out: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["why", str(out), "report.txt", "/2024"]) == 0
    assert "check grows: holds" in capsys.readouterr().out


def test_a_correction_of_it_is_a_label(out: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["correct", str(out), "report.txt", "2024", "1250.75", "--by", "ada"]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(out), "--corrections", "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)["fields"]
    assert set(counts) == {"/2024"}
    assert (counts["/2024"]["stated"], counts["/2024"]["right"]) == (1, 0)


def test_the_confidence_of_it_sees_its_check(out: Path) -> None:
    rows = read_dataset(out).rows("evidence", ["field", "confidence"]).to_pylist()
    confidence = {row["field"]: row["confidence"] for row in rows}
    assert confidence["/2024"] == confidence["/2023"] > confidence["/number"]
