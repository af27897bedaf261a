"""Long lists: recall, precision and order of their rows, and what they cost beside the smallest possible.

    python benchmarks/lists.py [complete|forgetful|memory ...] [--sizes 100,400] [--limits 2000,8000]

The model reads the rows of each request's text and cuts its answer at its output limit; the forgetful one leaves out 5 %
of the rows of any request with more than 150. The whole pipeline runs, on its own Prefect server, in a temporary folder.
"""

import argparse
import dataclasses
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from extractors.prompt.prompt import frame_tokens  # noqa: E402
from extractors.tokens import count_text  # noqa: E402
from flows.runs.request import RunRequest  # noqa: E402
from flows.runs.resources import Engine, engine  # noqa: E402
from flows.runs.run import run  # noqa: E402
from flows.settings import load_settings  # noqa: E402
from schemas.document_type import DocumentType  # noqa: E402
from tests.support.rows import SCHEMA, row, row_model, write  # noqa: E402

SIZES, LIMITS, PER_PAGE = (100, 400, 800, 1_600, 3_200, 10_000), (2_000, 4_000, 8_000), 50
FORGETS = {"complete": 0.0, "forgetful": 0.05}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measures", nargs="*", choices=[*FORGETS, "memory", []], help="default: all")
    parser.add_argument("--sizes", type=_numbers, default=SIZES, help="rows of a document")
    parser.add_argument(
        "--above", type=int, default=150, help="rows of a request that the forgetful model still reads whole"
    )
    parser.add_argument("--limits", type=_numbers, default=LIMITS, help="tokens of one answer")
    arguments = parser.parse_args()
    measures = arguments.measures or [*FORGETS, "memory"]
    if "memory" in measures:
        _memory()
    with (
        tempfile.TemporaryDirectory() as cache,
        engine(load_settings(model="offline", cache_dir=Path(cache))) as shared,
    ):
        for measure in (each for each in measures if each in FORGETS):
            print(f"== {measure}")
            print(
                "   rows  pages  limit  recall  precision  order  status    calls  least  tokens ÷ least  seconds",
                flush=True,
            )
            for limit in arguments.limits:
                for size in arguments.sizes:
                    with tempfile.TemporaryDirectory() as folder:
                        print(
                            _measured(shared, Path(folder), size, limit, FORGETS[measure], arguments.above), flush=True
                        )


def _measured(shared: Engine, folder: Path, size: int, limit: int, forgets: float, above: int) -> str:
    rows = [row(number) for number in range(size)]
    write(folder / "in" / "list.pdf", rows, PER_PAGE)
    kind = DocumentType.from_schema(SCHEMA, "stock")
    with row_model(forgets=forgets, above=above) as model:
        settings = load_settings(base_url=model.url, max_output=limit, backoff=0.1, cache_dir=shared.settings.cache_dir)
        began = time.monotonic()
        outcome = run(
            dataclasses.replace(shared, settings=settings, base_url=model.url, api_key=None),
            RunRequest([str(folder / "in")], kind, folder / "out", quiet=True),
        )
        seconds = time.monotonic() - began
    found = duckdb.sql(f"select article from '{folder}/out/stock_list_rows/*.parquet' order by item_index").fetchall()
    articles = [article for (article,) in found]
    truth = [each[0] for each in rows]
    right = sum((Counter(articles) & Counter(truth)).values())
    least_calls, least_tokens = _least(kind, rows, limit, folder)
    status = next(name for name in ("ok", "partial", "failed", "deferred") if outcome.summary[name])
    tokens = model.prompt_tokens + model.completion_tokens
    shares = f"{right / size:7.3f} {right / max(1, len(articles)):10.3f}"
    order = "yes" if articles == sorted(articles) else "NO"
    costs = f"{model.calls:6} {least_calls:6} {tokens / least_tokens:15.2f} {seconds:8.1f}"
    return f"{size:7,} {math.ceil(size / PER_PAGE):6} {limit:6,} {shares}  {order:>5}  {status:<8} {costs}"


def _memory() -> None:
    """Peak memory of the command over a long document and over one of a tenth of its pages."""
    print("== memory\n   pages  peak MB  rows of documents, pages, items  status")
    peaks = []
    for pages in (200, 2_000):
        with tempfile.TemporaryDirectory() as place, row_model() as model:
            folder, out = Path(place), Path(place) / "out"
            write(folder / "in" / "list.pdf", [row(number) for number in range(4 * pages)], 4)
            (folder / "stock.schema.json").write_text(json.dumps(SCHEMA))
            command = ["run", folder / "in", "--type", folder / "stock.schema.json", "--out", out]
            process = subprocess.Popen(
                [sys.executable, "-m", "flows.cli", *map(str, command)],
                env={
                    **os.environ,
                    "PYTHONPATH": str(ROOT),
                    "PAGEMILL_BASE_URL": model.url,
                    "PAGEMILL_CACHE_DIR": place,
                },
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            peak = 0
            while process.poll() is None:
                with suppress(psutil.Error):
                    peak = max(peak, psutil.Process(process.pid).memory_info().rss)
                time.sleep(0.1)
            counts = [
                duckdb.sql(f"select count(*) from '{out}/{table}/*.parquet'").fetchall()[0][0]
                for table in ("documents", "pages", "stock_list_rows")
            ]
            status = duckdb.sql(f"select status from '{out}/documents/*.parquet'").fetchall()
        peaks.append(peak)
        print(f"{pages:8,} {peak / 2**20:8.0f}  {counts}  {status}", flush=True)
    print(f"   ten times the pages: {peaks[1] / peaks[0]:.2f} times the memory")


def _least(kind: DocumentType, rows: list[Any], limit: int, folder: Path) -> tuple[int, int]:
    """Calls and tokens of somebody who knew the answer: it fills each output limit, and no page is sent twice."""
    names = ("article", "name", "quantity", "price")
    items = [dict(zip(names, each, strict=True)) | {"price": float(each[3])} for each in rows]
    answer = count_text(json.dumps({"number": f"L-{len(rows)}", "rows": items}))
    pages = duckdb.sql(f"select sum(tokens) from '{folder}/out/pages/*.parquet'").fetchall()[0][0]
    calls = math.ceil(answer / limit)
    return calls, calls * frame_tokens(kind) + pages + answer


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


if __name__ == "__main__":
    main()
