"""What the embedded model makes of the samples, against their truth: the figures that the README stands for."""

import json
import re
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from tests.conftest import SAMPLES, need_shared

INVOICES = ["calder_point", "harrow_finch", "nordlicht", "studio_veldkamp"]


def record(out: Path, name: str, stem: str) -> dict:
    """The record of a document put together again from its tables."""
    (row,) = duckdb.sql(f"select * from '{out}/{name}/*.parquet' where file_name = '{stem}.pdf'").pl().to_dicts()
    for folder in sorted(out.glob(f"{name}_*")):
        items = duckdb.sql(
            f"select * from '{folder}/*.parquet' where document_id = '{row['document_id']}' order by item_index"
        ).pl()
        row[folder.name.removeprefix(f"{name}_")] = items.to_dicts()
    return row


def leaves(value: object, path: str = "") -> dict[str, str]:
    """Every value of a truth by its path, as text that a table's value can be compared with."""
    if isinstance(value, dict):
        return {
            p: v for key, below in value.items() for p, v in leaves(below, f"{path}_{key}" if path else key).items()
        }
    if isinstance(value, list):
        return {p: v for at, below in enumerate(value) for p, v in leaves(below, f"{path}[{at}]").items()}
    return {} if value is None else {path: plain(value)}


def plain(value: object) -> str:
    return (
        format(Decimal(str(value)).normalize(), "f")
        if isinstance(value, int | float | Decimal)
        else " ".join(str(value).split())
    )


def found(row: dict, path: str) -> str | None:
    name, _, rest = path.partition("[")
    if not rest:
        return plain(row[name]) if row.get(name) is not None else None
    at, _, key = rest.partition("]_")
    items = row[name]
    return plain(items[int(at)][key]) if int(at) < len(items) and items[int(at)][key] is not None else None


@pytest.mark.parametrize("stem", INVOICES)
def test_nine_of_ten_fields_of_a_born_digital_invoice_are_filled_right(samples_out: dict, stem: str) -> None:
    truth = leaves(json.loads((SAMPLES / "invoices" / f"{stem}.json").read_text()))
    row = record(samples_out["invoices"], "invoice", stem)
    right = [path for path, value in truth.items() if found(row, path) == value]
    assert len(right) >= 0.9 * len(truth), sorted(set(truth) - set(right))


def test_all_rows_of_the_price_list_are_there_in_order(samples_out: dict) -> None:
    truth = json.loads((SAMPLES / "prices" / "kestrel_2026.json").read_text(), parse_float=Decimal)
    row = record(samples_out["prices"], "price_list", "kestrel_2026")
    assert len(truth["items"]) == 400
    assert [(item["article_number"], item["price"]) for item in row["items"]] == [
        (item["article_number"], item["price"]) for item in truth["items"]
    ]
    assert row["record_status"] == "ok"


def test_nothing_is_invented(samples_out: dict) -> None:
    for out in (samples_out["invoices"], samples_out["prices"]):
        assert (
            duckdb.sql(f"select field, value from '{out}/evidence/*.parquet' where match = 'absent'").fetchall() == []
        )


def test_the_scanned_letter_is_partial_with_nulls(samples_out: dict) -> None:
    row = record(samples_out["invoices"], "invoice", "whitmore_letter")
    assert row["record_status"] == "partial"
    assert (row["number"], row["gross_total"], row["line_items"]) == (None, None, [])
    (page,) = duckdb.sql(
        f"select sent_as from '{samples_out['invoices']}/pages/*.parquet' where document_id = '{row['document_id']}'"
    ).fetchall()
    assert page == ("image",)


def test_the_boxes_hold_the_values(samples_out: dict) -> None:
    import pymupdf

    rows = duckdb.sql(
        f"""select d.file_name, e.page, e.x0, e.y0, e.x1, e.y1, e.value from '{samples_out["invoices"]}/evidence/*.parquet' e
        join '{samples_out["invoices"]}/documents/*.parquet' d using (document_id) where e.match = 'exact'"""
    ).fetchall()
    assert len(rows) > 200
    held = 0
    for name, page, x0, y0, x1, y1, value in rows:
        with pymupdf.open(SAMPLES / "invoices" / name) as document:
            text = document[page - 1].get_text(clip=pymupdf.Rect(x0 - 1, y0 - 1, x1 + 1, y1 + 1))
            held += "".join(value.split()) in "".join(text.split())
    assert held / len(rows) > 0.99


def test_the_score_on_real_einvoices_is_no_worse_than_recorded(offline_engine: object, tmp_path: Path) -> None:
    """F1 by the shared scorer; the level is what was measured, less a margin for rounding."""
    import subprocess
    import sys

    from flows.runs.request import RunRequest
    from flows.runs.run import run
    from flows.type_loader import load_type

    truth = need_shared("truth") / "einvoice"
    score = need_shared("tools") / "truth" / "score.py"
    outcome = run(offline_engine, RunRequest([str(truth / "docs")], load_type("invoice"), tmp_path / "out", quiet=True))
    assert outcome.summary["failed"] == 0
    names = {
        "number": "invoice_number", "issue_date": "issue_date", "due_date": "due_date", "seller_name": "seller_name", "seller_tax_id": "seller_vat_id",
        "buyer_name": "buyer_name", "buyer_tax_id": "buyer_vat_id", "currency": "currency", "net_total": "net_total", "tax_total": "tax_total",
        "gross_total": "gross_total", "iban": "iban",
    }  # fmt: skip
    item_names = {
        "description": "description",
        "quantity": "quantity",
        "unit_price": "unit_price",
        "amount": "line_total",
        "tax_rate": "tax_rate",
    }
    predicted = []
    for name in sorted(path.name for path in (truth / "docs").iterdir()):
        row = record(tmp_path / "out", "invoice", name.removesuffix(".pdf"))
        fields = {to: plain(row[name]) for name, to in names.items() if row[name] is not None}
        fields["line_items"] = [
            {to: plain(item[name]) for name, to in item_names.items() if item[name] is not None}
            for item in row["line_items"]
        ]
        predicted.append({"doc": f"docs/{name}", "fields": fields})
    (tmp_path / "predicted.jsonl").write_text("\n".join(map(json.dumps, predicted)))
    command = [sys.executable, str(score), "fields", str(truth / "truth.jsonl"), str(tmp_path / "predicted.jsonl")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    print(done.stdout)
    (line,) = re.findall(r"^ALL \(micro\) +(.*)$", done.stdout, re.MULTILINE)
    precision, recall = map(float, line.split()[2:4])
    assert precision >= 0.90
    assert recall >= 0.30  # of all labels, also those of fields that the type does not have
