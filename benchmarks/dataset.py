"""The dataset as it grows: planning an unchanged archive, reading many files, and how tables are best written.

    python benchmarks/dataset.py [plan|lookup|read|write|nested ...] [--sizes 1000,10000,100000,1000000]

`plan` makes the ledger of an archive that is published whole (`sources` and `documents` in files of 1,024 rows) and plans
a run over it: with the listing at hand, and with the listing of a real folder tree of empty files. `pandas` is the time to
read the id column of the same `documents`, in the same process, paired with each measurement. `lookup` is what a shard pays
to know which of its documents are published. `read` compares a record table of 1,024 rows a file with the same rows in one
file. `write` tries row groups and zstd levels on our tables. `nested` is the time from a record with a list of 100,000 objects
to its Parquet file, beside pyarrow's own for rows that are flat already.
"""

import argparse
import datetime
import hashlib
import os
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from extractors.tabulate.tabulate import Extraction, tabulate  # noqa: E402
from flows.sources.addresses import SCHEMA, Addresses  # noqa: E402
from flows.sources.discover import Discovered, Source, discover  # noqa: E402
from flows.sources.plan import make_plan  # noqa: E402
from flows.storage.backends.parquet_files import write_parquet  # noqa: E402
from flows.storage.dataset_spec import DatasetSpec  # noqa: E402
from flows.storage.open import open_dataset, read_dataset  # noqa: E402
from schemas.document_type import DocumentType  # noqa: E402
from schemas.document_types import DOCUMENT_TYPES  # noqa: E402
from schemas.record_tables import all_tables, record_tables  # noqa: E402
from schemas.step_data import Document, DocumentInfo, Record  # noqa: E402
from schemas.tables import LOG_TABLES, SHARD_TABLES  # noqa: E402

SIZES, SHARD, TIMES = (1_000, 10_000, 100_000, 1_000_000), 1_024, 3
STOCK = {
    "title": "stock", "type": "object",
    "properties": {"number": {"type": "string"}, "rows": {"type": "array", "items": {"type": "object", "properties": {
        "article": {"type": "string"}, "name": {"type": "string"}, "quantity": {"type": "integer"},
        "price": {"type": "number", "format": "decimal"}, "on": {"type": "string", "format": "date"},
        "maker": {"type": "object", "properties": {"name": {"type": "string"}, "land": {"type": "string"}}},
    }}}},
}  # fmt: skip
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
A_YEAR_AGO = 1_700_000_000
READERS: dict[str, Callable[[Path], object]] = {
    "pandas": pd.read_parquet,
    "pyarrow": lambda folder: ds.dataset(folder, format="parquet").to_table(),
    "DuckDB": lambda folder: duckdb.sql(f"from '{folder}/*.parquet'").to_arrow_table(),
    "Polars": lambda folder: pl.read_parquet(folder / "*.parquet"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "measures", nargs="*", choices=["plan", "lookup", "read", "write", "nested", []], help="default: all"
    )
    parser.add_argument("--sizes", type=_numbers, default=SIZES, help="rows of the ledger")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the record table for `read`")
    arguments = parser.parse_args()
    measures = arguments.measures or ["plan", "lookup", "read", "write", "nested"]
    if "plan" in measures:
        _plan(arguments.sizes)
    if "lookup" in measures:
        _lookup(arguments.sizes)
    if "read" in measures:
        _read(arguments.rows)
    if "write" in measures:
        _write()
    if "nested" in measures:
        _nested()


def _plan(sizes: tuple[int, ...]) -> None:
    print(
        "== plan of an unchanged archive: seconds (best of 3), and ratios to pandas and to a bare walk (median of pairs)"
    )
    print(
        "       rows   plan  µs a row  pandas  plan ÷ pandas  by CPU time  listing  listing ÷ bare walk  MB of list + plan"
    )
    for size in sizes:
        with tempfile.TemporaryDirectory() as place:
            print(_plan_line(Path(place) / "out", Path(place) / "in", size), flush=True)


def _plan_line(out: Path, folder: Path, size: int) -> str:
    _make_ledger(out, folder, size)
    found = Discovered(_addresses(folder, size), (Source(str(folder), f"{folder}/"),), (), frozenset({".pdf"}))
    pairs = [(_spent(_planned, out, found, size), _spent(_ids, out)) for _ in range(TIMES)]
    for uri in found.addresses.table.column("source_uri").to_pylist():
        Path(uri).parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(uri, os.O_CREAT | os.O_WRONLY))
    lists = [(_spent(discover, [str(folder)], out, [".pdf"]), _spent(_bare_walk, folder)) for _ in range(TIMES)]
    with get_context("spawn").Pool(1) as pool:
        peak = pool.apply(_peak_of_a_plan, (out, folder))
    plan, pandas = (min(pair[side][0] for pair in pairs) for side in (0, 1))
    return (
        f"{size:11,} {plan:6.2f} {plan / size * 1e6:9.1f} {pandas:7.2f} {_ratio(pairs, 0):14.2f} {_ratio(pairs, 1):12.2f} "
        f"{min(listed[0] for listed, _ in lists):8.2f} {_ratio(lists, 0):20.2f} {peak:18,.0f}"
    )


def _lookup(sizes: tuple[int, ...]) -> None:
    print("== which of 256 documents are published: ms (best of 3), and ratio to a set of every published id")
    print("       rows     ms  set  ÷ set")
    for size in sizes:
        with tempfile.TemporaryDirectory() as place:
            _make_ledger(Path(place) / "out", Path(place) / "in", size)
            dataset = read_dataset(Path(place) / "out")
            ids = [_id(number) for number in random.Random(1).sample(range(2 * size), 256)]
            assert dataset.published_among(ids) == dataset.published_ids() & set(ids)
            pairs = [(_spent(dataset.published_among, ids), _spent(dataset.published_ids)) for _ in range(TIMES)]
            ours, theirs = (min(pair[side][0] for pair in pairs) * 1e3 for side in (0, 1))
            print(f"{size:11,} {ours:6.1f} {theirs:4.0f} {_ratio(pairs, 0):6.2f}", flush=True)


def _ids(out: Path) -> object:
    return pd.read_parquet(out / "documents", columns=["document_id"])


def _bare_walk(folder: Path) -> int:
    return sum(1 for _ in _stats(folder))


def _ratio(pairs: list[tuple[tuple[float, float], tuple[float, float]]], clock: int) -> float:
    return statistics.median(ours[clock] / theirs[clock] for ours, theirs in pairs)


def _planned(out: Path, found: Discovered, done: int | None) -> None:
    plan = make_plan(read_dataset(out), found, "recipe")
    assert done is None or (plan.already_done, len(plan.pending), plan.gone, plan.not_gone) == (done, 0, 0, 0)


def _peak_of_a_plan(out: Path, folder: Path) -> float:
    """Megabytes at most that a process takes for listing and planning, above what it has without them."""
    before = _peak()
    _planned(out, discover([str(folder)], out, [".pdf"]), None)
    return _peak() - before


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _stats(folder: Path) -> Iterator[os.stat_result]:
    """What any listing must do at least."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _stats(Path(entry.path))
            else:
                yield entry.stat()


def _make_ledger(out: Path, folder: Path, size: int) -> None:
    kind = DOCUMENT_TYPES["invoice"]
    names = tuple(table.name for table in record_tables(kind))
    dataset = open_dataset(out, DatasetSpec(kind.name, kind.schema, all_tables(kind), names))
    for start in range(0, size, SHARD):
        numbers = range(start, min(start + SHARD, size))
        seen_at = START + datetime.timedelta(seconds=start)
        run_id = f"{seen_at:%Y%m%dT%H%M%S}-000000"
        common = {"run_id": run_id, "seen_at": seen_at, "extracted_at": seen_at, "gone": False, "status": "ok"}
        head = [
            {
                "source_uri": _uri(folder, number), "document_id": _id(number), "bytes": number % 1_000_000,
                "modified_at": datetime.datetime.fromtimestamp(A_YEAR_AGO + number, datetime.UTC),
                "file_name": f"{number:07d}.pdf", "document_type": "invoice", "recipe_id": "recipe", "model": "model",
                "found_by": str(folder), **common,
            }
            for number in numbers
        ]  # fmt: skip
        for table, name in (("sources", run_id), ("documents", f"{run_id}-00000")):
            schema = dataset.tables[table]
            written = pa.Table.from_pylist(
                [{column: row.get(column) for column in schema.names} for row in head], schema
            )
            write_parquet(out / table / f"{name}.parquet", schema, written.to_batches())


def _addresses(folder: Path, size: int) -> Addresses:
    numbers = range(size)
    columns = {
        "source_uri": pa.array((_uri(folder, number) for number in numbers), pa.string()),
        "bytes": pa.array((number % 1_000_000 for number in numbers), pa.int64()),
        "modified_at": pa.array(((A_YEAR_AGO + number) * 10**6 for number in numbers), pa.int64()).cast(
            SCHEMA.field(2).type
        ),
        "found_by": pa.repeat(str(folder), size),
    }
    return Addresses(pa.table({field.name: columns.get(field.name, pa.nulls(size, field.type)) for field in SCHEMA}))


def _uri(folder: Path, number: int) -> str:
    return f"{folder}/{number // 1_000:04d}/supplier-{number % 97:02d}-{number:07d}.pdf"


def _id(number: int) -> str:
    return hashlib.sha256(b"%d" % number).hexdigest()


def _read(rows: int) -> None:
    print(
        f"== reading a record table of {rows:,} rows: files of {SHARD:,} rows ÷ one file (seconds, best of 3, ratio paired)"
    )
    print("   reader    ours    one  ours ÷ one  id column: ours ÷ one")
    schema = record_tables(DOCUMENT_TYPES["invoice"])[0].schema
    with tempfile.TemporaryDirectory() as place:
        many, one = Path(place) / "many", Path(place) / "one"
        many.mkdir()
        one.mkdir()
        with pq.ParquetWriter(one / "0.parquet", schema, compression="zstd") as writer:
            for start in range(0, rows, SHARD):
                table = _records(schema, start, min(SHARD, rows - start))
                pq.write_table(table, many / f"{start:08d}.parquet", compression="zstd")
                writer.write_table(table)
        whole = pq.read_table(one)
        pq.write_table(whole, one / "0.parquet", compression="zstd")  # in row groups of a million, as anybody would
        del whole
        ids: dict[str, Callable[[Path], object]] = {
            "pandas": lambda folder: pd.read_parquet(folder, columns=["document_id"]),
            "pyarrow": lambda folder: ds.dataset(folder, format="parquet").to_table(columns=["document_id"]),
            "DuckDB": lambda folder: duckdb.sql(f"select document_id from '{folder}/*.parquet'").to_arrow_table(),
            "Polars": lambda folder: pl.read_parquet(folder / "*.parquet", columns=["document_id"]),
        }
        for name, reader in READERS.items():
            ours, ones, whole_ratio = _paired(reader, many, one)
            id_ratio = _paired(ids[name], many, one)[2]
            print(f"   {name:<8} {ours:5.2f} {ones:6.2f} {whole_ratio:11.2f} {id_ratio:22.2f}", flush=True)


def _paired(reader: Callable[[Path], object], many: Path, one: Path) -> tuple[float, float, float]:
    pairs = [(_seconds(lambda: reader(many)), _seconds(lambda: reader(one))) for _ in range(TIMES)]
    ratio = statistics.median(ours / ones for ours, ones in pairs)
    return min(ours for ours, _ in pairs), min(ones for _, ones in pairs), ratio


def _records(schema: pa.Schema, start: int, count: int) -> pa.Table:
    """Rows as an archive of invoices has them: ids and numbers differ, names and currencies repeat."""
    numbers = range(start, start + count)
    columns = []
    for field in schema:
        if field.name == "document_id":
            columns.append(pa.array([_id(number) for number in numbers]))
        elif pa.types.is_decimal(field.type) or pa.types.is_integer(field.type):
            columns.append(
                pa.array([number % 9_973 for number in numbers], pa.int64()).cast(pa.int32()).cast(field.type)
            )
        elif pa.types.is_timestamp(field.type):
            columns.append(pa.array([START + datetime.timedelta(seconds=number) for number in numbers], field.type))
        elif pa.types.is_date(field.type):
            columns.append(pa.array([number % 20_000 for number in numbers], pa.int32()).cast(field.type))
        elif pa.types.is_string(field.type):
            columns.append(pa.array([f"{field.name} {number % 997}" for number in numbers]))
        else:
            columns.append(pa.nulls(count, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _write() -> None:
    """Time and size of a shard of 1,024 documents by zstd level, and of a whole table by row group."""
    print("== writing a shard of 1,024 documents and reading it back: seconds and size, by zstd level")
    print("   table      level   write    read    MB   of level 1")
    samples = _samples()
    for table, rows in samples.items():
        first = 0.0
        for level in (1, 3, 6, 9, 15):
            write, read, size = _written(rows, level, rows.num_rows)
            first = first or size
            print(
                f"   {table:<10} {level:5} {write:7.3f} {read:7.3f} {size / 2**20:6.2f} {size / first:11.2f}",
                flush=True,
            )
    print("== row groups of one file, zstd level 3")
    print("   table      rows a group   write    read    MB   one page of one document")
    for table, rows in samples.items():
        for group in (256, 1_024, 8_192, 65_536, 1_048_576):
            if group > rows.num_rows * 4 and group > 1_024:
                continue
            write, read, size = _written(rows, 3, group)
            one = _one_document(rows, group)
            print(f"   {table:<10} {group:12,} {write:7.3f} {read:7.3f} {size / 2**20:6.2f} {one:8.4f}", flush=True)


def _written(rows: pa.Table, level: int, group: int) -> tuple[float, float, int]:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "rows.parquet"
        options = {"compression": "zstd", "compression_level": level, "row_group_size": group}
        write = min(_seconds(lambda: pq.write_table(rows, path, **options)) for _ in range(TIMES))
        read = min(_seconds(lambda: pq.read_table(path)) for _ in range(TIMES))
        return write, read, path.stat().st_size


def _one_document(rows: pa.Table, group: int) -> float:
    """Seconds to read the rows of one document out of the file."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "rows.parquet"
        pq.write_table(rows, path, compression="zstd", row_group_size=group)
        wanted = rows.column("document_id")[rows.num_rows // 2].as_py()
        return min(_seconds(lambda: pq.read_table(path, filters=[("document_id", "=", wanted)])) for _ in range(TIMES))


def _samples() -> dict[str, pa.Table]:
    """Rows of a shard of 1,024 documents of six pages: text of the sample documents, pictures that do not compress."""
    documents = range(1_024)
    words = " ".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))).split()

    def text(number: int, count: int) -> str:
        return " ".join(random.Random(number).choices(words, k=count))

    def built(table: str, rows: Iterator[dict[str, object]]) -> pa.Table:
        schema = SHARD_TABLES.get(table, LOG_TABLES.get(table))
        assert schema is not None
        return pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema)

    pages = [(document, page) for document in documents for page in range(1, 7)]
    return {
        "documents": built(
            "documents",
            (
                {"document_id": _id(n), "source_uri": _uri(Path("/archive"), n), "file_name": f"{n}.pdf", "bytes": n * 991,
                 "pages": 6, "title": text(n, 6), "document_type": "invoice", "status": "ok", "recipe_id": _id(0),
                 "model": "model", "run_id": "run", "extracted_at": START, "requests": 1, "prompt_tokens": n % 4_000}
                for n in documents
            ),
        ),
        "evidence": built(
            "evidence",
            (
                {"document_id": _id(n), "record": 0, "field": f"/line_items/{place}/net", "value": f"{n * place % 991}.50",
                 "page": place % 6 + 1, "x0": n % 500 + 0.25, "y0": place * 9.5, "x1": n % 500 + 40.125, "y1": place * 9.5 + 9,
                 "quote": f"{n * place % 991}.50", "match": "exact"}
                for n in documents for place in range(60)
            ),
        ),
        "pages": built(
            "pages",
            (
                {"document_id": _id(n), "page": page, "width": 595.0, "height": 842.0, "text": text(n * 6 + page, 350),
                 "sent_as": "text", "reason": "text is enough", "tokens": 500, "chunk": 0, "hidden_text": 0}
                for n, page in pages
            ),
        ),
        "figures": built(
            "figures",
            (
                {"document_id": _id(n), "page": page, "figure": 0, "x0": 1.0, "y0": 2.0, "x1": 3.0, "y1": 4.0,
                 "kind": "picture", "width": 640, "height": 480, "image": os.urandom(30_000)}
                for n, page in pages if page == 1
            ),
        ),
    }  # fmt: skip


def _spent(work: Callable[..., object], *arguments: object) -> tuple[float, float]:
    """Seconds by the clock, and of CPU."""
    began, used = time.perf_counter(), time.process_time()
    work(*arguments)
    return time.perf_counter() - began, time.process_time() - used


def _nested(count: int = 100_000) -> None:
    """A record with a long list of objects to Parquet, against `from_pylist` and `write_table` of its flat rows."""
    day = datetime.date(2026, 1, 1)
    items = [
        {"article": f"A{n}", "name": f"thing {n % 50}", "quantity": n % 90, "price": Decimal(n) / 100, "on": day,
         "maker": {"name": f"maker {n % 7}", "land": "DE"}}
        for n in range(count)
    ]  # fmt: skip
    kind = DocumentType.from_schema(STOCK, "stock")
    (table,) = (each for each in record_tables(kind) if each.is_items)
    pages = {f"/rows/{n}": 1 + n // 50 for n in range(count)}
    record = Record({"number": "1", "rows": items}, (), (), "ok", False, 1, 2_000, pages)
    document = Document("0" * 64, "/in/a.pdf", "a.pdf", 10)
    info = DocumentInfo(2_000, None, "pdf")
    extraction = Extraction(document, info, record, "r", "m", "run", START, 1.0, 1, 2, 3, 4)
    flat = pa.Table.from_batches(tabulate(extraction, kind)[table.name], table.schema).to_pylist()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"

        def ours() -> None:
            batches = tabulate(extraction, kind)[table.name]
            pq.write_table(pa.Table.from_batches(batches, table.schema), path, compression="zstd")

        def alone() -> None:
            pq.write_table(pa.Table.from_pylist(flat, table.schema), path, compression="zstd")

        pairs = [(_seconds(ours), _seconds(alone)) for _ in range(2 * TIMES)]
    print(f"== nested: {count:,} rows of a list to Parquet")
    best = [min(column) for column in zip(*pairs, strict=True)]
    ratio = statistics.median(mine / theirs for mine, theirs in pairs)
    print(
        f"   ours {best[0]:.2f} s, from_pylist and write_table alone {best[1]:.2f} s, ratio {ratio:.2f} (median of pairs)"
    )


def _seconds(work: Callable[[], object]) -> float:
    return _spent(work)[0]


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(each) for each in text.split(","))


if __name__ == "__main__":
    main()
