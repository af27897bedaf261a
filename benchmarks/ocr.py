"""What a second reader finds on pages that are pictures: `pagemill[ocr]`, over labelled documents whose text is taken away.

    python benchmarks/ocr.py [places|lists ...] [--shared ../shared] [--misses] [--limit N]

Each page is drawn as a run sends it (1540 pixels along its longer side), and only that picture is read. `places`: of the
labelled values that stand on a page at all, the share located on it, and with a box that holds the value (as
benchmarks/ground.py counts it), on the receipts and the electronic invoices. `lists`: the same invoices answered with their
labels: how many lists are proven complete, and how many are wrongly called incomplete, beside the same with the text there.
Seconds and memory are those of this process, one page after the other on one thread.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.ground import Share, judged, kind_of, labelled, module_at  # noqa: E402
from extractors.complete.coverage import coverage, uncounted  # noqa: E402
from extractors.complete.lines import page_lines  # noqa: E402
from extractors.ground.ground import ground  # noqa: E402
from extractors.ocr import placed, words_of  # noqa: E402
from extractors.parse.parse import parse  # noqa: E402
from extractors.split.options import SplitOptions  # noqa: E402
from extractors.split.split import split  # noqa: E402
from schemas.document_type import DocumentType  # noqa: E402
from schemas.step_data import Page  # noqa: E402

SETS = ("receipts", "einvoice")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measures", nargs="*", choices=["places", "lists", []], help="default: both")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--misses", action="store_true", help="print each value that is not found where it stands")
    parser.add_argument("--limit", type=int, default=1_000, help="documents of each set")
    chosen = parser.parse_args()
    if not (chosen.shared / "truth").is_dir():
        print(f"skipped: {chosen.shared} with the labelled documents is not here")
        return
    for name in SETS:
        measured(chosen, name)


def measured(chosen: argparse.Namespace, name: str) -> None:
    """One set: every document is read once, for both measures."""
    norm = module_at(chosen.shared / "tools" / "truth" / "norm.py")
    share, seconds, pages = Share(), 0.0, 0
    lists = {"read from the picture": [0, 0, 0], "with its text": [0, 0, 0]}
    for entry, path in list(labelled(chosen.shared, name))[: chosen.limit]:
        kind = kind_of(chosen.shared, entry)
        own = list(pictures(path))
        began = time.process_time()
        read = [placed(words_of(page.image), page) for page in own if page.image is not None]
        seconds += time.process_time() - began
        pages += len(read)
        share.add(judged(entry, path, read, kind, norm, misses=chosen.misses))
        for what, seen in (("read from the picture", read), ("with its text", list(texts(path)))):
            verdict = proof(entry["fields"], kind, seen)
            if verdict is not None:
                lists[what][verdict] += 1
    if not chosen.measures or "places" in chosen.measures:
        print(share.line(name))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"{'':13} {pages} pages, {seconds / max(1, pages):.2f} s of CPU a page, {peak} MB at most")
    if (not chosen.measures or "lists" in chosen.measures) and any(sum(each) for each in lists.values()):
        for what, (complete, doubtful, missing) in lists.items():
            print(
                f"{name:13} lists {what}: {complete} proven complete, {doubtful} not counted, {missing} called incomplete"
            )


def proof(fields: dict, kind: DocumentType, pages: list[Page]) -> int | None:
    """0: every row that the pages show is covered by an item; 1: nothing could be counted; 2: rows are called missing."""
    if not any(isinstance(value, list) and value and isinstance(value[0], dict) for value in fields.values()):
        return None
    located = ground(parse(json.dumps(fields), kind.root), kind.root, 0, pages)
    sheets = [page_lines(page) for page in pages]
    counted = coverage([located], kind.root, sheets)
    if any(each.missing for each in counted):
        return 2
    return 1 if uncounted([located], kind.root, sheets) or not any(each.shown for each in counted) else 0


def pictures(path: Path) -> Iterator[Page]:
    """The pages of a document as pictures alone."""
    for page in split(path.read_bytes(), path.name, SplitOptions(images="pages")):
        if isinstance(page, Page):
            yield replace(page, text="", words=())


def texts(path: Path) -> Iterator[Page]:
    """The pages of a document as they are read without pictures."""
    return (page for page in split(path.read_bytes(), path.name, SplitOptions()) if isinstance(page, Page))


if __name__ == "__main__":
    main()
