"""What asking costs and loses under faults, measured against a model server of ours that fails on demand.

    python benchmarks/ask.py [MEASURE ...] [--documents N] [--seconds N]

`throughput` and `capacity` ask through the Python API, the others run the real command over small invoices drawn on the
spot. The model server's own log and bill are what is believed. Everything is written to a temporary folder.
"""

import argparse
import asyncio
import hashlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pymupdf

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from extractors.tabulate.tabulate import call_row  # noqa: E402 - the project's root is on the path only now
from flows.storage.backends.journal import Segment  # noqa: E402
from schemas.step_data import Completion, Request  # noqa: E402
from tests.support.fault_server import MODEL, FaultServer, started_apart  # noqa: E402

SLOTS = 64
CALLS, REPEATS = 1_000, 3  # of the measure of throughput
CAPACITY_SECONDS, BIN = 140, 10.0
CAPACITY = ((0, 64), (20, 8), (100, 64))  # seconds and slots
SEED_PRICES = (0.35, 0.55)  # USD per million tokens in and out
COMMAND_SECONDS = 3_600.0  # then a command is ended: it would never end by itself
SCHEMA = {
    "type": "object",
    "properties": {"number": {"type": ["string", "null"]}, "items": {"type": "array", "items": {"type": "string"}}},
    "required": ["number", "items"],
    "additionalProperties": False,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measures", nargs="*", choices=[*MEASURES, []], help="default: all")
    parser.add_argument("--documents", type=int, help="instead of each measure's own number")
    parser.add_argument("--seconds", type=float, default=180.0, help="that the outage lasts")
    parser.add_argument("--rate", type=float, default=0.4, help="share of calls that fail in `faults`")
    parser.add_argument("--kinds", help="the faults of `faults`, comma-separated; default: all")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:  # Prefect's database is migrated once
        for name in arguments.measures or MEASURES:
            began = time.monotonic()
            print(f"== {name}", flush=True)
            with tempfile.TemporaryDirectory() as folder:
                MEASURES[name](Bench(Path(folder), Path(cache), arguments))
            print(f"   ({time.monotonic() - began:.0f} s)", flush=True)


@dataclass(frozen=True)
class Finished:
    """A command that has ended: its exit code, its summary, the last thing it said, and why documents failed."""

    code: int
    summary: Mapping[str, Any]
    said: str
    failures: Counter[str]
    seconds: float


@dataclass(frozen=True)
class Bench:
    """Where one measure works, and what the command line wants of it."""

    folder: Path
    cache: Path
    options: argparse.Namespace

    @property
    def log(self) -> Path:
        """Where the model server notes what it does."""
        return self.folder / "server.jsonl"

    @property
    def journal(self) -> Path:
        """Where answers are kept when they are asked for without the command."""
        return self.folder / "journal"

    def documents(self, usual: int, name: str = "documents") -> Path:
        """A folder with as many small invoices, no two alike."""
        folder = self.folder / name
        folder.mkdir()
        for number in range(self.options.documents or usual):
            _invoice(folder / f"invoice{number:04d}.pdf", number)
        return folder

    def run(self, server: FaultServer, source: Path, *flags: object, **environment: object) -> Finished:
        """`pagemill run` over `source`, in a process of its own."""
        out_folder = source.with_suffix(".out")
        command = [sys.executable, "-m", "flows.cli", "run", source, "--type", "invoice", "--out", out_folder]
        given = {**server.environment, **environment, "PYTHONPATH": ROOT, "PAGEMILL_CACHE_DIR": self.cache}
        began = time.monotonic()
        process = subprocess.Popen(
            [str(part) for part in (*command, "--json", *flags)],
            cwd=self.folder,
            env={**os.environ, **{name: str(value) for name, value in given.items()}},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            out, said = process.communicate(timeout=COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            process.terminate()
            out, said = process.communicate()
        seconds = time.monotonic() - began
        last = said.strip().split("\n")[-1]
        summary = json.loads(out) if out.startswith("{") else {}
        return Finished(process.returncode, summary, last, _failures(out_folder), seconds)


def throughput(bench: Bench) -> None:
    """Time of 1,000 calls with the journal / (calls * latency / slots), and the same for a bare client beside it."""
    latency = 1.0
    ideal = CALLS * latency / SLOTS
    ratios = []
    for _ in range(REPEATS):
        with started_apart(bench.log, "--slots", SLOTS, "--latency", latency, "--answer", "fixed") as server:
            cpu = time.process_time()
            seconds = asyncio.run(_ask_all(bench, server))
            cpu = time.process_time() - cpu
            refused = server.bill()["by_kind"].get("busy", {"calls": 0})["calls"]
        with started_apart(bench.log, "--slots", SLOTS, "--latency", latency, "--answer", "fixed") as server:
            bare = asyncio.run(_ask_bare(server)) / ideal
        ratios.append(seconds / ideal)
        own = f"{ratios[-1]:.3f}, {refused} refused, {1000 * cpu / CALLS:.1f} ms of our CPU a call"
        print(f"   {CALLS} calls / ideal: {own}; bare {bare:.3f}")
    print(f"   median {statistics.median(ratios):.3f}")


async def _ask_all(bench: Bench, server: FaultServer) -> float:
    segment = Segment(bench.journal)
    async with _answers(bench, server) as answers:
        began = time.monotonic()
        await asyncio.gather(*(answers.get(_request(number), _keeper(segment, number)) for number in range(CALLS)))
        seconds = time.monotonic() - began
    segment.close()
    return seconds


async def _ask_bare(server: FaultServer) -> float:
    """What this machine can do: the same calls without protocol library, pressure, account and journal."""
    form = {"type": "json_schema", "json_schema": {"name": "small", "schema": SCHEMA, "strict": True}}
    slots = asyncio.Semaphore(SLOTS)
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=SLOTS), timeout=60, trust_env=False) as client:

        async def post(number: int) -> None:
            body = {"model": MODEL, "messages": _request(number).messages, "response_format": form}
            async with slots:
                (await client.post(f"{server.url}/chat/completions", json=body)).raise_for_status()

        began = time.monotonic()
        await asyncio.gather(*(post(number) for number in range(CALLS)))
        return time.monotonic() - began


def capacity(bench: Bench) -> None:
    """The share of refused calls, and answers ÷ capacity, while the number of slots falls and returns."""
    latency = 0.25
    steps = ",".join(f"{since}:{slots}" for since, slots in CAPACITY)
    with started_apart(bench.log, "--capacity", steps, "--latency", latency, "--answer", "fixed") as server:
        asyncio.run(_ask_for(bench, server))
        entries = server.entries()
    first = entries[0]["at"]
    asked, refused, answered = (
        [entry["at"] - first for entry in entries if entry["event"] == event]
        for event in ("asked", "fault", "answered")
    )
    print(f"   {'from s':>7} {'slots':>6} {'asked':>6} {'429':>6} {'answered ÷ capacity':>20}")
    for number in range(int(CAPACITY_SECONDS / BIN)):
        start = number * BIN
        slots = [each for since, each in CAPACITY if since <= start][-1]
        calls, turned_away, done = (_between(times, start, start + BIN) for times in (asked, refused, answered))
        share = _share(turned_away, calls)
        print(f"   {start:7.0f} {slots:6} {calls:6} {share:6.1%} {done / (slots * BIN / latency):20.2f}")
    minute, end = 60.0, float("inf")
    share = _share(_between(refused, minute, end), _between(asked, minute, end))
    print(f"   429 after the first minute / calls: {share:.2%}; over all {_share(len(refused), len(asked)):.2%}")


async def _ask_for(bench: Bench, server: FaultServer) -> None:
    """As many calls at once as the most slots, each followed by the next."""
    segment = Segment(bench.journal)
    numbers = iter(range(sys.maxsize))
    ends = time.monotonic() + CAPACITY_SECONDS

    async def caller(answers: Any) -> None:
        while time.monotonic() < ends:
            number = next(numbers)
            await answers.get(_request(number), _keeper(segment, number))

    async with _answers(bench, server) as answers:
        await asyncio.gather(*(caller(answers) for _ in range(SLOTS)))
    segment.close()


@asynccontextmanager
async def _answers(bench: Bench, server: FaultServer) -> AsyncIterator[Any]:
    """The layer that is measured, as a run sets it up."""
    from flows.model.budget import Spending  # noqa: PLC0415
    from flows.model.endpoint import Endpoint  # noqa: PLC0415
    from flows.model.single_flight import Answers  # noqa: PLC0415 - the other measures run the command only
    from flows.settings import load_settings  # noqa: PLC0415

    settings = load_settings(base_url=server.url, model=MODEL, concurrency=SLOTS, cache_dir=bench.cache)
    endpoint = Endpoint(settings, server.url, "benchmark", Spending())
    try:
        yield Answers(endpoint)
    finally:
        await endpoint.close()


def _request(number: int) -> Request:
    messages = (
        {"role": "system", "content": "Copy out the number and the items."},
        {"role": "user", "content": f'<page number="1">\nNumber: {number}\n</page>\n'},
    )
    return Request(
        request_id=hashlib.sha256(str(number).encode()).hexdigest(),
        chunk=0,
        part=0,
        model=MODEL,
        messages=messages,
        schema_name="small",
        schema=SCHEMA,
        temperature=0.15,
        max_tokens=256,
        prompt_tokens=40,
    )


def _keeper(segment: Segment, number: int) -> Callable[[Completion], Awaitable[None]]:
    async def keep(completion: Completion) -> None:
        await segment.append(call_row(f"document{number}", "benchmark", 0, 0, completion))

    return keep


def outage(bench: Bench) -> None:
    """An endpoint that answers only 429 for minutes, then serves: calls per document."""
    source = bench.documents(40)
    with started_apart(bench.log, "--only-429-for", bench.options.seconds) as server:
        done = bench.run(server, source)
        _print_end(done)
        _print_calls(server, source)
        waited = [entry["at"] for entry in server.entries("fault")]
    print(f"   calls during the outage: {len(waited)}; command / outage {done.seconds / bench.options.seconds:.2f}")


def faithful(bench: Bench) -> None:
    """Tokens paid / tokens of the first request of each document, by a server without faults."""
    source = bench.documents(100)
    with started_apart(bench.log, "--log-bodies") as server:
        _print_end(bench.run(server, source))
        _print_calls(server, source)
        asked = {entry["request"]: _number_in(entry["body"]) for entry in server.entries("asked")}
        by_document: dict[str, list[int]] = defaultdict(list)
        for entry in server.entries("billed"):
            tokens = entry["prompt_tokens"] + entry["completion_tokens"]
            by_document[asked[entry["request"]]].append(tokens)
    paid = sum(map(sum, by_document.values()))
    print(f"   tokens paid / of first requests: {paid / max(1, sum(each[0] for each in by_document.values())):.3f}")


def faults(bench: Bench) -> None:
    """Every fault there is, mixed: what was published, and what was paid twice."""
    source = bench.documents(300)
    kinds = ("--kinds", bench.options.kinds) if bench.options.kinds else ()
    with started_apart(bench.log, "--faults", bench.options.rate, "--seed", 1, "--hang", 3, *kinds) as server:
        done = bench.run(server, source, PAGEMILL_REQUEST_TIMEOUT=10)
        _print_end(done)
        _print_calls(server, source)
        entries = server.entries("asked", "answered", "fault")
    kinds_seen = Counter(str(entry["kind"]) for entry in entries if entry["event"] == "fault")
    print("   faults:", dict(kinds_seen.most_common()))
    again = _asked_again(entries)
    print(f"   asked again after a right answer arrived: {again[None]}")
    print("   asked again, the same body, after one that was:", {k: n for k, n in again.most_common() if k})
    print(f"   wall time {done.seconds:.0f} s, {done.seconds / len(list(source.iterdir())):.2f} s per document")


def budget(bench: Bench) -> None:
    """The server's own bill against the cap, with calls in flight and calls cut."""
    cap, whole = 0.40, 1.00
    sample = bench.documents(5, "sample")
    with started_apart(bench.log) as server:
        bench.run(server, sample)
        billed = server.entries("billed")
    per_document = sum(_usd(entry, SEED_PRICES) for entry in billed) / len(list(sample.iterdir()))
    for limit in (
        8_192,
        512,
    ):  # tokens of an answer: with few of them set aside for each call, more calls are in flight
        source = bench.documents(100, f"limit{limit}")
        factor = whole / len(list(source.iterdir())) / per_document
        prices = [price * factor for price in SEED_PRICES]
        flags = ("--price-in", prices[0], "--price-out", prices[1], "--latency", 0.5, "--hang", 8)
        log = source.with_suffix(".jsonl")
        with started_apart(log, "--faults", 0.1, "--kinds", "hang,reset,drip", *flags) as server:
            done = bench.run(
                server, source, "--budget", cap, "--concurrency", 32, PAGEMILL_MAX_OUTPUT=limit,
                PAGEMILL_REQUEST_TIMEOUT=4, PAGEMILL_PRICE_IN=prices[0], PAGEMILL_PRICE_OUT=prices[1],
            )  # fmt: skip
            print(f"   answers of at most {limit} tokens:")
            _print_end(done)
            _print_calls(server, source)
            bill, most = server.bill(), _most_in_flight(server.entries("asked", "billed", "fault"))
        own = done.summary.get("cost_usd") or 0.0
        print(f"   bill / cap: {bill['cost'] / cap:.3f}; our own account / cap: {own / cap:.3f}; {most} calls at once")
        print("   billed by kind:", {kind: round(each["cost"], 4) for kind, each in bill["by_kind"].items()})


def _usd(entry: Mapping[str, Any], prices: tuple[float, float]) -> float:
    return float(prices[0] * entry["prompt_tokens"] + prices[1] * entry["completion_tokens"]) / 1e6


def _most_in_flight(entries: Iterable[Mapping[str, Any]]) -> int:
    """The most calls that the model worked on at once."""
    flying, most = set(), 0
    for entry in entries:
        if entry["event"] == "asked":
            flying.add(entry["request"])
            most = max(most, len(flying))
        else:
            flying.discard(entry["request"])
    return most


def _print_end(done: Finished) -> None:
    names = ("discovered", "ok", "partial", "failed", "deferred")
    counts = ", ".join(f"{name} {done.summary[name]}" for name in names if name in done.summary)
    print(f"   exit {done.code}: {counts or 'no summary'}")
    if done.code:
        print(f"   it said: {done.said}")
    for why, count in done.failures.most_common():
        print(f"   failed {count} times: {why}")


def _failures(out: Path) -> Counter[str]:
    """What stopped documents, file names and figures aside."""
    rows = [row for path in (out / "failures").glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    return Counter(f"{row['error']}: {re.sub(r'[0-9]+', 'N', row['message'])[:120]}" for row in rows)


def _print_calls(server: FaultServer, source: Path) -> None:
    count = len(list(source.iterdir()))
    asked, answered, billed = (len(server.entries(event)) for event in ("asked", "answered", "billed"))
    print(f"   per document: {asked / count:.2f} calls, {answered / count:.2f} answered, {billed / count:.2f} billed")


def _asked_again(entries: Iterable[Mapping[str, Any]]) -> Counter[str | None]:
    """How often a body was asked again after it had been answered, by what was wrong with the answer (null: nothing)."""
    answered: dict[str, str | None] = {}
    again: Counter[str | None] = Counter()
    for entry in entries:
        request = entry["request"]
        if entry["event"] == "answered":
            answered[request] = entry["kind"]
        elif entry["event"] == "fault" and entry["kind"] == "gone":
            answered.pop(request, None)
        elif entry["event"] == "asked" and request in answered:
            again[answered.pop(request)] += 1
    return again


def _number_in(body: Mapping[str, Any]) -> str:
    found = re.search(r"INV-\d{4}", json.dumps(body["messages"]))
    return found[0] if found else ""


def _between(times: Iterable[float], start: float, end: float) -> int:
    return sum(start <= each < end for each in times)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _invoice(path: Path, number: int) -> None:
    """A page with labelled values and a table of three items."""
    with pymupdf.open() as document:
        page = document.new_page()
        head = f"Invoice number: INV-{number:04d}\nInvoice date: 2026-03-{number % 27 + 1:02d}\nCurrency: EUR"
        page.insert_text((72, 72), head)
        for row, cells in enumerate(_table(number)):
            for column, cell in enumerate(cells):
                page.insert_text((72 + 120 * column, 150 + 18 * row), cell)
        page.insert_text((72, 250), f"Total: {sum(_amounts(number))}.00 EUR")
        document.save(path)


def _table(number: int) -> Iterator[tuple[str, str, str, str]]:
    yield "Description", "Quantity", "Unit price", "Amount"
    for index, amount in enumerate(_amounts(number)):
        yield f"Part {number}-{index}", "2", f"{amount // 2}.00", f"{amount}.00"


def _amounts(number: int) -> tuple[int, ...]:
    return 100 + 2 * number, 40, 60


MEASURES: dict[str, Callable[[Bench], None]] = {
    "throughput": throughput,
    "capacity": capacity,
    "outage": outage,
    "faithful": faithful,
    "faults": faults,
    "budget": budget,
}

if __name__ == "__main__":
    main()
