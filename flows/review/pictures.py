"""Pictures of pages on demand: a document is read from its present address, if its bytes still have its id.

The last copies and pictures are kept. A page that could not be drawn is not tried again, so that a page that crashes the
library costs one process only.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from extractors.ocr import is_unread
from flows.documents.ocr import SecondReader
from flows.documents.sandbox import Sandbox
from flows.sources.locations import locations_of, spooled
from flows.storage.dataset import Dataset
from schemas.errors import DocumentError, UnreadableDocumentError
from schemas.step_data import Page

KEPT_DOCUMENTS = 4  # copies on this machine's disk
KEPT_PAGES = 24  # pictures in memory, about 300 KB each
_Row = Mapping[str, Any]


class Pictures:
    """Pages of documents of one dataset, drawn in `sandbox` from copies in `folder`. For one event loop.

    With `scans` a page that is a picture has the words of the second reader (OCR).
    """

    def __init__(
        self,
        dataset: Dataset,
        sandbox: Sandbox,
        folder: Path,
        passwords: tuple[str, ...] = (),
        scans: SecondReader | None = None,
    ) -> None:
        self._dataset = dataset
        self._sandbox = sandbox
        self._folder = folder
        self._passwords = passwords
        self._scans = scans
        self._copies: OrderedDict[str, Path] = OrderedDict()
        self._pages: OrderedDict[tuple[str, int], Page | DocumentError] = OrderedDict()
        self._turn = asyncio.Lock()

    async def page(self, document_id: str, number: int) -> Page:
        """A page with its picture and words. Raises DocumentError, with the reason, where it cannot be drawn."""
        key = document_id, number
        async with self._turn:  # one at a time, so that two requests for one page draw it once
            row = await asyncio.to_thread(self._row, document_id)
            drawn = self._pages.get(key)
            if drawn is None:
                drawn = self._pages[key] = await self._drawn(row, number)
            self._pages.move_to_end(key)
            while len(self._pages) > KEPT_PAGES:
                self._pages.popitem(last=False)
        if isinstance(drawn, DocumentError):
            raise drawn
        return drawn

    async def _drawn(self, row: _Row, number: int) -> Page | DocumentError:
        try:
            copy = await asyncio.to_thread(self._copy, row)
            page = await self._sandbox.look(copy, row["file_name"] or copy.name[:12], number, self._passwords)
            if self._scans is None or not is_unread(page):
                return page
            return await self._scans.read_page(page, row["document_id"])
        except DocumentError as error:
            return error

    def _copy(self, row: _Row) -> Path:
        """The path of a copy of the document."""
        document_id, uri = row["document_id"], row["source_uri"]
        if document_id not in self._copies:
            addresses = locations_of(self._dataset, [document_id])
            taken = spooled(document_id, uri, addresses.get(document_id, ()), self._folder)
            if taken is None:
                raise UnreadableDocumentError(f"{uri}: has other bytes now; put the file back to see its pages")
            self._copies[document_id] = taken.path
        self._copies.move_to_end(document_id)
        kept = set(list(self._copies)[-KEPT_DOCUMENTS:])
        for entry in self._folder.iterdir():  # the folder may also have copies of other bytes at its addresses
            if entry.name not in kept:
                entry.unlink(missing_ok=True)
                self._copies.pop(entry.name, None)
        return self._copies[document_id]

    def _row(self, document_id: str) -> _Row:
        """The document's row of `documents`. Pictures and copy of a document that was removed meanwhile are dropped."""
        rows = self._dataset.rows("documents", ["document_id", "source_uri", "file_name"])
        matches: list[_Row] = rows.filter(pc.equal(rows.column("document_id"), document_id)).to_pylist()
        if not matches:
            self._drop(document_id)
            raise UnreadableDocumentError(f"{document_id[:12]} is not published any more")
        return matches[0]

    def _drop(self, document_id: str) -> None:
        for key in [key for key in self._pages if key[0] == document_id]:
            del self._pages[key]
        if (copy := self._copies.pop(document_id, None)) is not None:
            copy.unlink(missing_ok=True)
