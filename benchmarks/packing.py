"""How full requests are over the corpora, and that none exceeds the model's window, by the exact count.

    python benchmarks/packing.py [FOLDER]

Every PDF that needs more than one request is split and packed for a type without lists, where only the window and the
images limit a request, and for the built-in types, whose lists must also fit the output limit. The last request of a
document is what was left; `fill` is of the others: the share of the limit that stopped the packing.
"""

import statistics
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from extractors.chunk import answer_estimator  # noqa: E402
from extractors.prompt.prompt import prompt  # noqa: E402
from extractors.split.options import SplitOptions  # noqa: E402
from extractors.split.split import split  # noqa: E402
from flows.documents.recipe import chunks_of, make_recipe  # noqa: E402
from flows.settings import load_settings  # noqa: E402
from schemas.document_type import DocumentType  # noqa: E402
from schemas.document_types import DOCUMENT_TYPES  # noqa: E402
from schemas.errors import PagemillError  # noqa: E402
from schemas.step_data import Page  # noqa: E402

SUMMARY = {
    "title": "summary",
    "type": "object",
    "properties": {"title": {"type": "string"}, "summary": {"type": "string"}},
}
TYPES = {"summary": DocumentType.from_schema(SUMMARY, "summary"), **DOCUMENT_TYPES}


@dataclass(frozen=True, slots=True)
class Packed:
    """The requests of one document: how many exceed the window, and of all but the last how full and by which limit."""

    requests: int
    over: int
    fills: tuple[tuple[str, float], ...]


def main() -> None:
    """Measure every type."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "corpora"
    paths = sorted(folder.rglob("*.pdf"))
    print("type       documents  requests  over the window  fill  stopped by", flush=True)
    with ProcessPoolExecutor(2) as pool:
        for name in TYPES:
            found = [each for each in pool.map(_packed, paths, [name] * len(paths), chunksize=4) if each is not None]
            several = [each for each in found if each.requests > 1]
            fills = [fill for each in several for _, fill in each.fills]
            stops = dict(Counter(limit for each in several for limit, _ in each.fills))
            over = sum(each.over for each in found)
            requests = sum(each.requests for each in several)
            fill = f"{statistics.mean(fills):.3f}" if fills else "-"
            print(f"{name:10} {len(several):9} {requests:9} {over:16} {fill:>5}  {stops}", flush=True)


def _packed(path: Path, name: str) -> Packed | None:
    """The packing of one document; null for one that cannot be split or packed."""
    kind = TYPES[name]
    recipe = make_recipe(kind, load_settings(base_url="http://127.0.0.1:1/v1"))
    reader = recipe.readers[0]
    room, rows = reader.room, answer_estimator(kind.root)
    try:
        chunks = list(chunks_of(recipe, reader, _pages(path)))
    except PagemillError:
        return None
    requests = [prompt(each, kind, reader.decoding) for each in chunks]
    fills = []
    for each in chunks[:-1]:
        shares = {
            "window": sum(each.page_tokens) / room.pages,
            "answer": sum(map(rows, each.pages)) / room.answer,
            "images": sum(len(page.images) for page in each.pages) / room.images,
        }
        limit = max(shares, key=lambda name: shares[name])
        fills.append((limit, shares[limit]))
    over = sum(each.prompt_tokens + each.max_tokens > reader.decoding.window for each in requests)
    return Packed(len(chunks), over, tuple(fills))


def _pages(path: Path) -> Iterator[Page]:
    return (item for item in split(path.read_bytes(), path.name, SplitOptions()) if isinstance(item, Page))


if __name__ == "__main__":
    main()
