"""The list of the review page over a dataset of many documents, beside pandas reading the same columns.

    python benchmarks/review.py [--documents 100000] [--each 25]

`first` is the list as the page first shows it, `again` once nothing has changed, `filtered` with a mark and a search, `changed`
after the shard of one document was replaced. Each is a ratio to pandas reading the columns that the list is made of, and its
lowest confidence by document, in the same process.
"""

import argparse
import datetime
import hashlib
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from flows.review.listing import Listing, ListingFilter  # noqa: E402
from flows.storage.backends.parquet_files import write_parquet  # noqa: E402
from flows.storage.dataset import Dataset  # noqa: E402
from flows.storage.dataset_spec import spec_of  # noqa: E402
from flows.storage.open import open_dataset, read_dataset  # noqa: E402
from schemas.document_types import DOCUMENT_TYPES  # noqa: E402

SHARD = 256
TYPE = DOCUMENT_TYPES["invoice"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--each", type=int, default=25, help="values of a document")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        dataset = open_dataset(out, spec_of(TYPE))
        rng = random.Random(1)
        for first in range(0, arguments.documents, SHARD):
            _put(dataset, first, min(SHARD, arguments.documents - first), arguments.each, rng)
        usual = min(_timed(lambda: _pandas(out)) for _ in range(2))
        listing = Listing(read_dataset(out), TYPE)
        print(f"{arguments.documents:,} documents of {arguments.each} values; pandas = 1")
        _told("first", usual, lambda: listing.slice(ListingFilter()))
        _told("again", usual, lambda: listing.slice(ListingFilter()))
        _told("filtered", usual, lambda: listing.slice(ListingFilter(frozenset(["partial"]), None, "-77")))
        for table in ("documents", "invoice", "evidence"):
            file = next(path for path in sorted((out / table).iterdir()) if path.name != "0.parquet")
            shutil.copy(file, out / "aside")
            (out / "aside").replace(file)
        _told("changed", usual, lambda: listing.slice(ListingFilter()))


def _put(dataset: Dataset, first: int, count: int, values: int, rng: random.Random) -> None:
    """One shard, as far as the list reads it."""
    ids = [hashlib.sha256(str(first + place).encode()).hexdigest() for place in range(count)]
    names = [f"invoice-{first + place}.pdf" for place in range(count)]
    partial = [rng.random() < 0.1 for _ in ids]
    found: dict[str, dict[str, list[Any]]] = {
        "documents": {
            "document_id": ids, "file_name": names, "pages": [1] * count, "problem_kinds": [[]] * count,
            "status": ["partial" if each else "ok" for each in partial],
            "extracted_at": [datetime.datetime.now(datetime.UTC)] * count,
        },
        "invoice": {
            "document_id": ids, "needs_review": partial, "corrected_fields": [[]] * count,
            "seller_name": [f"seller {rng.randrange(3_000)}" for _ in ids],
        },
        "evidence": {
            "document_id": [each for each in ids for _ in range(values)], "match": ["exact"] * (count * values),
            "confidence": [rng.random() for _ in range(count * values)],
            "quote": [f"words around {rng.randrange(10**6)}" for _ in range(count * values)],
        },
    }  # fmt: skip
    for table, columns in found.items():
        rows = len(columns["document_id"])
        schema = dataset.tables[table]
        arrays = [pa.array(columns[f.name], f.type) if f.name in columns else pa.nulls(rows, f.type) for f in schema]
        path = Path(dataset.location) / table / f"20260101T000000-abcdef-{first // SHARD:05}.parquet"
        write_parquet(path, schema, pa.Table.from_arrays(arrays, schema=schema).to_batches())


def _pandas(out: Path) -> None:
    pd.read_parquet(out / "documents", columns=["document_id", "file_name", "pages", "status", "problem_kinds"])
    pd.read_parquet(out / "invoice", columns=["document_id", "needs_review", "corrected_fields", "seller_name"])
    evidence = pd.read_parquet(out / "evidence", columns=["document_id", "match", "confidence"])
    evidence.groupby("document_id").confidence.min()


def _timed(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def _told(name: str, usual: float, call: Callable[[], object]) -> None:
    print(f"{name:10} {_timed(call) / usual:.3f}")


if __name__ == "__main__":
    main()
