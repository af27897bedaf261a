"""`pagemill export --format csv|xlsx`: exact, harmless, and never half."""

import csv
import datetime
import json
import random
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.reports import csv_xlsx as sheets
from flows.reports.csv_xlsx import write_csv, write_xlsx
from flows.storage.open import read_dataset

HOSTILE = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "<r><t>x</t></r>",
    "http://x.example",
    "{=1}",
    "a\x01b",
    "ok",
]


@pytest.fixture
def hostile(samples_out: dict[str, Path], tmp_path: Path) -> Path:
    """A dataset whose numbers and texts are what a spreadsheet could take for something else."""
    out = tmp_path / "out"
    shutil.copytree(samples_out["invoices"], out)
    (path,) = [each for each in (out / "invoice_line_items").glob("*.parquet") if each.name != "0.parquet"]
    table = pq.read_table(path)
    rows = table.slice(0, 1).to_pylist() * len(HOSTILE)
    for at, (row, text) in enumerate(zip(rows, HOSTILE, strict=True)):
        rows[at] = {
            **row, "item_index": at, "description": text, "unit": None, "quantity": Decimal("-12345678901.123456"),
            "amount": Decimal("12345678901234.5678") if at % 2 else Decimal("0.1000"),
        }  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows, table.schema), path)
    (path,) = [each for each in (out / "invoice").glob("*.parquet") if each.name != "0.parquet"]
    table = pq.read_table(path)
    rows = table.to_pylist()
    rows[0] |= {"issue_date": datetime.date(1899, 12, 31), "number": "x" * 40_000}
    rows[1] |= {"issue_date": datetime.date(2026, 3, 14)}
    pq.write_table(pa.Table.from_pylist(rows, table.schema), path)
    return out


def test_excel_gets_text_as_text_and_numbers_exactly(hostile: Path, tmp_path: Path) -> None:
    target = tmp_path / "book.xlsx"
    found = write_xlsx(read_dataset(hostile), ["invoice", "invoice_line_items"], target)
    book = openpyxl.load_workbook(target)
    head, *rows = book["invoice_line_items"].iter_rows()
    place = {cell.value: at for at, cell in enumerate(head)}
    texts = [row[place["description"]] for row in rows]
    assert {cell.data_type for cell in texts} <= {"s", "inlineStr"}
    read = [openpyxl.utils.escape.unescape(cell.value).strip("\n ") for cell in texts]
    assert [text.strip() for text in read] == [
        text.strip("\r\n\t ") if text.strip() != text else text for text in HOSTILE
    ]
    amounts = [row[place["amount"]].value for row in rows]
    assert amounts[:2] == [0.1, "12345678901234.5678"]  # 18 digits fit no number of Excel
    assert all(cell.hyperlink is None for row in rows for cell in row)
    head, *rows = book["invoice"].iter_rows(values_only=True)
    dates = [row[head.index("issue_date")] for row in rows]
    assert dates[:2] == ["1899-12-31", datetime.datetime(2026, 3, 14)]
    assert max(len(str(row[head.index("number")])) for row in rows) == sheets.MOST_CHARACTERS
    assert [each.cut for each in found] == [1, 0]


def test_csv_is_exact_and_a_formula_in_it_is_text(hostile: Path, tmp_path: Path) -> None:
    write_csv(read_dataset(hostile), ["invoice_line_items"], tmp_path / "rows.csv", is_folder=False)
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["description"] for row in rows] == [f"'{text}" if text[0] in "=+-@\t\r" else text for text in HOSTILE]
    assert rows[0]["quantity"] == "-12345678901.123456"
    assert rows[1]["amount"] == "12345678901234.5678"
    assert rows[0]["unit"] == ""


def test_rows_beyond_a_sheet_go_on_in_a_further_one(
    hostile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "MOST_SHEET_ROWS", 5)
    (found,) = write_xlsx(read_dataset(hostile), ["invoice_line_items"], tmp_path / "book.xlsx")
    book = openpyxl.load_workbook(tmp_path / "book.xlsx")
    assert book.sheetnames == found.sheets == [f"invoice_line_items{end}" for end in ("", " (2)", " (3)")]
    assert sum(page.max_row - 1 for page in book) == found.rows == len(HOSTILE)
    assert all(page["A1"].value == "document_id" for page in book)


def test_every_row_of_the_tables_is_in_the_files(pagemill, samples_out: dict[str, Path], tmp_path: Path) -> None:
    done = pagemill("export", samples_out["prices"], tmp_path / "sheets", "--format", "csv", "--json")
    assert done.code == 0, done.err
    for each in done.json["sheets"]:
        rows = sum(
            pq.read_metadata(path).num_rows for path in (samples_out["prices"] / each["table"]).glob("*.parquet")
        )
        with Path(each["file"]).open(encoding="utf-8", newline="") as file:
            assert len(list(csv.reader(file))) - 1 == rows == each["rows"]
    assert len(done.json["sheets"]) > 1
    book = pagemill("export", samples_out["prices"], tmp_path / "book.xlsx", "--format", "xlsx")
    assert book.code == 0, book.err
    assert sorted(openpyxl.load_workbook(tmp_path / "book.xlsx").sheetnames) == sorted(
        each["table"] for each in done.json["sheets"]
    )


def test_what_cannot_be_written_leaves_what_was_there(pagemill, samples_out: dict[str, Path], tmp_path: Path) -> None:
    target = tmp_path / "folder"
    (target / "invoice.csv").mkdir(parents=True)
    done = pagemill("export", samples_out["invoices"], target, "--format", "csv")
    assert done.code == 2
    assert "cannot be written" in done.err
    assert [each.name for each in target.iterdir()] == ["invoice.csv"]
    assert (
        pagemill("export", samples_out["invoices"], tmp_path / "a.csv", "--format", "csv", "--table", "calls").code == 2
    )
    assert pagemill("export", samples_out["invoices"], tmp_path / "no" / "a.xlsx", "--format", "xlsx").code == 2


def test_a_list_is_json_in_a_cell(samples_out: dict[str, Path], tmp_path: Path) -> None:
    dataset = read_dataset(samples_out["reports"])
    write_csv(dataset, ["report"], tmp_path / "report.csv", is_folder=False)
    with (tmp_path / "report.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(isinstance(json.loads(row["conclusions"]), list) for row in rows if row["conclusions"])


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=1", "'=1"), (" =1", "' =1"), ("\u00a0@x", "'\u00a0@x"), ("\uff1d1", "'\uff1d1"), ("\t1", "'\t1"), ("a;=1", "a;'=1"),
        ("a\t=1", "a\t'=1"), ("a\n +1", "a\n '+1"), ("a;b; \uff0d1", "a;b; '\uff0d1"), ("a-b", "a-b"), ("a, -5", "a, -5"), ("", ""),
        ("5;6", "5;6"), (";=1", ";'=1"),
    ],
)  # fmt: skip
def test_a_text_that_a_reader_of_csv_could_run_is_text(text: str, written: str) -> None:
    assert sheets._harmless(text) == written


def test_every_amount_of_two_decimals_is_a_number_that_a_sum_takes_and_reads_back_exactly(
    samples_out: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(samples_out["invoices"], out)
    (path,) = [each for each in (out / "invoice_line_items").glob("*.parquet") if each.name != "0.parquet"]
    table = pq.read_table(path)
    chance = random.Random(1)
    cents = [*range(2_000), *(chance.randrange(10**13) for _ in range(2_000)), *(-at for at in range(1, 500))]
    amounts = [Decimal(number).scaleb(-2) for number in cents]
    first = table.slice(0, 1).to_pylist()[0]
    rows = [{**first, "item_index": at, "amount": amount} for at, amount in enumerate(amounts)]
    pq.write_table(pa.Table.from_pylist(rows, table.schema), path)
    write_xlsx(read_dataset(out), ["invoice_line_items"], tmp_path / "book.xlsx")
    head, *found = openpyxl.load_workbook(tmp_path / "book.xlsx")["invoice_line_items"].iter_rows(values_only=True)
    read = [row[head.index("amount")] for row in found]
    assert {type(value) for value in read} <= {int, float}
    assert [Decimal(repr(value)) for value in read] == amounts


@pytest.mark.parametrize(
    ("value", "is_number"),
    [
        (Decimal("9.95"), True), (Decimal("999999999999999"), True), (Decimal("12345678901234567"), False), (2**53, True),
        (2**53 + 1, False), (10**400, False), (Decimal("1e400"), False), (Decimal("NaN"), False), (0.1 + 0.2, True),
        (float("inf"), False), (Decimal("0.1") + Decimal("1e-18"), False),
    ],
)  # fmt: skip
def test_a_number_that_no_double_holds_is_text(value: Any, is_number: bool) -> None:
    assert sheets._is_exact(value) is is_number
