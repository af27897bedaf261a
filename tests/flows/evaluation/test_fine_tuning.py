"""`pagemill export --format chat`: what people have corrected, as lines to fine-tune a model with."""

import json
import shutil
from pathlib import Path

import jsonschema
import pytest

from extractors.prompt.prompt import wire_schema
from flows.type_loader import load_type
from tests.conftest import SAMPLES
from tests.support.chat_format import answer_of

INVOICE = load_type("invoice")
CORRECTED = [
    ("nordlicht.pdf", "/number", "RE-2026-00318"),
    *(("nordlicht.pdf", f"/line_items/{place}/quantity", "7") for place in range(3)),
    ("nordlicht.pdf", "/due_date", "13.04.2026"),
    ("nordlicht.pdf", "/gross_total", "8.407,89"),
    ("calder_point.pdf", "/currency", "GBP"),
    ("calder_point.pdf", "/seller/name", "Calder Point Ltd"),
    ("calder_point.pdf", "/iban", None),
    *(("calder_point.pdf", f"/line_items/{place}/unit", "h") for place in range(3)),
    ("harrow_finch.pdf", "/buyer/tax_id", "GB 123"),
    ("harrow_finch.pdf", "/line_items/0/description", '"quoted" = ünïcode 請求書'),
    ("studio_veldkamp.pdf", "/issue_date", "2026-05-21"),
    ("studio_veldkamp.pdf", "/line_items/0", None),
    ("studio_veldkamp.pdf", "/line_items/-", '{"description": "Correction", "amount": "12,50"}'),
    ("whitmore_letter.pdf", "/number", "W-1"),
    ("whitmore_letter.pdf", "/gross_total", "10"),
    ("whitmore_letter.pdf", "/issue_date", "2026-01-02"),
]


@pytest.fixture
def out(samples_out: dict[str, Path], tmp_path: Path) -> Path:
    shutil.copytree(samples_out["invoices"], tmp_path / "out")
    return tmp_path / "out"


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def test_twenty_corrections_become_labels_and_lines_that_a_fine_tuning_takes(
    out: Path, tmp_path: Path, pagemill
) -> None:
    from flows.review.correct import correct, document_named, open_with_type

    assert len(CORRECTED) == 20
    dataset, kind = open_with_type(out)
    for name, field, value in CORRECTED:
        correct(dataset, kind, document_named(dataset, name), field, value, by="ada")
    labels = pagemill("evaluate", out, "--corrections", "--json")
    assert labels.code == 0, labels.err
    assert labels.json["documents"] == 5
    assert labels.json["fields"]["/due_date"]["right"] == 1  # confirmed: the samples' own truth
    assert labels.json["fields"]["/line_items/*/quantity"]["stated"] == 3
    target = tmp_path / "train.jsonl"
    done = pagemill("export", out, target, "--format", "chat", "--validation", "0.5", "--json")
    assert done.code == 0, done.err
    assert not done.json["left_out"]
    assert sum(done.json["documents"]) == 5
    parts = [lines(target), lines(tmp_path / "train.validation.jsonl")]
    assert [len(each) for each in parts] == done.json["lines"]
    answers = [answer_of(line) for part in parts for line in part]
    for each in answers:
        jsonschema.validate(each, wire_schema(INVOICE.root))
    veldkamp = next(each for each in answers if each["issue_date"] == "2026-05-21")
    assert veldkamp["line_items"][-1]["description"] == "Correction"
    assert veldkamp["line_items"][-1]["amount"] == 12.5
    nordlicht = next(each for each in answers if each["number"] == "RE-2026-00318")
    assert [each["quantity"] for each in nordlicht["line_items"][:3]] == [7, 7, 7]
    assert nordlicht["gross_total"] == 8407.89
    scan = next(line for part in parts for line in part if '"W-1' in line or 'W-1\\"' in line)
    assert "data:image/" in scan


def test_a_line_is_what_a_run_sends(out: Path, tmp_path: Path, pagemill) -> None:
    assert pagemill("correct", out, "nordlicht.pdf", "--accept", "--by", "ada").code == 0
    target = tmp_path / "train.jsonl"
    assert pagemill("export", out, target, "--format", "chat", "--validation", "0").code == 0
    shown = pagemill("show", SAMPLES / "invoices" / "nordlicht.pdf", "--type", "invoice", "--json").json
    assert [json.loads(line)["messages"][:2] for line in lines(target)] == [
        each["messages"] for each in shown["requests"]
    ]
    assert not (tmp_path / "train.validation.jsonl").exists()


def test_only_what_people_have_looked_at_is_taken_unless_all_is_asked_for(out: Path, tmp_path: Path, pagemill) -> None:
    target = tmp_path / "train.jsonl"
    none = pagemill("export", out, target, "--format", "chat")
    assert none.code == 1
    assert "nobody has corrected" in none.err
    assert pagemill("correct", out, "nordlicht.pdf", "--accept", "--by", "ada").code == 0
    assert sum(pagemill("export", out, target, "--format", "chat", "--json").json["documents"]) == 1
    more = pagemill("export", out, target, "--format", "chat", "--all-ok", "--json").json
    assert sum(more["documents"]) == 4


def test_the_same_document_always_goes_to_the_same_file(out: Path, tmp_path: Path, pagemill) -> None:
    def split(share: str) -> tuple[list[str], list[str]]:
        pagemill("export", out, tmp_path / "t.jsonl", "--format", "chat", "--all-ok", "--validation", share)
        return lines(tmp_path / "t.jsonl"), lines(tmp_path / "t.validation.jsonl")

    some, again, most = split("0.5"), split("0.5"), split("0.9")
    assert some == again
    assert not set(some[0]) & set(some[1])
    assert set(some[1]) <= set(most[1])  # a larger share only adds
    assert most[1]


def test_a_document_whose_source_is_gone_or_another_is_named_and_the_others_are_written(
    out: Path, tmp_path: Path, pagemill, extract
) -> None:
    archive = tmp_path / "archive"
    shutil.copytree(SAMPLES / "invoices", archive, ignore=shutil.ignore_patterns("*.json", "whitmore*"))
    fresh = tmp_path / "fresh"
    extract(archive, fresh)
    for name in ("nordlicht", "harrow_finch", "studio_veldkamp"):
        assert pagemill("correct", fresh, f"{name}.pdf", "--accept", "--by", "ada").code == 0
    (archive / "nordlicht.pdf").unlink()
    shutil.copy(archive / "calder_point.pdf", archive / "harrow_finch.pdf")
    done = pagemill("export", fresh, tmp_path / "t.jsonl", "--format", "chat", "--validation", "0")
    assert done.code == 0
    assert "nordlicht.pdf: cannot be read" in done.out
    assert "harrow_finch.pdf: its source has other bytes now" in done.out
    assert len(lines(tmp_path / "t.jsonl")) == 1


def test_a_file_that_cannot_be_finished_leaves_the_one_before(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import flows.evaluation.fine_tuning
    from flows.settings import load_settings
    from flows.storage.open import read_dataset

    target = tmp_path / "t.jsonl"
    target.write_text("before")

    def fails(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(flows.evaluation.fine_tuning, "_write", fails)
    with pytest.raises(KeyboardInterrupt):
        flows.evaluation.fine_tuning.write_fine_tuning(
            read_dataset(out), INVOICE, load_settings(), target, 0.1, all_ok=True
        )
    assert [each.name for each in tmp_path.iterdir() if each.suffix in {".jsonl", ".aside"}] == ["t.jsonl"]
    assert target.read_text() == "before"
