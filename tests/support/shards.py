"""Datasets of invoices for tests of storage: their rows, old and new, without any PDF or model."""

import datetime
from collections.abc import Iterable
from decimal import Decimal

import pyarrow as pa

from flows.storage.dataset import Dataset
from flows.storage.dataset_spec import DatasetSpec
from flows.storage.recover import recover
from schemas.document_types import DOCUMENT_TYPES
from schemas.record_tables import all_tables, record_tables
from schemas.tables import SHARD_TABLES
from tests.flows.storage.places import Place

INVOICE = DOCUMENT_TYPES["invoice"]
SPEC = DatasetSpec(
    "invoice", INVOICE.schema, all_tables(INVOICE), tuple(table.name for table in record_tables(INVOICE))
)


def document(number: int, shard: str) -> dict[str, list[pa.RecordBatch]]:
    document_id = f"{number:064d}"
    run_id = shard.rpartition("-")[0]
    at = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    values = {
        "documents": {
            "document_id": document_id,
            "file_name": f"{number}.pdf",
            "status": "ok",
            "run_id": run_id,
            "extracted_at": at,
            "cost_usd": 0.5,
        },
        "evidence": {"document_id": document_id, "record": 0, "field": "/number", "match": "exact"},
        "calls": {
            "document_id": document_id,
            "request_id": f"request-{number}",
            "run_id": run_id,
            "cost_usd": 0.5,
            "attempts": 1,
            "prompt_tokens": 7,
        },
    }
    batches = {name: [pa.RecordBatch.from_pylist([row], schema=SHARD_TABLES[name])] for name, row in values.items()}
    record = record_tables(INVOICE)[0]
    batches["invoice"] = [
        pa.RecordBatch.from_pylist(
            [{"document_id": document_id, "record": 0, "number": str(number)}], schema=record.schema
        )
    ]
    return batches


def journal(dataset: Dataset, shard: str, number: int) -> None:
    import asyncio

    async def write() -> None:
        segment = dataset.segment(shard)
        await segment.append(document(number, shard)["calls"][0].to_pylist()[0])
        segment.close()

    asyncio.run(write())


def recovered(place: Place) -> Dataset:
    """The dataset as the next command would find it."""
    dataset = place.read()
    with dataset.locked():
        recover(dataset)
    return dataset


SHARD = "20250101T000000-000000-00000"
POINTERS = {
    "invoice": {"number": "/number", "issue_date": "/issue_date", "gross_total": "/gross_total", "iban": "/iban"},
    "invoice_line_items": {"description": "/line_items", "amount": "/line_items", "": "/line_items"},
}
AT = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def rows_of(dataset: Dataset, numbers: Iterable[int], version: str, run_id: str) -> dict[str, list[pa.RecordBatch]]:
    """Rows of documents. The old ones have figures, list items and answers; the new ones have `checks` instead."""
    found: dict[str, list[dict]] = {}
    for number in numbers:
        key = {"document_id": f"{number:064d}"}
        record = {**key, "record": 0}
        rows: dict[str, list[dict]] = {
            "documents": [{**key, "title": version, "status": "ok", "run_id": run_id, "cost_usd": 0.5}],
            "invoice": [
                {
                    **record,
                    "number": f"{number} {version}",
                    "issue_date": datetime.date(2026, 1, 2),
                    "gross_total": Decimal("12.5"),
                    "iban": "IBAN old" if version == "old" else None,
                }
            ],
            "evidence": [{**record, "field": "/number", "value": version}],
            "pages": [{**key, "page": page, "text": version} for page in (1, 2)],
        }
        if version == "old":
            rows["figures"] = [{**key, "page": 1, "figure": 1, "caption": version, "image": b"\xff\xd8"}]
            rows["calls"] = [{**key, "request_id": f"request-{number}", "response": "{}", "cost_usd": 0.5}]
            rows["failures"] = [{**key, "source_uri": f"/{number}.pdf", "attempts": 1}]
            item = {**record, "item_index": 0, "description": f"item {number} old", "amount": Decimal("1.5")}
            rows["invoice_line_items"] = [item]
        else:
            rows["checks"] = [{**record, "check": version, "ok": True}]
        for table, values in rows.items():
            found.setdefault(table, []).extend(values)
    return {table: [pa.RecordBatch.from_pylist(rows, schema=dataset.tables[table])] for table, rows in found.items()}
