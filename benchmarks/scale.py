"""An archive as it grows: a whole backfill of small documents, measured from outside, and what lies beyond it, extrapolated.

    python benchmarks/scale.py [--sizes 500,5000]

For each size `pagemill run` extracts so many one-page invoices, each of other content, against a model server on loopback that
answers at once. Told are documents a second, CPU a document by part (the command itself, its split processes, Prefect's server),
peak memory of the command, growth of Prefect's database, and the share of Prefect in all CPU: its server's own, and what the
command takes more than the same work without Prefect. Start-up is measured with an archive of one document and named apart.
Planning to 1,000,000 documents is `benchmarks/dataset.py plan`.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pymupdf

ROOT = Path(__file__).resolve().parent.parent
PARTS = {"server": r"flows\.server", "split": r"multiprocessing"}
WITHOUT = """
import sys
import flows.run
from tests.support.quick import without_prefect
flows.run.through_prefect = without_prefect
from flows.cli import main
sys.exit(main(sys.argv[1:]))
"""
BEYOND = (100_000, 1_000_000, 10_000_000)


@dataclass
class Measured:
    """One command from outside: seconds, CPU seconds and peak bytes by part."""

    seconds: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)
    peak: dict[str, int] = field(default_factory=dict)
    database: int = 0

    def of(self, part: str) -> float:
        """CPU seconds of a part."""
        return self.cpu.get(part, 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=lambda text: [int(each) for each in text.split(",")], default=[500, 5_000])
    sizes = parser.parse_args().sizes
    with tempfile.TemporaryDirectory() as place, served() as url:
        folder = Path(place)
        start = measured(folder, "start", 1, url)
        print(
            f"start-up: {start.seconds:.1f} s, CPU {start.of('main'):.1f} s command + {start.of('server'):.1f} s Prefect's server"
        )
        print(
            "documents  docs/s  CPU ms a document: command   split  server  peak MB  database MB / 1,000  Prefect ÷ all CPU"
        )
        last = None
        for size in sizes:
            run = measured(folder, f"with{size}", size, url)
            bare = measured(folder, f"bare{size}", size, url, without=True)
            last = (size, run)
            report(size, run, bare, start)
        if last is not None:
            extrapolate(*last, start)


def report(size: int, run: Measured, bare: Measured, start: Measured) -> None:
    spent = {part: max(0.0, run.of(part) - start.of(part)) for part in ("main", "split", "server")}
    client = max(0.0, run.of("main") - bare.of("main"))
    share = (run.of("server") + client) / (sum(run.cpu.values()) or 1)
    warm = (spent["server"] + max(0.0, client - start.of("main"))) / (sum(spent.values()) or 1)
    print(
        f"{size:9,} {size / run.seconds:7.1f} {spent['main'] / size * 1e3:27.1f} {spent['split'] / size * 1e3:7.1f} "
        f"{spent['server'] / size * 1e3:7.1f} {run.peak.get('main', 0) / 1e6:8.0f} "
        f"{max(0, run.database - start.database) / 1e6 / size * 1e3:20.2f} {share:12.1%} ({warm:.1%} without start-up)",
        flush=True,
    )


def extrapolate(size: int, run: Measured, start: Measured) -> None:
    """Straight lines from the largest run: marked as what they are."""
    each = (run.seconds - start.seconds) / size
    rows = max(0, run.database - start.database) / size
    print(f"beyond, extrapolated from {size:,} documents of one page on this machine (a model that answers at once):")
    for beyond in BEYOND:
        print(
            f"{beyond:11,} documents: {beyond * each / 3600:7.1f} h, Prefect's database {beyond * rows / 1e6:8.1f} MB"
        )
    parts = {part: run.of(part) - start.of(part) for part in ("main", "split", "server")}
    print(f"the first bottleneck is {max(parts, key=lambda part: parts[part])}: most of the CPU")


def measured(folder: Path, name: str, size: int, url: str, *, without: bool = False) -> Measured:
    """Run the command over `size` documents and look at its processes until it ends."""
    archive = folder / f"in{size}"
    make_archive(archive, size)
    command = ["-c", WITHOUT] if without else ["-m", "flows.cli"]
    home = folder / f"cache-{name}"
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "PAGEMILL_BASE_URL": url, "PAGEMILL_API_KEY": "none",
        "PAGEMILL_CACHE_DIR": str(home), "PAGEMILL_CONFIRM_ABOVE": "1e9",
    }  # fmt: skip
    result = Measured()
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *command, "run", str(archive), "--type", "invoice", "--out", str(folder / f"out-{name}"), "--json"],
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
                        times, memory = each.cpu_times(), each.memory_info().rss
                        seen[each.pid] = (part, times.user + times.system)
                        result.peak[part] = max(result.peak.get(part, 0), memory)

    watcher = threading.Thread(target=look)
    watcher.start()
    out, _ = process.communicate()
    done.set()
    watcher.join()
    assert process.returncode == 0, out
    result.seconds = time.monotonic() - began
    for part, spent in seen.values():
        result.cpu[part] = result.cpu.get(part, 0.0) + spent
    result.database = (
        sum(path.stat().st_size for path in (home / "prefect").glob("prefect.db*"))
        if (home / "prefect").exists()
        else 0
    )
    return result


def part_of(process: psutil.Process, parent: psutil.Process) -> str:
    if process.pid == parent.pid:
        return "main"
    line = " ".join(process.cmdline())
    return next((part for part, pattern in PARTS.items() if re.search(pattern, line)), "other")


def make_archive(folder: Path, size: int) -> None:
    if folder.exists():
        return
    folder.mkdir()
    for number in range(size):
        with pymupdf.open() as document:
            page = document.new_page()
            lines = (
                f"Seller: Vendor {number % 40} Ltd", f"Invoice number: R-{number:06d}", "Invoice date: 2026-03-01",
                f"Net total: {100 + number}.00", f"Total: {100 + number}.00", "Currency: EUR",
            )  # fmt: skip
            for place, line in enumerate(lines):
                page.insert_text((60, 80 + 22 * place), line)
            document.save(folder / f"{number:06d}.pdf")


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
