"""What splitting keeps, and what it costs, measured on documents nobody here made.

    python benchmarks/split.py [MEASURE ...] [--shared ../shared] [--every N]

Ratios are paired: both sides of a ratio run one after the other in this process, best of three. Without the shared
folder every measure but `memory` says so and is skipped.
"""

import argparse
import csv
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pymupdf

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from extractors.split.clean import clean  # noqa: E402 - the project's root is on the path only now
from extractors.split.options import SplitOptions  # noqa: E402
from extractors.split.split import split  # noqa: E402
from schemas.errors import DocumentError  # noqa: E402
from schemas.step_data import DocumentInfo, Page  # noqa: E402

RETAINED = ("acroform", "docubench", "invoice2data", "einvoice", "extractbench", "adbuy", "nda", "receipts", "azforms")
PASSWORDS = ("asdfasdf", "user", "test", "kanbanery")


def main() -> None:
    pymupdf.TOOLS.mupdf_display_errors(False)  # raw text of broken files would fill the screen with them
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measures", nargs="*", choices=[*MEASURES, []], help="default: all")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--every", type=int, default=1, help="take every n-th document only")
    arguments = parser.parse_args()
    for name in arguments.measures or MEASURES:
        if name != "memory" and not (arguments.shared / "truth").is_dir():
            print(f"{name}: skipped, {arguments.shared} with the labelled documents is not here")
            continue
        started = time.monotonic()
        print(f"== {name}")
        MEASURES[name](arguments.shared, arguments.every)
        print(f"   ({time.monotonic() - started:.0f} s)", flush=True)


def corpora(shared: Path, every: int) -> None:
    """Every nasty file, each in a child of its own: pages, or an error that says why."""
    rows = list(csv.DictReader((shared / "corpora" / "manifest.csv").open(encoding="utf-8")))[::every]
    outcomes: Counter[str] = Counter()
    hidden: Counter[str] = Counter()
    for row in rows:
        path = shared / "corpora" / row["file"]
        if not path.exists():
            continue
        outcome = _in_child(path)
        kind = outcome["kind"]
        outcomes[kind] += 1
        if kind != "pages" or outcome["problems"]:
            facts = f"needs_password={row['needs_password']} opens_ok={row['opens_ok']} pages={row['pages']}"
            print(f"   {kind:28} {row['file']} [{facts}] {outcome['message'] or outcome['problems']}")
        if outcome["hidden"]:
            hidden[row["file"]] = outcome["hidden"]
        if outcome["seconds"] > 20:
            print(f"   slow: {outcome['seconds']:.0f} s {row['file']}")
    print("   outcomes:", dict(outcomes))
    print("   sent as:", dict(SENT))
    print(f"   hidden text in {len(hidden)} files:", dict(hidden.most_common()))


SENT: Counter[str] = Counter()


def _in_child(path: Path) -> dict[str, Any]:
    """Split one file in a process of its own, so that a crash or a hang is seen and named."""
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_split_one, args=(path, sender))
    child.start()
    sender.close()
    outcome: dict[str, Any] = {
        "kind": "hang",
        "message": "no end after 120 s",
        "problems": [],
        "hidden": 0,
        "seconds": 120.0,
    }
    try:
        if receiver.poll(120):
            outcome = receiver.recv()
            SENT.update(outcome["sent"])
    except EOFError:
        child.join()
        outcome |= {"kind": "crash", "message": f"exit code {child.exitcode}", "seconds": 0.0}
    child.kill()
    child.join()
    return outcome


def _split_one(path: Path, sender: Any) -> None:
    outcome: dict[str, Any] = {"kind": "pages", "message": "", "problems": [], "hidden": 0, "sent": Counter()}
    started = time.process_time()
    try:
        for page in _pages(path):
            outcome["sent"][page.sent_as] += 1
            outcome["hidden"] += page.hidden_text
            if page.problem:
                outcome["problems"].append(page.problem)
    except DocumentError as error:
        outcome |= {"kind": type(error).__name__, "message": str(error)}
    outcome["seconds"] = time.process_time() - started
    outcome["problems"] = outcome["problems"][:3]
    sender.send(outcome)


def _pages(path: Path, images: Any = "auto") -> Iterator[Page]:
    for item in split(path.read_bytes(), path.name, SplitOptions(images=images)):
        if not isinstance(item, DocumentInfo):
            yield item


def _raw(path: Path) -> list[str]:
    with pymupdf.open(path) as document:
        if document.needs_pass:
            document.authenticate("")
        return [page.get_text() for page in document]


def retain(shared: Path, every: int) -> None:
    """The share of known values that stand in our text, beside the same for raw get_text."""
    for name in RETAINED:
        figures = []
        for text in (_raw, _own):
            lines = [
                {"doc": doc, "chunks": [{"text": "\n".join(text(path)), "pages": []}]}
                for doc, path in _documents(shared, name, every)
            ]
            figures.append(_score(shared, "retain", name, lines, every))
        print(f"   {name:13} raw {figures[0]}\n   {'':13} own {figures[1]}")


def _own(path: Path) -> list[str]:
    return [page.text for page in _pages(path, "never")]


def tables(shared: Path, every: int) -> None:
    """Adjacency of cells as ICDAR 2013 has it, the words lost against raw text, and the CPU beside it."""
    lines, lost, ratios = [], Counter[str](), []
    for doc, path in _documents(shared, "tables", every):
        pages = list(_pages(path, "never"))
        found = [{"page": page.number, "rows": rows} for page in pages for rows in _markdown_tables(page.text)]
        lines.append({"doc": doc, "tables": found})
        own = Counter(re.findall(r"\w+", " ".join(page.text for page in pages)))
        lost += Counter(re.findall(r"\w+", clean(" ".join(_raw(path))))) - own
        ratios.append(_ratio(partial(_own, path), partial(_raw, path)))
    print("  ", _score(shared, "tables", "tables", lines, every))
    print(f"   CPU / raw: median {statistics.median(ratios):.2f}, highest {max(ratios):.2f}")
    print(f"   words of raw that are not in ours: {lost.total()} {dict(lost.most_common(12))}")


def _markdown_tables(text: str) -> list[list[list[str]]]:
    groups: list[list[list[str]]] = []
    inside = False
    for line in text.split("\n"):
        if not line.startswith("|"):
            inside = False
            continue
        if not inside:
            groups.append([])
            inside = True
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip()[1:-1])]
        if not all(re.fullmatch("-+", cell) for cell in cells):
            groups[-1].append(cells)
    return groups


def order(shared: Path, every: int) -> None:
    """Reading order on docbank and the tests of olmOCR-bench, raw beside ours."""
    for measure, name in (("order", "docbank"), ("tests", "olmocr")):
        for label, text in (("raw", _raw), ("own", _own)):
            lines = [{"doc": doc, "text": "\n".join(text(path))} for doc, path in _documents(shared, name, every)]
            print(f"   {name} {label}: {_score(shared, measure, name, lines, every)}")


def cpu(shared: Path, every: int) -> None:
    """CPU of our text path / get_text of the same pages, by document."""
    paths = [
        path for folder in sorted((shared / "truth").iterdir()) for path in sorted((folder / "docs").glob("*.pdf"))
    ][::every]
    ratios = sorted(_ratio(partial(_own, path), partial(_raw, path)) for path in paths)
    print(f"   text path / raw: median {statistics.median(ratios):.2f} over {len(ratios)} documents")
    print(f"   nine in ten are below {ratios[int(0.9 * len(ratios))]:.2f}")


def processes(shared: Path, every: int) -> None:
    """Speed-up with two processes, ours over that of raw text; above 0.9 nothing of ours stands in the way."""
    paths = [path for name in ("einvoice", "adbuy", "nda") for _, path in _documents(shared, name, every)]
    ratios = []
    for _ in range(5):
        wall: dict[tuple[Any, int], float] = {}
        for work in (_raw, _own):
            for workers in (1, 2):
                with get_context("spawn").Pool(workers) as pool:
                    pool.map(work, paths[:workers], chunksize=1)  # imports and first calls are not counted
                    began = time.perf_counter()
                    pool.map(work, paths, chunksize=1)
                    wall[work, workers] = time.perf_counter() - began
        raw, own = (wall[work, 1] / wall[work, 2] for work in (_raw, _own))
        ratios.append(own / raw)
        print(f"   {len(paths)} documents: two processes are {own:.2f} times as fast as one, raw text {raw:.2f}")
    print(f"   ours over raw: median {statistics.median(ratios):.2f}")


def pictures(shared: Path, every: int) -> None:
    """CPU of a scanned page through split / a bare rendering of the same size and its JPEG."""
    ratios = []
    for path in sorted((shared / "corpora").glob("scanned__*.pdf"))[::every]:
        pages = [page for page in _pages(path) if page.image is not None][:5]
        if pages and all(page.sent_as == "image" for page in pages):
            ratios.append(_ratio(lambda path=path: list(_pages(path)), partial(_bare, path)))  # type: ignore[misc]
    print(
        f"   image path / bare: median {statistics.median(ratios):.2f}, highest {max(ratios):.2f} over {len(ratios)} scans"
    )


def _bare(path: Path) -> None:
    with pymupdf.open(path) as document:
        for page in document:
            zoom = min(1540 / max(page.rect.width, page.rect.height), 150 / 72)
            page.get_pixmap(matrix=pymupdf.Matrix(zoom, zoom)).tobytes("jpeg", jpg_quality=80)


def memory(_shared: Path, _every: int) -> None:
    """Peak memory over 3,000 illustrated pages / over the first 300 of them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.pdf"
        _illustrated(path, 3000)
        context = get_context("spawn")
        peaks = []
        for count in (300, 3000):
            receiver, sender = context.Pipe(duplex=False)
            child = context.Process(target=_peak, args=(path, count, sender))
            child.start()
            peaks.append(receiver.recv())
            child.join()
        print(f"   {peaks[1] / 1024:.0f} MB / {peaks[0] / 1024:.0f} MB = {peaks[1] / peaks[0]:.2f}")


def _peak(path: Path, count: int, sender: Any) -> None:
    for index, _ in enumerate(_pages(path)):
        if index + 1 >= count:
            break
    # Not ru_maxrss: a child takes over its parent's peak with the exec that starts it.
    status = Path("/proc/self/status").read_text("ascii")
    sender.send(int(re.search(r"VmHWM:\s+(\d+)", status).group(1)))  # type: ignore[union-attr]


def _illustrated(path: Path, count: int) -> None:
    document = pymupdf.open()
    for number in range(count):
        page = document.new_page()
        page.insert_textbox(
            (50, 50, 545, 400), f"Page {number}. " + "Cargo grew in all trades this year. " * 60, fontsize=9
        )
        pixmap = pymupdf.Pixmap(pymupdf.csRGB, (0, 0, 240, 160))
        pixmap.clear_with(number % 256)
        pixmap.set_rect((20, 20, 200, 60), (number * 7 % 256, number // 256 * 20, 90))
        page.insert_image((50, 450, 450, 700), pixmap=pixmap)
    document.save(path, deflate=True)


def _ratio(own: Callable[[], Any], other: Callable[[], Any]) -> float:
    best = [float("inf"), float("inf")]
    for _ in range(3):
        for index, action in enumerate((own, other)):
            started = time.process_time()
            action()
            best[index] = min(best[index], time.process_time() - started)
    return best[0] / best[1]


def _documents(shared: Path, name: str, every: int) -> list[tuple[str, Path]]:
    lines = (shared / "truth" / name / "truth.jsonl").read_text("utf-8").splitlines()[::every]
    return [(doc, shared / "truth" / name / doc) for doc in (json.loads(line)["doc"] for line in lines)]


def _score(shared: Path, measure: str, name: str, lines: list[dict[str, Any]], every: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        answers, truth = Path(folder) / "answers.jsonl", Path(folder) / "truth.jsonl"
        answers.write_text("\n".join(json.dumps(line) for line in lines), "utf-8")
        truth.write_text(
            "\n".join((shared / "truth" / name / "truth.jsonl").read_text("utf-8").splitlines()[::every]), "utf-8"
        )
        command = [sys.executable, str(shared / "tools" / "truth" / "score.py"), measure, str(truth), str(answers)]
        return " | ".join(
            subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().split("\n")[:3]
        )


MEASURES: dict[str, Callable[[Path, int], None]] = {
    "corpora": corpora,
    "retain": retain,
    "tables": tables,
    "order": order,
    "cpu": cpu,
    "processes": processes,
    "pictures": pictures,
    "memory": memory,
}

if __name__ == "__main__":
    main()
