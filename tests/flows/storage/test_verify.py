"""`status --check`: a sound dataset has no finding, and whatever is broken in one is found and named."""

import base64
import datetime
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from flows.cli import main
from flows.storage.open import read_dataset
from flows.storage.remove import forget_documents
from flows.storage.verify import verify

Change = Callable[[pa.Table], pa.Table]


@pytest.fixture
def out(samples_out: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(samples_out["invoices"], tmp_path / "out"))


def damaged(out: Path, table: str, change: Change) -> None:
    """Change the rows of the table's newest file, which the newest shard gets where it has none."""
    shard = max(path.name for path in (out / "documents").glob("2*.parquet"))
    path = max((out / table).glob("2*.parquet"), default=out / table / shard)
    rows = pq.read_table(path if path.exists() else out / table / "0.parquet")
    pq.write_table(change(rows), path, compression="zstd")


def with_column(name: str, change: Callable[[pa.ChunkedArray], object]) -> Change:
    def changed(rows: pa.Table) -> pa.Table:
        place = rows.column_names.index(name)
        values = change(rows.column(name))
        return rows.set_column(place, rows.schema.field(place), [pa.array(values, rows.schema.field(place).type)])

    return changed


def constant(value: object) -> Callable[[pa.ChunkedArray], list[object]]:
    return lambda column: [value] * len(column)


def first(value: object) -> Callable[[pa.ChunkedArray], list[object]]:
    return lambda column: [value, *column.to_pylist()[1:]]


def twice(rows: pa.Table) -> pa.Table:
    return pa.concat_tables([rows, rows])


def without_first(rows: pa.Table) -> pa.Table:
    return rows.slice(1)


def a_figure_on_no_page(rows: pa.Table) -> pa.Table:
    return pa.Table.from_pylist([{"document_id": "0" * 64, "page": 99, "figure": 0}], rows.schema)


def emptied(rows: pa.Table) -> pa.Table:
    return rows.slice(0, 0)


def added_another(rows: pa.Table) -> pa.Table:
    """A document more was added than there is."""
    one = {**rows.to_pylist()[-1], "document_id": "0" * 64}
    return pa.concat_tables([rows, pa.Table.from_pylist([{**one, "change_id": one["change_id"] + 1}], rows.schema)])


def renamed(rows: pa.Table) -> pa.Table:
    return rows.rename_columns(["x", *rows.column_names[1:]])


BROKEN: list[tuple[str, Change, str, str]] = [
    ("documents", with_column("status", first("fine")), "documents", "a status is ok or partial"),
    ("documents", with_column("problems", constant([])), "documents", "a partial document has problems"),
    ("documents", twice, "documents", "a document is published once"),
    ("documents", with_column("run_id", first("another")), "documents", "its run is in `runs`, or is at work"),
    ("documents", with_column("recipe_id", first("another")), "documents", "its recipe is in `recipes`, or its run is at work"),
    ("documents", without_first, "pages", "its document is in the same file of `documents`"),
    ("documents", without_first, "invoice", "its document is in the same file of `documents`"),
    ("pages", without_first, "pages", "each page of a document has one row"),
    ("pages", twice, "pages", "each page of a document has one row"),
    ("figures", a_figure_on_no_page, "figures", "a figure is on a page, and unique"),
    ("evidence", with_column("page", constant(99)), "evidence", "the page of a value exists"),
    ("evidence", with_column("record", constant(7)), "evidence", "its record exists"),
    ("checks", with_column("ok", constant(False)), "checks", "a failed check makes the document partial"),
    ("invoice", without_first, "invoice", "each document has a record, with the same status"),
    ("invoice", with_column("record_status", constant("ok")), "invoice", "each document has a record, with the same status"),
    ("invoice", twice, "invoice", "a row is unique"),
    ("invoice_line_items", twice, "invoice_line_items", "a row is unique"),
    ("invoice_line_items", without_first, "invoice_line_items", "items are numbered from 0 without a gap"),
    (
        "invoice_line_items", with_column("record_status", constant("partial")),
        "invoice_line_items", "its record exists, with the same status",
    ),
    ("calls", twice, "calls", "an answer is unique"),
    ("calls", with_column("cost_usd", constant(1.0)), "runs", "its cost is at least that of its answers"),
    ("runs", with_column("discovered", constant(99)), "runs", "discovered is the sum of its parts"),
    ("runs", twice, "runs", "a run is unique"),
    ("recipes", twice, "recipes", "a recipe is unique"),
    ("changes", without_first, "documents", "it is in `changes`"),
    ("changes", added_another, "changes", "a document added and not removed since is in `documents`"),
    ("changes", added_another, "runs", "its documents are in `changes`"),
    ("changes", with_column("kind", constant("superseded")), "documents", "it is in `changes`"),
    ("runs", with_column("ok", constant(99)), "runs", "its documents are in `changes`"),
    ("evidence", emptied, "evidence", "a document with values has evidence"),
    ("calls", emptied, "documents", "its answers are in `calls`"),
    ("quality", emptied, "runs", "its documents are measured in `quality`"),
    ("changes", twice, "changes", "a number is unique"),
    (
        "changes", with_column("at", first(datetime.datetime(2999, 1, 1, tzinfo=datetime.UTC))),
        "changes", "numbers increase with time",
    ),
    ("sources", without_first, "documents", "its address is in `sources`, or its run is at work"),
    ("pages", renamed, "pages", "every file has the table's schema"),
]  # fmt: skip


def test_a_sound_dataset_has_no_finding(samples_out: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    for out in samples_out.values():
        assert verify(out) == []
        assert main(["status", str(out), "--check"]) == 0
        assert "every key, count, sum and checksum holds" in capsys.readouterr().out


@pytest.mark.parametrize(("table", "change", "where", "rule"), BROKEN, ids=[f"{each[0]}-{each[3]}" for each in BROKEN])
def test_what_is_broken_is_found(out: Path, table: str, change: Change, where: str, rule: str) -> None:
    damaged(out, table, change)
    assert (where, rule) in {(each.table, each.rule) for each in verify(out)}
    assert main(["status", str(out), "--check"]) == 1


CORRECTED: list[tuple[str, Change, str]] = [
    ("evidence", with_column("value", constant("0")), "corrected values are published"),
    ("evidence", with_column("match", constant("exact")), "corrected values are published"),
    ("documents", with_column("extracted", constant(None)), "a corrected document keeps its record as extracted"),
    ("corrections", twice, "a number is unique"),
    ("changes", emptied, "it is in `changes`"),
]  # fmt: skip


@pytest.mark.parametrize(("table", "change", "rule"), CORRECTED)
def test_a_broken_correction_is_found(out: Path, table: str, change: Change, rule: str) -> None:
    assert main(["correct", str(out), "nordlicht.pdf", "/gross_total", "7", "--by", "ada"]) == 0
    assert main(["correct", str(out), "nordlicht.pdf", "/line_items/1/amount", "7", "--by", "ada"]) == 0
    assert main(["correct", str(out), "nordlicht.pdf", "--accept", "--by", "ada"]) == 0
    assert verify(out) == []
    damaged(out, table, change)
    assert ("corrections", rule) in {(each.table, each.rule) for each in verify(out)}


def test_a_flipped_bit_is_found_by_its_checksum(out: Path) -> None:
    path = max((out / "pages").glob("2*.parquet"))
    text = pq.ParquetFile(path).metadata.row_group(0).column(4)
    data = bytearray(path.read_bytes())
    data[(text.dictionary_page_offset or text.data_page_offset) + text.total_compressed_size // 2] ^= 1
    path.write_bytes(data)
    ((finding),) = verify(out)
    assert (finding.table, finding.rule) == ("pages", "every file can be read, and its checksums hold")
    assert path.name in finding.example


def test_what_is_left_of_a_forgotten_document_is_found(out: Path) -> None:
    dataset = read_dataset(out)
    one = pc.min(dataset.rows("documents", ["document_id"]).column(0)).as_py()
    with dataset.locked():
        dataset.record_forgotten([one])
    found = {(each.table, each.rule) for each in verify(out)}
    assert ("documents", "it was not forgotten") in found
    assert ("calls", "it was not forgotten") in found
    assert ("sources", "no address of a forgotten document is left") in found


@pytest.mark.parametrize("tables", ["*", "evidence", "calls", "quality", "documents", "changes", "sources", "invoice"])
def test_a_file_that_is_missing_is_found(out: Path, tables: str) -> None:
    shard = max(path.stem for path in (out / "documents").glob("2*.parquet"))
    names = [f"{tables}/{shard}.parquet", f"{tables}/{shard.rpartition('-')[0]}.parquet"]
    missing = [path for name in names[: 1 if tables == "*" else 2] for path in out.glob(name)]
    assert missing
    for path in missing:
        path.unlink()
    assert verify(out)
    assert main(["status", str(out), "--check"]) == 1


def test_a_run_before_there_was_a_table_owes_it_nothing(out: Path) -> None:
    for path in (out / "quality").glob("2*.parquet"):
        path.unlink()
    stated = json.loads((out / "_work" / "dataset.json").read_text())
    tables = stated["tables"]
    tables["quality"] = tables.pop("quality")  # added to a dataset that was there
    (out / "_work" / "dataset.json").write_text(json.dumps(stated))
    assert verify(out) == []
    del tables["quality"]
    shutil.rmtree(out / "quality")
    (out / "_work" / "dataset.json").write_text(json.dumps(stated))
    assert verify(out) == []


def test_a_dataset_without_newer_columns_is_sound(out: Path) -> None:
    path = out / "_work" / "dataset.json"
    stated = json.loads(path.read_text())
    for table, column in (("runs", "command"), ("documents", "requests")):
        for file in (out / table).glob("*.parquet"):
            rows = pq.read_table(file).drop_columns(column)
            pq.write_table(rows, file, compression="zstd")
        schema = rows.schema
        stated["tables"][table] = base64.b64encode(schema.serialize().to_pybytes()).decode()
    path.write_text(json.dumps(stated))
    for file in (*(out / "calls").glob("2*.parquet"), *(out / "quality").glob("2*.parquet")):
        file.unlink()  # nothing tells that they were there
    assert verify(out) == []


def test_values_that_no_page_is_searched_for_need_no_evidence(out: Path) -> None:
    path = out / "_work" / "dataset.json"
    stated = json.loads(path.read_text())
    stated["schema"] = without_evidence(stated["schema"])
    path.write_text(json.dumps(stated))
    damaged(out, "evidence", emptied)
    assert verify(out) == []


def without_evidence(node: Any) -> Any:
    """A schema of which no value is looked for."""
    if isinstance(node, list):
        return [without_evidence(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {"x-evidence": "none"} | {
        key: {name: without_evidence(each) for name, each in below.items()}
        if key in {"properties", "$defs"}
        else without_evidence(below)
        for key, below in node.items()
    }


def test_a_file_of_somebody_else_is_named_with_what_to_do(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours = max((out / "pages").glob("2*.parquet"))
    for name, advice in (
        (ours.name, "restore it from a copy, or move every"),
        ("mine.parquet", "made by Pagemill: move it away"),
    ):
        path = out / "pages" / name
        before = path.read_bytes() if path.exists() else None
        pq.write_table(pa.table({"x": [1]}), path)
        assert main(["status", str(out), "--check"]) == 1
        (line,) = [line for line in capsys.readouterr().out.splitlines() if "table's schema" in line]
        assert str(path) in line
        assert advice in line
        path.unlink() if before is None else path.write_bytes(before)
    assert verify(out) == []


def the_run(out: Path) -> str:
    return max(path.stem for path in (out / "runs").glob("2*.parquet"))


@pytest.mark.parametrize("removed", ["documents", "changes"])
def test_what_is_being_moved_to_its_place_is_no_finding(out: Path, removed: str) -> None:
    run_id = the_run(out)
    (shard,) = (path.stem for path in (out / "documents").glob("2*.parquet"))
    staged = out / "_work" / "staged" / shard
    staged.mkdir()
    (staged / "READY").write_text("[]")
    if removed == "changes":  # last of a shard that is added by a run at work
        (out / "_work" / "runs" / f"{run_id}.json").write_text("{}")
        gone = [f"changes/{shard}", *(f"{log}/{run_id}" for log in ("runs", "quality", "recipes", "sources"))]
    else:  # first of what a newer version takes away
        gone = [str(path.relative_to(out))[: -len(".parquet")] for path in out.glob(f"*/{shard}.parquet")]
        gone = [each for each in gone if each.partition("/")[0] not in {"changes", "calls"}]
    for each in gone:
        (out / f"{each}.parquet").unlink()
    assert verify(out) == []
    (staged / "READY").unlink()
    (out / "_work" / "runs" / f"{run_id}.json").unlink(missing_ok=True)
    assert verify(out)


def counted_as(name: str) -> Change:
    """One document fewer is counted as published, and one more as something else."""

    def changed(rows: pa.Table) -> pa.Table:
        (row,) = rows.to_pylist()
        published = "ok" if row["ok"] else "partial"
        return pa.Table.from_pylist([{**row, published: row[published] - 1, name: row[name] + 1}], rows.schema)

    return changed


def test_a_shard_that_was_finished_after_its_run_is_counted_as_deferred(out: Path) -> None:
    damaged(out, "runs", counted_as("deferred"))
    assert verify(out) == []


def test_a_document_that_was_forgotten_as_it_was_published_is_counted_as_skipped(out: Path) -> None:
    damaged(out, "runs", counted_as("skipped"))
    assert [each.rule for each in verify(out)] == ["its documents are in `changes`"]
    dataset = read_dataset(out)
    one = pc.min(dataset.rows("documents", ["document_id"]).column(0)).as_py()
    forget_documents(dataset, "20260101T000000-aaaaaa-00000", [one])
    assert verify(out) == []


def test_a_run_of_which_all_was_forgotten_owes_no_quality(out: Path) -> None:
    dataset = read_dataset(out)
    forget_documents(dataset, "20260101T000000-aaaaaa-00000", dataset.published_ids())
    damaged(out, "quality", emptied)
    assert verify(out) == []
