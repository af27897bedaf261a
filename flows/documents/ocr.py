"""Pages that are pictures, read by a second reader in the sandbox's processes, page by page, each with its limits.

What was read is kept in the user's cache, in a folder of the document, under the hash of the page's picture: a refresh, or
another run, does not read it again. `forget` removes the folder.
"""

import asyncio
import hashlib
import json
import pickle
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from extractors.ocr import is_unread, placed, reader_name
from flows.documents.sandbox import FRAME_HEAD, Sandbox, read_frames
from flows.durable_files import make_private, write_durably
from flows.settings import Settings
from schemas.errors import DocumentError
from schemas.step_data import Image, Page, Word


@dataclass(frozen=True, slots=True)
class SecondReader:
    """Second reader of pages that are pictures; `cache` is the folder of its earlier results."""

    sandbox: Sandbox
    cache: Path

    async def read(self, frames: Path, document_id: str) -> None:
        """Put the words of pages that are pictures into a frames file, a page in memory at a time.

        A page that cannot be read so stays without words, as all of them do without this reader.
        """
        if not any(is_unread(page) for page in read_frames(frames)):
            return
        aside = frames.with_name(f"{frames.name}.read")
        with aside.open("wb") as file:
            for page in read_frames(frames):
                read = await self.read_page(page, document_id) if is_unread(page) else page
                body = pickle.dumps(read, protocol=pickle.HIGHEST_PROTOCOL)
                file.write(FRAME_HEAD.pack(len(body)))
                file.write(body)
        aside.replace(frames)

    async def read_page(self, page: Page, document_id: str) -> Page:
        """The page with the words of its picture; as it is where they cannot be read."""
        assert page.image is not None
        name = hashlib.sha256(reader_name().encode() + page.image.data).hexdigest()
        kept = self.cache / document_id / f"{name}.json"
        words = await asyncio.to_thread(_kept, kept)
        if words is None:
            try:
                words = await self._asked(page.image, document_id, page.number)
            except DocumentError:
                return page
            await asyncio.to_thread(_keep, kept, words)
        return placed(words, page)

    async def _asked(self, image: Image, document_id: str, number: int) -> tuple[Word, ...]:
        return await self.sandbox.read_picture(image, f"{document_id[:12]}, page {number}")


def second_reader_for(settings: Settings, sandbox: Sandbox) -> SecondReader | None:
    """The second reader that the settings ask for."""
    return SecondReader(sandbox, ocr_cache(settings)) if settings.ocr else None


def ocr_cache(settings: Settings) -> Path:
    """Folder of the second reader's results."""
    return settings.cache_dir / "ocr"


def forget_ocr(folder: Path, ids: Iterable[str]) -> int:
    """Remove the second reader's results of documents; the number of pages."""
    removed = 0
    for document_id in ids:
        mine = folder / document_id
        removed += len(list(mine.glob("*.json")))
        shutil.rmtree(mine, ignore_errors=True)
    return removed


def _kept(path: Path) -> tuple[Word, ...] | None:
    try:
        return tuple(Word(*word) for word in json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None  # not there, or cut short by a full disk: it is read again


def _keep(path: Path, words: tuple[Word, ...]) -> None:
    try:
        make_private(path.parent)
        write_durably(path, json.dumps(words, ensure_ascii=False).encode())
    except OSError:
        return  # a cache that cannot be written costs time and nothing else
