"""The review page as one file: the worst documents with pictures of their pages, usable without a server.

The file stays small enough for a browser to open it in seconds. Documents and pictures beyond that are left out, and counted
on the page.
"""

import asyncio
import base64
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.documents.sandbox import Sandbox
from flows.review.document_view import Json, document_view, page_text
from flows.review.listing import LOW, MARKS, PAGE, Listing, ListingFilter
from flows.review.page import standing_page
from flows.review.pictures import Pictures
from flows.settings import Settings
from flows.storage.backends.store import Out
from flows.storage.dataset import Dataset
from flows.storage.open import read_dataset
from flows.type_loader import type_of
from flows.ui.html import check_outside, check_target, write_page
from flows.ui.text import count_documents
from schemas.document_type import DocumentType
from schemas.errors import DocumentError, PagemillError

MOST_PICTURE_CHARACTERS = 24_000_000  # characters of data URLs
MOST_RECORDS = 8_000_000  # characters of everything else
MOST_PAGES = 8  # pictures of one document, those of pages with values first


@dataclass(frozen=True, slots=True)
class Exported:
    """Counts of documents and page pictures in a file; `left_out` names the omissions in words."""

    documents: int
    pictures: int
    left_out: tuple[str, ...]


def export(out: Out, document_type: DocumentType | None, settings: Settings, target: Path, limit: int) -> Exported:
    """Write the `limit` worst documents of the dataset to `target`, the whole file or nothing.

    Raises ConfigurationError for a file that cannot be written, and where there is no dataset.
    """
    dataset = read_dataset(out)
    document_type = document_type or type_of(dataset.document_type, dataset.schema, dataset.location)
    check_target(target)
    check_outside(dataset, target)
    listed = Listing(dataset, document_type).slice(ListingFilter(), 0, limit)
    kept, records, left_out = _records(dataset, document_type, listed.rows)
    if listed.total > len(listed.rows):
        left_out.insert(0, f"This file has the {len(listed.rows):,} worst of {listed.total:,} documents.")
    with (
        tempfile.TemporaryDirectory(prefix="pagemill-") as folder,
        Sandbox(settings.workers, settings.split_seconds, settings.split_memory) as sandbox,
    ):
        pictures = Pictures(dataset, sandbox, Path(folder), settings.passwords)
        pages, count, missing = asyncio.run(_pages(pictures, dataset, records))
    if missing:
        left_out.append(f"Pictures of {missing:,} pages are left out, so that it opens quickly.")
    data = {
        "type": document_type.name, "dataset": dataset.location, "by": "", "group": None, "groups": [], "low": LOW, "page": PAGE,
        "rows": kept, "counts": {mark: sum(row[mark] for row in kept) for mark in MARKS}, "shown": records, "pages": pages,
        "left_out": left_out,
    }  # fmt: skip
    write_page(target, standing_page(data))
    return Exported(len(kept), count, tuple(left_out))


def export_line(done: Exported, target: Path) -> str:
    """One line about the file, for people."""
    line = f"{count_documents(done.documents)} with {done.pictures:,} pictures of pages drawn in {target}"
    return " ".join([line + ("." if done.left_out else ""), *done.left_out])


def _records(
    dataset: Dataset, document_type: DocumentType, rows: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], dict[str, Json], list[str]]:
    """The rows and records within MOST_RECORDS, and a sentence about the others."""
    kept, records, room = [], {}, MOST_RECORDS
    for row in rows:
        try:
            record = document_view(dataset, document_type, row["id"])
        except PagemillError:  # the document was removed meanwhile
            continue
        room -= len(str(record))
        if room >= 0:
            kept.append(row)
            records[row["id"]] = record
    lost = len(rows) - len(kept)
    return kept, records, [f"{lost:,} of them are left out, so that it opens quickly."] if lost else []


async def _pages(pictures: Pictures, dataset: Dataset, records: dict[str, Json]) -> tuple[dict[str, Json], int, int]:
    """Pages of the file by `document/page`, and the numbers of included and of missing pictures."""
    pages: dict[str, Json] = {}
    room, count, missing = MOST_PICTURE_CHARACTERS, 0, 0
    for document_id, record in records.items():
        chosen = list(_worth_a_picture(record))
        missing += max(0, len(chosen) - MOST_PAGES)
        for number in chosen[:MOST_PAGES]:
            try:
                page = await pictures.page(document_id, number)
            except DocumentError as error:
                text = await asyncio.to_thread(page_text, dataset, record["shard"], document_id, number)
                pages[f"{document_id}/{number}"] = {"note": str(error), "text": text}
                continue
            assert page.image is not None
            url = f"data:{page.image.mime};base64,{base64.b64encode(page.image.data).decode('ascii')}"
            if len(url) > room:
                missing += 1
                continue
            room, count = room - len(url), count + 1
            pages[f"{document_id}/{number}"] = {"picture": url, "width": page.width, "height": page.height}
    return pages, count, missing


def _worth_a_picture(record: Json) -> Iterator[int]:
    """The page numbers of a document, pages with values first."""
    shown_pages = {value["page"] for value in record["places"].values()}
    numbers = [page["page"] for page in record["pages"]]
    yield from (number for number in numbers if number in shown_pages)
    yield from (number for number in numbers if number not in shown_pages)
