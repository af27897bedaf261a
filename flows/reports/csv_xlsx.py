"""Record tables as CSV and Excel files, written a row group at a time, without formulas.

Texts of documents may begin like a formula. In Excel files they are written as text; CSV has no types, so that a text which
begins like one gets a leading ', and one that goes on so behind a semicolon, a tab or a line break gets it there, too: other
readers cut a line at these. Cells are quoted. Numbers are exact: numbers that Excel would round are text.
"""

import csv
import datetime
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import xlsxwriter
from xlsxwriter.exceptions import FileCreateError
from xlsxwriter.worksheet import Worksheet

from extractors.values import json_text, printed
from flows.durable_files import written_aside
from flows.storage.dataset import Dataset
from schemas.errors import ConfigurationError

MOST_SHEET_ROWS = 1_048_576  # of an Excel sheet, with its head
MOST_CHARACTERS = 32_767  # of an Excel cell
_MOST_NAME = 31  # characters of a sheet's name
_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20"  # of a formula, also in their wide forms
_BEGINS = re.compile(rf"[\t\r\n]|\s*[{_SIGNS}]")
_GOES_ON = re.compile(rf"(?:(?<=;)|(?<=.[\t\r\n]))(\s*)(?=[{_SIGNS}])", re.DOTALL)
_FIRST_DAY = datetime.date(1900, 3, 1)  # before it Excel's calendar has a day that did not exist
_WIDTH = 18  # characters of a column
Forms = Mapping[type, Any]  # cell formats of dates and times


@dataclass(slots=True)
class SheetFile:
    """A written table: its number of rows, and of texts cut to the limit of a cell."""

    table: str
    file: str
    rows: int = 0
    cut: int = 0
    sheets: list[str] = field(default_factory=list)


def write_csv(dataset: Dataset, tables: Sequence[str], target: Path, *, is_folder: bool) -> list[SheetFile]:
    """Write each of `tables` as a CSV file in the folder `target`, or the only one as the file `target`."""
    paths = [target / f"{table}.csv" if is_folder else target for table in tables]
    written = []
    with _writable(target):
        if is_folder:
            target.mkdir(parents=True, exist_ok=True)
        with written_aside(*paths) as asides:
            for table, path, aside in zip(tables, paths, asides, strict=True):
                sheet = SheetFile(table, str(path))
                with aside.open("w", encoding="utf-8", newline="") as file:
                    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
                    writer.writerow(map(_harmless, dataset.tables[table].names))
                    for row in _rows(dataset, table):
                        writer.writerow([_csv_cell(value) for value in row])
                        sheet.rows += 1
                written.append(sheet)
    return written


def write_xlsx(dataset: Dataset, tables: Sequence[str], target: Path) -> list[SheetFile]:
    """Write each of `tables` as a sheet of one Excel file; rows beyond the limit of a sheet go to further sheets."""
    written = []
    with _writable(target), written_aside(target) as (aside,):
        book = xlsxwriter.Workbook(str(aside), {"constant_memory": True, "in_memory": False})
        try:
            forms: Forms = {
                datetime.date: book.add_format({"num_format": "yyyy-mm-dd"}),
                datetime.datetime: book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
            }
            head = book.add_format({"bold": True})
            for table in tables:
                sheet = SheetFile(table, str(target))
                _fill(book, dataset, sheet, head, forms)
                written.append(sheet)
        finally:
            book.close()
    return written


def sheet_lines(sheets: Sequence[SheetFile]) -> list[str]:
    """Summary of the written tables and of cut texts, for people."""
    lines = []
    for entry in sheets:
        lines.append(f"{entry.file}: {entry.rows:,} rows of {entry.table}")
        if len(entry.sheets) > 1:
            lines.append(
                f"a sheet holds {MOST_SHEET_ROWS:,} rows; {entry.table} continues in {', '.join(entry.sheets[1:])}"
            )
        if entry.cut:
            lines.append(
                f"{entry.cut:,} texts of {entry.table} were cut to {MOST_CHARACTERS:,} characters, the limit of a cell"
            )
    return lines


def _fill(book: Any, dataset: Dataset, sheet: SheetFile, head: Any, forms: Forms) -> None:
    names = dataset.tables[sheet.table].names
    page: Any = None
    at = MOST_SHEET_ROWS
    for row in _rows(dataset, sheet.table):
        if at == MOST_SHEET_ROWS:
            page, at = _page(book, sheet, names, head), 1
        for column, value in enumerate(row):
            sheet.cut += _write(page, at, column, value, forms)
        at += 1
        sheet.rows += 1
    if page is None:
        _page(book, sheet, names, head)


def _page(book: Any, sheet: SheetFile, names: Sequence[str], head: Any) -> Any:
    """A new sheet with the names of the columns at its head."""
    taken = {worksheet.get_name().casefold() for worksheet in book.worksheets()}
    number = len(sheet.sheets) + 1
    while True:
        suffix = f" ({number})" if number > 1 else ""
        name = sheet.table[: _MOST_NAME - len(suffix)] + suffix
        if name.casefold() not in taken:
            break
        number += 1
    page = book.add_worksheet(name, worksheet_class=_ExactSheet)
    page.freeze_panes(1, 0)
    page.set_column(0, len(names) - 1, _WIDTH)
    for column, entry in enumerate(names):
        page.write_string(0, column, entry[:MOST_CHARACTERS], head)
    sheet.sheets.append(name)
    return page


def _write(page: Any, at: int, column: int, value: Any, forms: Forms) -> bool:
    """Write one cell; returns true where its text was cut."""
    if value is None:
        return False
    if isinstance(value, bool):
        page.write_boolean(at, column, value)
    elif isinstance(value, int | float | Decimal) and _is_exact(value):
        page.write_number(at, column, float(value))
    elif isinstance(value, datetime.datetime) and value.date() >= _FIRST_DAY:
        page.write_datetime(at, column, value.replace(tzinfo=None), forms[datetime.datetime])
    elif isinstance(value, datetime.date) and not isinstance(value, datetime.datetime) and value >= _FIRST_DAY:
        page.write_datetime(at, column, value, forms[datetime.date])
    else:
        text = _text(value)
        is_cut = _length(text) > MOST_CHARACTERS
        text = _cut(text) if is_cut else text
        if text.startswith("<r>") and text.endswith("</r>"):
            text += " "  # xlsxwriter would take it for its own markup
        page.write_string(at, column, text)
        return is_cut
    return False


class _ExactSheet(Worksheet):  # type: ignore[misc] # xlsxwriter does not annotate it
    """A sheet whose numbers are written with the shortest text that reads back as the same double."""

    def _xml_number_element(self, number: float, attributes: Sequence[tuple[str, Any]] = ()) -> None:
        marks = "".join(f' {name}="{self._escape_attributes(value)}"' for name, value in attributes)
        self.fh.write(f"<c{marks}><v>{repr(number).removesuffix('.0')}</v></c>")


def _is_exact(value: float | Decimal) -> bool:
    """True for a number that a spreadsheet's double holds: the shortest text of the double is the number."""
    try:
        number = float(value)
    except OverflowError:
        return False
    return math.isfinite(number) and (isinstance(value, float) or Decimal(repr(number)) == value)


def _length(text: str) -> int:
    """Characters as Excel counts them: those outside of the first 65,536 are two."""
    return len(text.encode("utf-16-le", "replace")) // 2


def _cut(text: str) -> str:
    return text.encode("utf-16-le", "replace")[: 2 * MOST_CHARACTERS].decode("utf-16-le", "ignore")


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    text = _text(value)
    is_text = not isinstance(value, int | float | Decimal | datetime.date)
    return _harmless(text) if is_text else text


def _harmless(text: str) -> str:
    text = _GOES_ON.sub(r"\1'", text)
    return f"'{text}" if _BEGINS.match(text) else text


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json_text(value) if isinstance(value, list | dict) else printed(value)


def _rows(dataset: Dataset, table: str) -> Iterator[tuple[Any, ...]]:
    """The rows of all completely published shards, a row group in memory at a time."""
    for shard in dataset.files("documents"):
        for batch in dataset.shard_batches(table, shard):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


@contextmanager
def _writable(target: Path) -> Iterator[None]:
    """Turn a refusal of the operating system into a ConfigurationError that names `target`."""
    try:
        yield
    except (OSError, FileCreateError) as error:
        raise ConfigurationError(f"{target}: cannot be written: {error}; name another file") from error
