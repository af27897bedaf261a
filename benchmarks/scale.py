"""An archive as it grows: a whole backfill of small documents, measured from outside, and what lies beyond it, extrapolated.

    python benchmarks/scale.py [run] [plan] [--sizes 500,5000] [--planned 1000000]

`run`: for each size `pagemill run` extracts so many invoices of one page and ten lines, each of other content, against a model
server on loopback that answers at once, with a Prefect server that stands already, as beside `serve` or `deploy`. Told are
documents a second, CPU a document by part (the command, its split processes, which are PyMuPDF but for a little, Prefect's
server), peak memory of the command, rows and bytes that Prefect's database grows by, and the share of Prefect in all CPU: its
server's, and what the command takes more than the same command without Prefect, its import included. What a first start of
everything costs is named apart. `plan`: an archive of so many files that were never seen, listed and planned by
`pagemill run --limit 1`.
"""

import argparse
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import pymupdf

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from flows.runs.prefect_server import ChildServer  # noqa: E402

PARTS = {"server": r"flows\.runs\.prefect_server", "split": r"multiprocessing"}
WITHOUT = """
import sys
import flows.runs.run
from tests.support.quick import without_prefect
flows.runs.run.through_prefect = without_prefect
from flows.cli import main
sys.exit(main(sys.argv[1:]))
"""
BEYOND = (100_000, 1_000_000, 10_000_000)


@dataclass
class Measured:
    """One command from outside: its summary, seconds, CPU seconds and peak bytes by part; rows and bytes of the database."""

    summary: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)
    peak: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    database: int = 0

    def of(self, part: str) -> float:
        """CPU seconds of a part."""
        return self.cpu.get(part, 0.0)


@dataclass
class Standing:
    """A Prefect server that runs already."""

    home: Path
    url: str
    process: psutil.Process

    def cpu(self) -> float:
        """Its CPU seconds so far."""
        return spent_by(self.process)

    def rows(self) -> int:
        """Rows of all tables of its database."""
        with closing(sqlite3.connect(self.home / "prefect.db")) as base:
            names = [name for (name,) in base.execute("select name from sqlite_master where type = 'table'")]
            return sum(base.execute(f'select count(*) from "{name}"').fetchone()[0] for name in names)

    def database(self) -> int:
        """Its bytes on disk, once what was written aside is in it."""
        with closing(sqlite3.connect(self.home / "prefect.db")) as base:
            base.execute("pragma wal_checkpoint(truncate)")
        return (self.home / "prefect.db").stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measures", nargs="*", choices=["run", "plan", []], help="default: both")
    parser.add_argument("--sizes", type=lambda text: [int(each) for each in text.split(",")], default=[500, 5_000])
    parser.add_argument("--planned", type=int, default=1_000_000)
    chosen = parser.parse_args()
    measures = chosen.measures or ["run", "plan"]
    with tempfile.TemporaryDirectory() as place, served() as url:
        if "run" in measures:
            runs(Path(place), url, chosen.sizes)
        if "plan" in measures:
            planned(Path(place), url, chosen.planned)


def runs(folder: Path, url: str, sizes: list[int]) -> None:
    first = measured(folder, "first", 1, url)
    print(
        f"the first run of all, with one document and a Prefect server of its own: {first.seconds:.1f} s, "
        f"CPU {first.of('main'):.1f} s command + {first.of('server'):.1f} s server"
    )
    with standing(folder / "home") as server:
        start = measured(folder, "start", 1, url, server)
        print(
            "documents  docs/s  CPU ms a document: command   split  server  peak MB  database rows, kB / 1,000  Prefect ÷ all CPU"
        )
        for size in sizes:
            run = measured(folder, f"with{size}", size, url, server)
            bare = measured(folder, f"bare{size}", size, url, without=True)
            report(size, run, bare, start)
    extrapolate(size, run, start)


def report(size: int, run: Measured, bare: Measured, start: Measured) -> None:
    cpu = {part: max(0.0, run.of(part) - start.of(part)) / size * 1e3 for part in ("main", "split", "server")}
    client = max(0.0, run.of("main") - bare.of("main"))
    print(
        f"{size:9,} {size / run.seconds:7.1f} {cpu['main']:27.1f} {cpu['split']:7.1f} {cpu['server']:7.1f} "
        f"{run.peak.get('main', 0) / 1e6:8.0f} {run.rows / size * 1e3:14.0f} {run.database / 1e3 / size * 1e3:11.0f} "
        f"{(run.of('server') + client) / sum(run.cpu.values()):18.1%} "
        f"(client {client:.1f} s, server {run.of('server'):.1f} s, all {sum(run.cpu.values()):.1f} s)",
        flush=True,
    )


def extrapolate(size: int, run: Measured, start: Measured) -> None:
    """Straight lines from the largest run: marked as what they are."""
    seconds, bytes_, rows = (
        max(0, run.seconds - start.seconds) / size, max(0, run.database - start.database) / size, run.rows / size
    )  # fmt: skip
    cost = run.summary["cost_usd"] / size
    print(f"beyond, extrapolated from {size:,} documents of one page on this machine (a model that answers at once):")
    for beyond in BEYOND:
        print(
            f"{beyond:11,} documents: {beyond * seconds / 3600:6.1f} h, Prefect's database {beyond * rows:9,.0f} rows, "
            f"{beyond * bytes_ / 1e6:7.1f} MB, ${beyond * cost:9,.0f} at the price of the model table"
        )
    parts = {part: run.of(part) - start.of(part) for part in ("main", "split", "server")}
    print(f"the first bottleneck is `{max(parts, key=lambda part: parts[part])}`: most of the CPU")


def planned(folder: Path, url: str, count: int) -> None:
    """List and plan so many files, and extract one of them."""
    archive = folder / "many"
    (body,) = make_archive(folder / "one", 1)
    content = body.read_bytes()
    for number in range(count):
        within = archive / f"{number // 10_000:05d}"
        if number % 10_000 == 0:
            within.mkdir(parents=True)
        (within / f"{number:08d}.pdf").write_bytes(content)
    run = command(folder, "planned", archive, url, extra=["--limit", "1"])
    assert run.summary["discovered"] == count, run.summary
    print(
        f"{count:,} files that were never seen: listed, planned, one extracted in {run.seconds:.1f} s, "
        f"peak {run.peak.get('main', 0) / 1e6:.0f} MB"
    )


def measured(
    folder: Path, name: str, size: int, url: str, server: Standing | None = None, *, without: bool = False
) -> Measured:
    """Run the command over `size` documents; with `server`, what it spent and grew by meanwhile is counted, too."""
    archive = folder / f"in{size}"
    make_archive(archive, size)
    before = (server.cpu(), server.rows(), server.database()) if server else (0.0, 0, 0)
    result = command(folder, name, archive, url, server, without=without)
    if server is not None:
        time.sleep(3)  # it writes what happened a little later
        result.cpu["server"] = server.cpu() - before[0]
        result.rows, result.database = server.rows() - before[1], server.database() - before[2]
    return result


def command(
    folder: Path, name: str, archive: Path, url: str, server: Standing | None = None, *,
    without: bool = False, extra: list[str] | None = None,
) -> Measured:  # fmt: skip
    """Run `pagemill run` and look at its processes until it ends."""
    environment: Mapping[str, str] = {
        **os.environ, "PYTHONPATH": str(ROOT), "PAGEMILL_BASE_URL": url, "PAGEMILL_API_KEY": "none",
        "PAGEMILL_CACHE_DIR": str(folder / f"cache-{name}"), "PAGEMILL_CONFIRM_ABOVE": "1e9",
        **({"PREFECT_API_URL": server.url} if server else {}),
    }  # fmt: skip
    result = Measured()
    began = time.monotonic()
    process = subprocess.Popen(
        [
            sys.executable, *(["-c", WITHOUT] if without else ["-m", "flows.cli"]), "run", str(archive), "--type", "invoice",
            "--out", str(folder / f"out-{name}"), "--json", *(extra or []),
        ],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    seen: dict[int, tuple[str, float]] = {}
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.1):
            with suppress(psutil.Error):
                parent = psutil.Process(process.pid)
                for each in (parent, *parent.children(recursive=True)):
                    with suppress(psutil.Error):
                        part = part_of(each, parent)
                        seen[each.pid] = (part, spent_by(each))
                        result.peak[part] = max(result.peak.get(part, 0), each.memory_info().rss)

    watcher = threading.Thread(target=look)
    watcher.start()
    out, _ = process.communicate()
    done.set()
    watcher.join()
    assert process.returncode == 0, out
    result.seconds, result.summary = time.monotonic() - began, json.loads(out)
    for part, spent in seen.values():
        result.cpu[part] = result.cpu.get(part, 0.0) + spent
    return result


def part_of(process: psutil.Process, parent: psutil.Process) -> str:
    if process.pid == parent.pid:
        return "main"
    line = " ".join(process.cmdline())
    return next((part for part, pattern in PARTS.items() if re.search(pattern, line)), "other")


def spent_by(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def make_archive(folder: Path, size: int) -> list[Path]:
    if folder.exists():
        return sorted(folder.iterdir())
    folder.mkdir()
    for number in range(size):
        with pymupdf.open() as document:
            page = document.new_page()
            for place, line in enumerate(lines_of(number)):
                page.insert_text((60, 60 + 18 * place), line, fontsize=10)
            document.save(folder / f"{number:06d}.pdf")
    return sorted(folder.iterdir())


def lines_of(number: int) -> list[str]:
    """An invoice of ten lines on one page, other than every other."""
    items = [(1 + (number + place) % 9, Decimal(number % 97 + 7 * place + 1) / 4) for place in range(10)]
    net = sum((count * price for count, price in items), Decimal(0))
    tax = (net * Decimal("0.19")).quantize(Decimal("0.01"))
    rows = [
        f"Part {number % 50}-{place} of steel   {count}   {price:.2f}   {count * price:.2f}"
        for place, (count, price) in enumerate(items)
    ]
    return [
        f"Seller: Vendor {number % 40} Ltd", f"{1 + number % 80} Harbour Street, Northport", "",
        f"Invoice number: R-{number:06d}", "Invoice date: 2026-03-01", f"Buyer: Customer {number % 300} GmbH",
        "Payment within 30 days of the date of this invoice.", "",
        "Description          Quantity   Unit price   Amount", *rows, "",
        f"Net total: {net:.2f}", f"Tax: {tax:.2f}", f"Total: {net + tax:.2f}", "Currency: EUR",
        "Goods remain our property until they are paid for in full. Place of jurisdiction is Northport.",
    ]  # fmt: skip


@contextmanager
def standing(home: Path) -> Iterator[Standing]:
    """A Prefect server that has come to rest."""
    server = ChildServer(home)
    try:
        url = server.url()
        (process,) = (
            each for each in psutil.Process().children() if "flows.runs.prefect_server" in " ".join(each.cmdline())
        )
        time.sleep(5)
        yield Standing(home, url, process)
    finally:
        server.stop()


@contextmanager
def served() -> Iterator[str]:
    """The tests' model server, in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.model_server", "--log", os.devnull],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.kill()
        process.communicate()


if __name__ == "__main__":
    main()
