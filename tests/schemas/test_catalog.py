"""The views of a dataset: each value beside its evidence, and only what is published, for any document type."""

import datetime
import json
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from extractors.tabulate.tabulate import tabulate
from schemas.catalog import catalog
from schemas.document_type import DocumentType
from schemas.document_types import DOCUMENT_TYPES
from schemas.errors import ConfigurationError
from schemas.record_tables import all_tables, record_tables
from schemas.step_data import Evidence
from schemas.tables import LOG_TABLES
from tests.conftest import need_shared
from tests.support.extractions import extraction, record

AT = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
ODD = {
    "title": "odd",
    "type": "object",
    "properties": {
        "total": {"type": "number"}, "total_match": {"type": "string"}, "it's (a) \"name\"": {"type": "string"},
        "ä-b": {"type": "object", "properties": {"c-d": {"type": "array", "items": {"type": "object", "properties": {
            "x.y/z~": {"type": "integer"}, "sub": {"type": "array", "items": {"type": "object", "properties": {
                "z": {"type": "integer"}}}}}}}}},
        "trust": {"type": "array", "items": {"type": "object", "properties": {"v": {"type": "integer"}}}},
        "texts": {"type": "array", "items": {"type": "string"}},
    },
}  # fmt: skip


def connected(out: Path, document_type: DocumentType) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(f"set file_search_path = '{out}'")
    connection.execute(catalog(document_type))
    return connection


def write(out: Path, tables: dict[str, pa.Schema], rows: dict[str, list[pa.RecordBatch]]) -> Path:
    for name, schema in tables.items():
        (out / name).mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_batches(rows.get(name, []), schema), out / name / "0.parquet")
    return out


def log(name: str, *rows: dict[str, Any]) -> list[pa.RecordBatch]:
    return [pa.RecordBatch.from_pylist(list(rows), schema=LOG_TABLES[name])]


def test_each_value_of_the_samples_stands_beside_its_match_and_page(samples_out: dict[str, Path]) -> None:
    connection = connected(samples_out["invoices"], DOCUMENT_TYPES["invoice"])
    trusted = connection.sql(
        "select number, number_match, number_page, gross_total_match from invoice_trust"
    ).fetchall()
    assert {row[1] for row in trusted if row[0]} <= {"exact", "normalized", "image"}
    assert all(row[2] == 1 for row in trusted if row[0])
    items = connection.sql(
        "select count(*), count(amount), count(amount_match) filter (where amount is not null) from invoice_line_items_trust"
    ).fetchall()[0]
    assert items[0] == connection.sql("from invoice_line_items").df().shape[0] > 10
    assert items[1] == items[2] > 10
    sources = connection.sql("select file_name, source_uri from invoice_with_source").fetchall()
    assert len(sources) == 5
    assert all(uri.endswith(f"/{name}") for name, uri in sources)
    held = connection.sql("select count(*) from held_documents").fetchall()
    assert held == connection.sql("select count(*) from documents").fetchall()


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # of DuckDB's own call into pandas
def test_pandas_calculates_with_the_money_and_the_dates_of_a_view(samples_out: dict[str, Path]) -> None:
    frame = connected(samples_out["invoices"], DOCUMENT_TYPES["invoice"]).sql("from invoice").df()
    assert frame["gross_total"].dtype == "float64"
    assert (frame["gross_total"] * 1.19).sum() > frame["gross_total"].sum()
    assert (frame["issue_date"] > pd.Timestamp("2020-01-01")).any()


def test_names_of_any_kind_and_lists_in_lists_have_their_evidence_beside_them(tmp_path: Path) -> None:
    kind = DocumentType.from_schema(ODD, "odd")
    value = {
        "total": 2.5, "total_match": "mine", 'it\'s (a) "name"': "n", "texts": ["t"], "trust": [{"v": 1}],
        "ä-b": {"c-d": [{"x.y/z~": 1, "sub": [{"z": 5}]}, {"x.y/z~": 2, "sub": [{"z": 6}, {"z": 7}]}]},
    }  # fmt: skip
    pages = {
        "/total": 1, '/it\'s (a) "name"': 2, "/ä-b/c-d/1/x.y~1z~0": 3, "/ä-b/c-d/1/sub/1/z": 4, "/trust/0/v": 5,
    }  # fmt: skip
    made = record(value)
    evidence = [Evidence(field, "v", page, (0, 0, 1, 1), "q", "exact") for field, page in pages.items()]
    evidence.append(Evidence("/total", "3.5", 9, (0, 0, 1, 1), "q", "conflict"))
    batches = tabulate(extraction(type(made)(**{**fields(made), "evidence": tuple(evidence)})), kind)
    connection = connected(write(tmp_path, all_tables(kind), batches), kind)
    assert connection.sql("select total, total_match, total_page, total_match_ from odd_trust_").fetchall() == [
        (2.5, "mine", 1, "exact")
    ]
    assert connection.sql("""select "it's (a) ""name""_page" from odd_trust_""").fetchall() == [(2,)]
    outer, inner = (table.name for table in record_tables(kind) if "c-d" in table.name)
    found = connection.sql(f'select item_index, "x.y/z~", "x.y/z~_page" from "{outer}_trust" order by 1').fetchall()
    assert found == [(0, 1, None), (1, 2, 3)]
    found = connection.sql(f'select z, z_page from "{inner}_trust" order by z').fetchall()
    assert found == [(5, None), (6, None), (7, 4)]
    assert connection.sql("select v, v_page from odd_trust_trust").fetchall() == [(1, 5)]


def fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def test_rows_of_a_publish_in_progress_are_not_seen(tmp_path: Path) -> None:
    kind = DocumentType.from_schema({"type": "object", "properties": {"a": {"type": "string"}}}, "sheet")
    batches = tabulate(extraction(record({"a": "x"})), kind)
    connection = connected(write(tmp_path, all_tables(kind), {**batches, "documents": []}), kind)
    assert connection.sql("select count(*) from sheet").fetchall() == [(0,)]


def test_what_is_open_held_and_pending(tmp_path: Path) -> None:
    kind = DocumentType.from_schema({"type": "object", "properties": {"a": {"type": "string"}}}, "sheet")
    batches = tabulate(extraction(record({"a": "x"})), kind)  # document 000..., published
    done, other = "0" * 64, "1" * 64
    day = datetime.timedelta(days=1)
    batches["sources"] = log(
        "sources",
        {"source_uri": "/in/a.pdf", "document_id": done, "gone": False, "seen_at": AT, "run_id": "1"},
        {"source_uri": "/in/b.pdf", "document_id": other, "gone": False, "seen_at": AT, "run_id": "1"},
        {"source_uri": "/in/c.pdf", "document_id": None, "gone": False, "seen_at": AT + day, "run_id": "2"},
        {"source_uri": "/in/a.pdf", "document_id": done, "gone": True, "seen_at": AT + day, "run_id": "2"},
    )
    failure = {"run_id": "1", "error": "E", "message": "m", "stage": "split", "attempts": 1, "retryable": True}
    schema = all_tables(kind)["failures"]
    batches["failures"] = [
        pa.RecordBatch.from_pylist(
            [
                {**failure, "document_id": done, "source_uri": "/in/a.pdf", "at": AT},
                {**failure, "document_id": other, "source_uri": "/in/b.pdf", "at": AT},
                {**failure, "document_id": other, "source_uri": "/in/b.pdf", "at": AT + day, "message": "newer"},
                {**failure, "document_id": None, "source_uri": "/in/c.pdf", "at": AT + day},
            ],
            schema=schema,
        )
    ]
    batches["runs"] = log(
        "runs",
        {"run_id": "1", "finished_at": AT, "deferred": 0},
        {"run_id": "2", "finished_at": AT + day, "deferred": 2},
    )
    connection = connected(write(tmp_path, all_tables(kind), batches), kind)
    assert connection.sql("select * from held_documents").fetchall() == []
    found = connection.sql("select source_uri, message from open_failures order by 1").fetchall()
    assert found == [("/in/b.pdf", "newer"), ("/in/c.pdf", "m")]
    pending = connection.sql("from pending_by_day").fetchall()
    assert pending == [(AT.date(), 1), ((AT + day).date(), 1)]
    ((complete, last),) = connection.sql("select last_complete_run, last_run from freshness").fetchall()
    assert last - complete == day


@pytest.mark.whole_machine
def test_every_schema_of_the_truth_makes_views_that_work(tmp_path: Path) -> None:
    paths = sorted(need_shared("truth").glob("*/schemas/*.json"))
    assert len(paths) > 40
    for path in paths:
        kind = DocumentType.from_schema(json.loads(path.read_text(encoding="utf-8")), path.stem.split(".")[0])
        connection = connected(write(tmp_path / path.parent.parent.name / path.stem, all_tables(kind), {}), kind)
        for (view,) in connection.sql("select view_name from duckdb_views() where not internal").fetchall():
            assert connection.sql(f'select * from "{view}"').fetchall() in ([], [(None, None, None)])


@pytest.mark.parametrize("name", ["freshness", "open_failures"])
def test_a_type_named_like_a_view_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="Pagemill's own"):
        record_tables(DocumentType.from_schema({"type": "object", "properties": {"a": {"type": "string"}}}, name))
