"""Whether code finds each value where it stands: records made from the labels of real documents, looked for on their pages.

    python benchmarks/ground.py [truth|time ...] [--shared ../shared] [--misses]

`truth`: of the values that stand on a page at all, the share located on a right page, and with a box whose words hold the
value. What is right is decided without our code: by the label's own places (page and box, any of them) where it has some, else
by the normalisation that comes with the labels, over the words that `page.get_text("words")` has within the box.
`time`: seconds a value, and for a document of 100 pages with 4,000 values, beside splitting the same pages.
"""

import argparse
import collections
import importlib.util
import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pymupdf

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from extractors.ground.ground import ground  # noqa: E402
from extractors.parse.parse import parse  # noqa: E402
from extractors.split.options import SplitOptions  # noqa: E402
from extractors.split.split import split  # noqa: E402
from schemas.document_type import DocumentType  # noqa: E402
from schemas.fields import keys_of, value_at  # noqa: E402
from schemas.step_data import Evidence, Page  # noqa: E402

SETS = ("einvoice", "extractbench", "docubench", "invoice2data", "adbuy", "nda", "receipts", "azforms")
DATE = re.compile(r"\d{4}-\d{2}-\d{2}$")
Place = tuple[int, tuple[float, float, float, float]]


@dataclass
class Share:
    """Counts over values that stand on a page."""

    values: int = 0
    page: int = 0
    box: int = 0
    labelled: int = 0
    labelled_box: int = 0
    matches: collections.Counter[str] = field(default_factory=collections.Counter)
    invented: int = 0  # located, though it stands on no page
    nowhere: int = 0

    def add(self, other: "Share") -> None:
        """Count another's, too."""
        for name in ("values", "page", "box", "labelled", "labelled_box", "invented", "nowhere"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.matches += other.matches

    def line(self, name: str) -> str:
        """For people."""

        def share(part: int, whole: int) -> str:
            return f"{part / whole:.4f}" if whole else "-"

        return (
            f"{name:13} {self.values:6,} on a page: right page {share(self.page, self.values)}, "
            f"box {share(self.box, self.values)}; "
            f"places labelled {self.labelled:5,}: box {share(self.labelled_box, self.labelled)}; "
            f"on no page {self.nowhere:4,}, located {self.invented:3,}; {dict(self.matches.most_common())}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measures", nargs="*", choices=["truth", "time", []], help="default: all")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--misses", action="store_true", help="print each value that is not found where it stands")
    chosen = parser.parse_args()
    measures = chosen.measures or ["truth", "time"]
    if not (chosen.shared / "truth").is_dir():
        print(f"skipped: {chosen.shared} with the labelled documents is not here")
        return
    if "truth" in measures:
        _truth(chosen.shared, misses=chosen.misses)
    if "time" in measures:
        _time(chosen.shared)


def _truth(shared: Path, *, misses: bool) -> None:
    norm = module_at(shared / "tools" / "truth" / "norm.py")
    whole = Share()
    for name in SETS:
        of_set = Share()
        for entry, path in labelled(shared, name):
            of_set.add(judged(entry, path, _pages(path), kind_of(shared, entry), norm, misses=misses))
        print(of_set.line(name), flush=True)
        whole.add(of_set)
    print(whole.line("all"))


def judged(
    entry: dict[str, Any], path: Path, pages: Sequence[Page], kind: DocumentType, norm: ModuleType, *, misses: bool
) -> Share:
    answer = parse(json.dumps(entry["fields"]), kind.root)
    evidence = ground(answer, kind.root, 0, pages).evidence
    with pymupdf.open(path) as document:
        seen = {
            number + 1: page.rotation_matrix for number, page in enumerate(document)
        }  # labels are of unrotated pages
        words = {
            number + 1: [(*pymupdf.Rect(word[:4]) * seen[number + 1], word[4]) for word in page.get_text("words")]
            for number, page in enumerate(document)
        }
    share = Share()
    texts = {number: " ".join(word[4] for word in found) for number, found in words.items()}
    for pointer, found in evidence.items():
        value = value_at(entry["fields"], keys_of(pointer))
        if value is None or isinstance(value, bool) or value == "":
            continue
        labels = [
            (each["page"], tuple(pymupdf.Rect(each["bbox"]) * seen[each["page"]]))
            for each in (entry.get("evidence") or {}).get(_dotted(pointer), ())
        ]
        standing = {number for number, text in texts.items() if _stands(value, text, norm)}
        standing |= {number for number, _ in labels}
        if not standing:
            share.nowhere += 1
            share.invented += found.box is not None
            continue
        share.values += 1
        share.matches[found.match] += 1
        is_page = found.page in standing
        is_box = is_page and found.box is not None and _holds(found, words[found.page or 1], value, labels, norm)
        share.page += is_page
        share.box += is_box
        if labels:
            share.labelled += 1
            share.labelled_box += any(_overlaps(found, label) for label in labels)
        if misses and not is_box:
            print(
                f"   {path.name} {pointer} {value!r}: {found.match}, page {found.page} of {sorted(standing)}, {found.quote!r}"
            )
    return share


def _holds(found: Evidence, words: Sequence[Any], value: Any, labels: Sequence[Place], norm: ModuleType) -> bool:
    """True when the words within the box say the value, or the box is one of the label's."""
    assert found.box is not None
    if any(_overlaps(found, label) for label in labels):
        return True
    x0, y0, x1, y1 = found.box
    inside = [w[4] for w in words if x0 - 1 <= (w[0] + w[2]) / 2 <= x1 + 1 and y0 - 1 <= (w[1] + w[3]) / 2 <= y1 + 1]
    said, needle = norm.alnum(" ".join(inside)), norm.alnum(str(value))
    is_short = bool(needle) and needle in said and len(said) <= 2 * len(needle)  # scripts without spaces have no words
    return _stands(value, " ".join(inside), norm) or is_short


def _stands(value: Any, text: str, norm: ModuleType) -> bool:
    """Whether a page, or what a box holds, says the value; by the helpers that come with the labels."""
    if isinstance(value, int | float):
        return bool(norm.number_interps(value) & {round(abs(each), 6) for each in norm.numset(text)})
    told = str(value)
    if DATE.match(told):
        return told in norm.date_interps(text) if len(text) < 60 else _has_day(told, norm.compact(text), norm)
    needle = norm.alnum(told)
    return bool(needle) and needle in norm.alnum(text) and (len(needle) > 3 or needle in norm.fold(text).split())


def _has_day(told: str, compact: str, norm: ModuleType) -> bool:
    return any(form in compact for form in norm.date_forms(told))


def _overlaps(found: Evidence, label: Place) -> bool:
    """At least half of the smaller box is common to both, as `score.py fields` counts it."""
    if found.box is None or found.page != label[0]:
        return False
    (a0, b0, a1, b1), (c0, d0, c1, d1) = found.box, label[1]
    common = max(0.0, min(a1, c1) - max(a0, c0)) * max(0.0, min(b1, d1) - max(b0, d0))
    return common >= 0.5 * min((a1 - a0) * (b1 - b0), (c1 - c0) * (d1 - d0))


def _dotted(pointer: str) -> str:
    return re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", ".".join(keys_of(pointer)))


def labelled(shared: Path, name: str) -> Iterator[tuple[dict[str, Any], Path]]:
    folder = shared / "truth" / name
    for line in (folder / "truth.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        yield entry, folder / entry["doc"]


def kind_of(shared: Path, entry: dict[str, Any]) -> DocumentType:
    """The benchmark's own schema where it has one, else the shape of the labels."""
    own = shared / "truth" / entry["set"] / "schemas" / f"{entry['schema']}.json"
    schema = json.loads(own.read_text(encoding="utf-8")) if own.exists() else _schema_of(entry["fields"])
    return DocumentType.from_schema(schema, "labelled")


def _schema_of(fields: dict[str, Any]) -> dict[str, Any]:
    def kind(value: Any) -> dict[str, Any]:
        if isinstance(value, list):
            if value and not isinstance(value[0], dict):
                return {"type": "array", "items": kind(value[0])}
            keys = {key: each for item in value for key, each in item.items()}
            return {"type": "array", "items": {"type": "object", "properties": {k: kind(v) for k, v in keys.items()}}}
        if isinstance(value, bool):
            return {"type": "boolean"}
        if isinstance(value, int | float):
            return {"type": "number", "format": "decimal"}
        return {"type": "string", **({"format": "date"} if DATE.match(str(value)) else {})}

    return {"title": "labelled", "type": "object", "properties": {name: kind(value) for name, value in fields.items()}}


def _pages(path: Path) -> list[Page]:
    return [each for each in split(path.read_bytes(), path.name, SplitOptions()) if isinstance(each, Page)]


def _time(shared: Path) -> None:
    """The longest labelled documents, and one of 100 pages whose every page states 20 of 2,000 values."""
    for name in ("eb_credit_agreement__mmm_credit_agreement_2019_11_15", "eb_10kq__tho_10q_fy2025q2"):
        for entry, path in labelled(shared, "extractbench"):
            if entry["id"] == name:
                kind = kind_of(shared, entry)
                _timed(path.name, _pages(path), json.dumps(entry["fields"]), kind)
    rows = [{"name": f"Part {n} of {n * 7 % 911}", "price": round(n * 1.37, 2)} for n in range(2_000)]
    schema = _schema_of({"items": rows})
    with pymupdf.open() as document:
        for start in range(0, 2_000, 20):
            page = document.new_page()
            for place, row in enumerate(rows[start : start + 20]):
                page.insert_text(
                    (60, 60 + 30 * place), f"{row['name']}   {row['price']:.2f}   and what else a line of prose may say"
                )
        body = document.tobytes()
    began = time.perf_counter()
    pages = [each for each in split(body, "hundred.pdf", SplitOptions()) if isinstance(each, Page)]
    print(f"splitting 100 pages: {time.perf_counter() - began:.2f} s")
    _timed("100 pages, 2,000 items", pages, json.dumps({"items": rows}), DocumentType.from_schema(schema, "labelled"))


def _timed(name: str, pages: Sequence[Page], text: str, kind: DocumentType) -> None:
    answer = parse(text, kind.root)
    began = time.perf_counter()
    evidence = ground(answer, kind.root, 0, pages).evidence
    spent = time.perf_counter() - began
    words = sum(len(page.words) for page in pages)
    print(
        f"{name}: {len(pages)} pages, {words:,} words, {len(evidence):,} values in {spent:.2f} s "
        f"({spent / max(1, len(evidence)) * 1e3:.2f} ms a value, {spent / len(pages) * 1e3:.1f} ms a page)"
    )


def module_at(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("labels_norm", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
