"""Time of a command beside its calls, measured from outside: start, end, and the whole against the least possible.

    python benchmarks/startup.py [MEASURE ...] [--times N] [--documents 400] [--slots 32] [--seconds 1]

Measures: `help`, `nothing` (a run that finds nothing new), `try`, `one` (one document), `first` (one document with an empty
cache, as on a new machine), `many` (all documents) and `peer` (the same work as a plain asyncio loop: startup_peer.py).
`--tree` measures another checkout, for a before and an after on one machine. The model server is a process of its own on
loopback that answers after `--seconds`. The command is `pagemill` as it was installed, with compiled modules. Each line has the
median of N times and the range. CPU and memory are those of the command and all its children; on a machine with other work,
trust CPU seconds and ratios more than seconds.
"""

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pymupdf

ROOT = Path(__file__).resolve().parent.parent
PAGEMILL = str(Path(sys.executable).parent / "pagemill")
EVERY = 0.1  # seconds between two looks at the processes


@dataclass
class Seen:
    """One command from outside. Times are seconds from its start; those of calls are as the model server saw them."""

    seconds: float = 0.0
    asked: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    cpu: dict[int, float] = field(default_factory=dict)
    spent: list[tuple[float, float]] = field(default_factory=list)  # moments, and CPU seconds of all until then
    peak: int = 0
    out: str = ""

    def spent_until(self, moment: float) -> float:
        """CPU seconds of all processes until then."""
        return max((cpu for at, cpu in self.spent if at <= moment), default=0.0)


@dataclass(frozen=True)
class Options:
    """Options of a measurement."""

    folder: Path
    times: int
    documents: int
    slots: int
    seconds: float
    tree: Path

    @property
    def ideal(self) -> float:
        """The least seconds that all calls can take."""
        return -(-self.documents // self.slots) * self.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measures", nargs="*", choices=[*MEASURES, "serve", []], help="default: all")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--documents", type=int, default=400)
    parser.add_argument("--slots", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=1.0, help="that a call takes")
    parser.add_argument(
        "--tree", type=Path, default=ROOT, help="another checkout, whose command is measured in its place"
    )
    parser.add_argument("--log", type=Path, help="of `serve`")
    chosen = parser.parse_args()
    if chosen.measures == ["serve"]:
        asyncio.run(serve(chosen.seconds, chosen.log))
        return
    with tempfile.TemporaryDirectory() as folder:
        options = Options(Path(folder), chosen.times, chosen.documents, chosen.slots, chosen.seconds, chosen.tree)
        make_archive(options.folder / "many" / "in", options.documents)
        make_archive(options.folder / "one" / "in", 1)
        command(
            options,
            ["run", str(options.folder / "one" / "in"), "--type", "invoice", "--out", str(options.folder / "warm")],
        )
        for name in chosen.measures or MEASURES:
            MEASURES[name](options)


def helped(options: Options) -> None:
    told("pagemill --help", {"whole command, s": [command(options, ["--help"]).seconds for _ in range(options.times)]})


def nothing(options: Options) -> None:
    words = run_of(options.folder / "one", options.folder / "done")
    command(options, words)
    seen = [command(options, words) for _ in range(options.times)]
    assert not any(each.asked for each in seen)
    told("nothing to do", {"whole command, s": [each.seconds for each in seen], "CPU, s": [cpu(each) for each in seen]})


def tried(options: Options) -> None:
    (document,) = (options.folder / "one" / "in").iterdir()
    seen = []
    for number in range(options.times):
        document.write_bytes(
            document.read_bytes() + b"\n" * (number + 1)
        )  # other bytes: an answer of before is not taken
        seen.append(command(options, ["try", str(document), "--type", "invoice"]))
    told(f"try, with one call of {options.seconds:g} s", times_of(seen))


def one(options: Options) -> None:
    seen = [
        command(options, run_of(options.folder / "one", options.folder / f"out-one-{number}"))
        for number in range(options.times)
    ]
    told(f"one document, with one call of {options.seconds:g} s", times_of(seen))


def first(options: Options) -> None:
    seen = [
        command(
            options,
            run_of(options.folder / "one", options.folder / f"out-first-{number}"),
            {"PAGEMILL_CACHE_DIR": str(options.folder / f"cache-{number}")},
        )
        for number in range(options.times)
    ]
    told("one document, the first time on a machine", times_of(seen))


def many(options: Options) -> None:
    seen = []
    for number in range(options.times):
        words = [
            *run_of(options.folder / "many", options.folder / f"out-many-{number}"),
            "--concurrency",
            str(options.slots),
        ]
        seen.append(command(options, words))
        assert json.loads(seen[-1].out)["failed"] == 0, seen[-1].out
    told(f"{options.documents} documents, {options.slots} slots", figures_of(options, seen))


def peer(options: Options) -> None:
    script = [sys.executable, str(ROOT / "benchmarks" / "startup_peer.py"), str(options.folder / "many")]
    seen = [watched(options, lambda url: [*script, url, str(options.slots)]) for _ in range(options.times)]
    told(f"{options.documents} documents through a plain asyncio loop", figures_of(options, seen))


def figures_of(options: Options, seen: Sequence[Seen]) -> dict[str, list[float]]:
    return {
        **times_of(seen),
        f"whole ÷ ideal of {options.ideal:g} s": [each.seconds / options.ideal for each in seen],
        "first to last answer ÷ ideal": [
            (max(each.answered) - min(each.asked)) / options.ideal for each in seen
        ],
        "peak of all processes, MB": [each.peak / 1e6 for each in seen],
        "CPU a document, ms": [cpu(each) / options.documents * 1e3 for each in seen],
    }  # fmt: skip


def times_of(seen: Sequence[Seen]) -> dict[str, list[float]]:
    return {
        "first request after, s": [min(each.asked) for each in seen],
        "CPU until then, s": [each.spent_until(min(each.asked)) for each in seen],
        "end after the last answer, s": [each.seconds - max(each.answered) for each in seen],
        "CPU since then, s": [cpu(each) - each.spent_until(max(each.answered)) for each in seen],
        "whole command, s": [each.seconds for each in seen],
        "CPU, s": [cpu(each) for each in seen],
    }


def cpu(seen: Seen) -> float:
    return sum(seen.cpu.values())


def told(name: str, figures: Mapping[str, Sequence[float]]) -> None:
    print(f"== {name}")
    for what, values in figures.items():
        print(f"   {what:32} {statistics.median(values):8.2f}  ({min(values):.2f} to {max(values):.2f})", flush=True)


def run_of(place: Path, out: Path) -> list[str]:
    return ["run", str(place / "in"), "--type", "invoice", "--out", str(out), "--json"]


def command(options: Options, words: Sequence[str], environment: Mapping[str, str] | None = None) -> Seen:
    line = [PAGEMILL] if options.tree == ROOT else [sys.executable, "-m", "flows.cli"]
    return watched(options, lambda _: [*line, *words], environment)


def watched(
    options: Options, line: Callable[[str], Sequence[str]], environment: Mapping[str, str] | None = None
) -> Seen:
    """Run a command beside a fresh model server and look at its processes until it ends."""
    seen, done = Seen(), threading.Event()
    log = options.folder / "calls.txt"
    with served(options.seconds, log) as url:
        given = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "PYTHON"))},
            "PAGEMILL_BASE_URL": url, "PAGEMILL_API_KEY": "none", "PAGEMILL_CONFIRM_ABOVE": "1e9",
            "PAGEMILL_CACHE_DIR": str(options.folder / "cache"), **(environment or {}),
        }  # fmt: skip
        began = time.monotonic()
        process = subprocess.Popen(
            line(url), cwd=options.tree, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        watcher = threading.Thread(target=partial(look, process.pid, seen, done, began))
        watcher.start()
        seen.out, said = process.communicate()
        seen.seconds = time.monotonic() - began
        done.set()
        watcher.join()
        assert process.returncode == 0, said
    for entry in log.read_text().splitlines():
        event, at = entry.split()
        (seen.asked if event == "asked" else seen.answered).append(float(at) - began)
    return seen


def look(pid: int, seen: Seen, done: threading.Event, began: float) -> None:
    known: dict[int, psutil.Process] = {}
    while not done.wait(EVERY):
        with suppress(psutil.Error):
            parent = psutil.Process(pid)
            known |= {each.pid: each for each in (parent, *parent.children(recursive=True)) if each.pid not in known}
        total = 0
        for each in known.values():
            with suppress(psutil.Error), each.oneshot():
                spent = each.cpu_times()
                seen.cpu[each.pid] = spent.user + spent.system
                total += each.memory_info().rss
        seen.peak = max(seen.peak, total)
        seen.spent.append((time.monotonic() - began, cpu(seen)))


@contextmanager
def served(seconds: float, log: Path) -> Iterator[str]:
    """The model server, in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve()), "serve", "--seconds", str(seconds), "--log", str(log)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.kill()
        process.communicate()


async def serve(seconds: float, log: Path) -> None:
    """Answer each request after so many seconds, and note when it was asked and answered."""
    with log.open("w", buffering=1) as noted:

        async def one_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode()
                    sized = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
                    body = await reader.readexactly(int(sized[1]) if sized else 0)
                    answer = MODELS
                    if head.startswith("POST"):
                        noted.write(f"asked {time.monotonic()}\n")
                        await asyncio.sleep(seconds)
                        answer = answer_to(body)
                    said = json.dumps(answer).encode()
                    writer.write(
                        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(said)
                    )
                    writer.write(said)
                    if head.startswith("POST"):
                        noted.write(f"answered {time.monotonic()}\n")
            writer.close()

        server = await asyncio.start_server(one_connection, "127.0.0.1", 0, backlog=512)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


MODELS = {"object": "list", "data": [{"id": "any", "object": "model"}]}


def answer_to(body: bytes) -> dict[str, Any]:
    """The invoice of `lines_of` whose number is in the request."""
    number = re.search(rb"R-(\d{6})", body)
    items = [
        {"description": f"Part {place} of steel", "quantity": 2, "unit_price": 1.5 + place, "amount": 3 + 2 * place}
        for place in range(10)
    ]
    record = {
        "number": f"R-{number[1].decode() if number else ''}", "issue_date": "2026-03-01", "currency": "EUR",
        "seller": {"name": "Vendor Ltd"}, "net_total": 120, "tax_total": 22.8, "gross_total": 142.8, "line_items": items,
    }  # fmt: skip
    message = {"role": "assistant", "content": json.dumps(record)}
    return {
        "id": "1", "object": "chat.completion", "created": 1, "model": "any",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 900, "completion_tokens": 400, "total_tokens": 1300},
    }  # fmt: skip


def make_archive(folder: Path, size: int) -> None:
    folder.mkdir(parents=True)
    for number in range(size):
        with pymupdf.open() as document:
            page = document.new_page()
            for place, line in enumerate(lines_of(number)):
                page.insert_text((60, 60 + 18 * place), line, fontsize=10)
            document.save(folder / f"{number:06d}.pdf")


def lines_of(number: int) -> list[str]:
    """An invoice of ten lines on one page, other than every other by its number."""
    items = [f"Part {place} of steel   2   {1.5 + place:.2f}   {3 + 2 * place:.2f}" for place in range(10)]
    return [
        "Seller: Vendor Ltd", "1 Harbour Street, Northport", "", f"Invoice number: R-{number:06d}", "Date: 2026-03-01", "",
        "Description          Quantity   Unit price   Amount", *items, "",
        "Net total: 120.00", "Tax: 22.80", "Total: 142.80", "Currency: EUR",
    ]  # fmt: skip


MEASURES: dict[str, Callable[[Options], None]] = {
    "help": helped,
    "nothing": nothing,
    "try": tried,
    "one": one,
    "first": first,
    "many": many,
    "peer": peer,
}

if __name__ == "__main__":
    main()
