"""Confidence in the tables: given when a document is extracted, fitted to a dataset's own labels, and used from then on."""

import json
import shutil
from pathlib import Path

import duckdb
import pytest

from extractors.confidence.confidence import confidence, default_weights
from flows.evaluation.calibration import LEAST_VALUES, labelled_values
from flows.evaluation.evaluate import compare, truth_of
from flows.storage.open import read_dataset
from flows.type_loader import load_type
from tests.support.sample_truths import TRUTHS


@pytest.fixture
def out(samples_out: dict[str, Path], tmp_path: Path) -> Path:
    shutil.copytree(samples_out["invoices"], tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """The samples' truth, with every unit price wrong."""
    path = tmp_path / "truth.jsonl"
    lines = []
    for name, record in TRUTHS.items():
        items = [{**each, "unit_price": -7} for each in record["line_items"]]
        lines.append(json.dumps({"document": f"{name}.pdf", "record": {**record, "line_items": items}}))
    path.write_text("\n".join(lines))
    return path


def sure(out: Path, like: str = "%") -> dict[tuple[str, str, str], float]:
    rows = duckdb.sql(
        f"select document_id, field, match, confidence from '{out}/evidence/*.parquet' where field like '{like}' order by all"
    ).fetchall()
    return {(document, field, match): number for document, field, match, number in rows}


def test_every_value_that_a_machine_read_has_a_confidence(out: Path) -> None:
    found = sure(out)
    assert len(found) > 100
    assert all(number is not None and 0 < number < 1 for number in found.values())
    assert len(set(found.values())) > 5


def test_what_the_tables_tell_gives_the_confidence_that_was_given_at_extraction(out: Path, truth: Path) -> None:
    """Else weights that are fitted to the tables would not be those that runs need."""
    dataset, kind = read_dataset(out), load_type("invoice")
    labels = truth_of(dataset, kind, truth, {})
    count = 0
    for each, values in labelled_values(dataset, kind, compare(dataset, kind, labels)):
        given = [round(confidence(signals, default_weights()), 4) for signals, _ in values]
        published = [
            row.confidence
            for row in each.published.record.evidence
            if row.match != "conflict" and row.field in each.scored.right_at
        ]
        assert given == published
        count += len(given)
    assert count > 100


def test_a_datasets_own_labels_change_what_later_refreshes_and_runs_think(out: Path, truth: Path, pagemill) -> None:
    before, others = sure(out, "%unit_price"), sure(out, "/gross_total")
    done = pagemill("evaluate", out, truth, "--calibrate", "--json")
    assert done.code == 0, done.err
    assert done.json["weights"]["field /line_items/*/unit_price"] < -1
    assert sure(out, "%unit_price") == before  # published rows are as they were
    assert pagemill("refresh", out, "--replay", PAGEMILL_MODEL="offline").code == 0
    after = sure(out, "%unit_price")
    assert after.keys() == before.keys()
    assert max(after.values()) < 0.3 < min(before.values())
    assert min(sure(out, "/gross_total").values()) > 0.5 < min(others.values())


def test_too_few_labels_and_damaged_weights_are_refused(out: Path, tmp_path: Path, pagemill) -> None:
    few = tmp_path / "few.jsonl"
    few.write_text('{"document": "nordlicht.pdf", "record": {"number": "x"}}')
    done = pagemill("evaluate", out, few, "--calibrate")
    assert done.code == 2
    assert f"expected at least {LEAST_VALUES}" in done.err
    assert not (out / "_work" / "calibration.json").exists()
    (out / "_work" / "calibration.json").write_text('{"weights": [')
    broken = pagemill("refresh", out, "--replay", PAGEMILL_MODEL="offline")
    assert broken.code == 1
    assert "calibration.json" in broken.err


def test_the_reliability_is_shown(out: Path, truth: Path, pagemill) -> None:
    done = pagemill("evaluate", out, truth, "--calibrate")
    assert "0.9 to 1.0" in done.out
    assert "refresh --replay" in done.out
