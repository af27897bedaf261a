"""`pagemill evaluate`: the samples beside their own truth, and beside truths that are spoilt on purpose."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from extractors.values import json_text
from tests.conftest import SAMPLES
from tests.support.sample_truths import TRUTHS

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A truth file: a line for each sample, `changed` over it by its name; a change of None leaves the document out."""

    def call(changed: dict[str, dict[str, Any] | None] | None = None, **more: Any) -> Path:
        lines = []
        for name, record in TRUTHS.items():
            change = (changed or {}).get(name, {})
            if change is not None:
                lines.append({"document": f"{name}.pdf", "record": {**record, **change}, **more})
        path = tmp_path / "truth.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        return path

    return call


def test_the_samples_are_as_their_truth_says(pagemill, samples_out: dict[str, Path], write: Write) -> None:
    done = pagemill("evaluate", samples_out["invoices"], write(), "--json")
    assert done.code == 0, done.err
    assert done.json["documents"] == len(TRUTHS)
    assert done.json["fields"]["/gross_total"]["f1"] == 1.0
    assert done.json["fields"]["/line_items/*/amount"]["stated"] == sum(
        len(each["line_items"]) for each in TRUTHS.values()
    )
    assert set(done.json["groups"]) == {each["seller"]["name"] for each in TRUTHS.values()}
    assert not done.json["missing_documents"]


def test_a_wrong_value_is_counted_shown_and_drawn_without_running(
    pagemill, samples_out: dict[str, Path], write: Write, tmp_path: Path
) -> None:
    name = next(iter(TRUTHS))
    truth = write({name: {"gross_total": "1,00", "number": "<script>alert(1)</script>", "colour": "red"}})
    page = tmp_path / "page.html"
    done = pagemill("evaluate", samples_out["invoices"], truth, "--html", page, "--json")
    assert done.json["fields"]["/gross_total"]["right"] == len(TRUTHS) - 1
    (example,) = done.json["examples"]["/gross_total"]
    assert (example["file_name"], example["expected"]) == (f"{name}.pdf", "1,00")
    assert done.json["unknown_fields"] == ["/colour"]
    assert done.json["worst"][0]["file_name"] == f"{name}.pdf"
    drawn = page.read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)" in drawn
    assert "<script" not in drawn
    assert "/line_items/*/amount" in drawn
    shown = pagemill("evaluate", samples_out["invoices"], truth)
    assert "not scored, since the type has no such field: /colour" in shown.out
    assert f"{len(TRUTHS)} documents compared" in shown.out


def test_a_field_that_falls_below_its_level_ends_with_1_and_its_name(
    pagemill, samples_out: dict[str, Path], write: Write, tmp_path: Path
) -> None:
    levels = tmp_path / "levels.json"
    assert pagemill("evaluate", samples_out["invoices"], write(), "--record", levels).code == 0
    assert pagemill("evaluate", samples_out["invoices"], write(), "--gate", levels).code == 0
    spoilt = write({name: {"net_total": 1} for name in list(TRUTHS)[:2]})
    done = pagemill("evaluate", samples_out["invoices"], spoilt, "--gate", levels)
    assert done.code == 1
    assert "/net_total has fallen to" in done.out
    assert "/gross_total has fallen" not in done.out
    assert pagemill("evaluate", samples_out["invoices"], spoilt, "--gate", levels, "--tolerance", "1").code == 0
    assert pagemill("evaluate", samples_out["invoices"], spoilt).code == 0
    less = tmp_path / "less.jsonl"
    lines = [json.loads(line) for line in spoilt.read_text().splitlines()]
    less.write_text("\n".join(json.dumps({**line, "record": {"number": line["record"]["number"]}}) for line in lines))
    below = pagemill("evaluate", samples_out["invoices"], less, "--gate", levels, "--json").json["below"]
    assert "/net_total is not scored any more, its level is 1.000" in below
    assert not [line for line in below if line.startswith("/number")]


def test_documents_that_are_not_there_are_counted_and_named_and_matter_to_a_gate(
    pagemill, samples_out: dict[str, Path], write: Write, tmp_path: Path
) -> None:
    levels = tmp_path / "levels.json"
    truth = write()
    pagemill("evaluate", samples_out["invoices"], truth, "--record", levels)
    with truth.open("a") as file:
        file.write('{"doc": "docs/nobody.pdf", "fields": {"number": "1"}}\n')
    done = pagemill("evaluate", samples_out["invoices"], truth)
    assert done.code == 0
    assert "1 of the truth not in the dataset: docs/nobody.pdf" in done.out
    assert pagemill("evaluate", samples_out["invoices"], truth, "--gate", levels).code == 1


def test_a_document_goes_by_its_id_its_path_or_its_name(pagemill, samples_out: dict[str, Path], tmp_path: Path) -> None:
    import duckdb

    ids = dict(
        duckdb.sql(f"select file_name, document_id from '{samples_out['invoices']}/documents/*.parquet'").fetchall()
    )
    names = [*TRUTHS]
    lines = [
        {"id": "not-this", "document": ids[f"{names[0]}.pdf"][:10], "fields": {"number": TRUTHS[names[0]]["number"]}},
        {"doc": str(SAMPLES / "invoices" / f"{names[1]}.pdf"), "truth": {"number": "x"}, "group": "mine"},
        {"file_name": f"invoices/{names[2]}.pdf", "truth": "labelled by hand", "fields": {"number": "x"}},
    ]  # fmt: skip
    truth = tmp_path / "truth.jsonl"
    truth.write_text("\n".join(map(json.dumps, lines)))
    done = pagemill("evaluate", samples_out["invoices"], truth, "--json")
    assert done.json["fields"]["/number"] == {
        "stated": 3, "found": 3, "right": 1, "precision": 1 / 3, "recall": 1 / 3, "f1": 1 / 3,
    }  # fmt: skip
    assert done.json["groups"]["mine"]["documents"] == 1


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("{", "line 1: not JSON"),
        ("[1]", "line 1: invalid list: expected one JSON object"),
        ('{"fields": {}}', "line 1: missing its document"),
        ('\n{"id": "x"}', "line 2: missing its values"),
        (
            '{"id": "nordlicht.pdf", "fields": {}}\n{"doc": "a/nordlicht.pdf", "fields": {}}',
            "lines 1 and 2: both are about",
        ),
    ],
    ids=["broken", "list", "nobody", "nothing", "twice"],
)
def test_a_truth_that_is_none_is_refused_with_its_line(
    pagemill, samples_out: dict[str, Path], tmp_path: Path, lines: str, said: str
) -> None:
    truth = tmp_path / "truth.jsonl"
    truth.write_text(lines)
    done = pagemill("evaluate", samples_out["invoices"], truth)
    assert done.code == 2
    assert said in done.err


def test_what_the_truth_calls_otherwise_is_told_with_rename(
    pagemill, samples_out: dict[str, Path], tmp_path: Path
) -> None:
    name = next(iter(TRUTHS))
    line = {
        "id": f"{name}.pdf",
        "fields": {"total": TRUTHS[name]["gross_total"], "seller_name": TRUTHS[name]["seller"]["name"]},
    }
    truth = tmp_path / "truth.jsonl"
    truth.write_text(json.dumps(line))
    done = pagemill("evaluate", samples_out["invoices"], truth, "--rename", "total=gross_total", "--json")
    assert {path: each["right"] for path, each in done.json["fields"].items()} == {"/seller/name": 1, "/gross_total": 1}
    assert pagemill("evaluate", samples_out["invoices"], truth, "--rename", "total").code == 2


def test_corrections_are_a_truth(pagemill, samples_out: dict[str, Path], tmp_path: Path) -> None:
    """A document with two corrections, one that was accepted after a third, one that nobody touched."""
    out = tmp_path / "out"
    shutil.copytree(samples_out["invoices"], out)
    read = {
        path: each["stated"]
        for path, each in pagemill("evaluate", out, _own(out, tmp_path), "--json").json["fields"].items()
    }
    assert pagemill("evaluate", out, "--corrections").code == 1  # there are none yet
    assert pagemill("correct", out, "nordlicht.pdf", "/number", "RE-1", "--by", "ada").code == 0
    assert pagemill("correct", out, "nordlicht.pdf", "/gross_total", "8407,89", "--by", "ada").code == 0
    assert pagemill("correct", out, "nordlicht.pdf", "/line_items/0", "--null", "--by", "ada").code == 0
    assert pagemill("correct", out, "calder_point.pdf", "/currency", "XXX", "--by", "ada").code == 0
    some = pagemill("evaluate", out, "--corrections", "--json").json
    assert some["documents"] == 2
    assert some["fields"]["/number"]["right"] == 0
    assert some["fields"]["/gross_total"]["right"] == some["fields"]["/gross_total"]["stated"] == 1
    assert some["fields"]["/line_items/*/amount"] == {
        "stated": 0, "found": 1, "right": 0, "precision": 0.0, "recall": None, "f1": 0.0,
    }  # fmt: skip
    assert "/due_date" not in some["fields"]
    assert pagemill("correct", out, "calder_point.pdf", "--accept", "--by", "ada").code == 0
    done = pagemill("evaluate", out, "--corrections", "--json").json
    assert done["fields"]["/due_date"] == {**done["fields"]["/due_date"], "stated": 1, "right": 1}
    assert done["fields"]["/currency"]["right"] == 0
    assert 0 < done["fields"]["/line_items/*/amount"]["right"] < read["/line_items/*/amount"]


def _own(out: Path, folder: Path) -> Path:
    """What is published, as a truth."""
    from flows.review.records import read_records
    from flows.storage.open import read_dataset
    from flows.type_loader import load_type

    path = folder / "own.jsonl"
    with path.open("w") as file:
        for each in read_records(read_dataset(out), load_type("invoice")):
            file.write(json_text({"id": each.document_id, "record": each.value}) + "\n")
    return path
