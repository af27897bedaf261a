"""Copy of a document's bytes, hashed while they are copied; the file's facts must be the same before and after.

Every request for a part of a stored object carries its etag (`If-Match`), so that all parts are of one version.
"""

import errno
import hashlib
import itertools
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from flows.sources.addresses import Address
from flows.sources.links import require_within
from flows.sources.s3_listing import SCHEME, open_object
from flows.storage.backends.s3 import is_changed
from schemas.errors import ChangedWhileReadError, DatasetError, UnreadableDocumentError
from schemas.step_data import Document

_BLOCK = 1 << 20
_COPIES = itertools.count()  # its next number is taken atomically
_TOO_FRESH_NS = 2_000_000_000  # nanoseconds: a file changed more recently may change again within one clock tick


@dataclass(frozen=True, slots=True)
class Spooled:
    """A document and the path of its copy. `address` has the facts at the read, which are reliable if `is_settled`."""

    document: Document
    path: Path
    address: Address
    is_settled: bool


def spool(address: Address, folder: Path, *, follows_links: bool = False) -> Spooled:
    """Copy and hash the file or object at `address` into `folder`.

    Raises UnreadableDocumentError for an address without a readable file, and without `follows_links` for a file that lies
    outside of the folder it was found under; ChangedWhileReadError for a file that changed during the read, twice.
    """
    for _ in range(2):
        try:
            taken = _take(address, folder, follows_links)
        except (OSError, ValueError) as error:
            if is_disk_full(error):  # no room for the copy: no fault of the document
                raise DatasetError(f"{folder}: {os.strerror(errno.ENOSPC)}; make room and run again") from error
            raise _refused(address, error) from error
        if taken is not None:
            return taken
    raise ChangedWhileReadError(f"{address.uri}: changed during the read, twice; a later run tries again")


def is_disk_full(error: BaseException) -> bool:
    """True for a fault of the disk that is written to: it concerns the run, not a document."""
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


def _take(address: Address, folder: Path, follows_links: bool) -> Spooled | None:
    if address.uri.startswith(SCHEME):
        return _take_object(address, folder)
    return _take_file(address, folder, follows_links)


def _take_file(address: Address, folder: Path, follows_links: bool) -> Spooled | None:
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a fifo must not hang the run
    handle = os.open(address.opened_as, flags)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise _unread(f"{address.uri}: not a file but a folder, a fifo or a device; leave it out")
    with os.fdopen(handle, "rb") as source:
        if not follows_links:
            require_within(source.fileno(), address)
        before = os.fstat(source.fileno())
        now_ns = time.time_ns()
        aside = _aside(folder)
        document_id = _copied(source, aside)
        after = os.fstat(source.fileno())
    named = os.stat(address.opened_as)  # noqa: PTH116 - the name may lead to another file by now
    facts = [(entry.st_size, entry.st_mtime_ns, entry.st_ino) for entry in (before, after, named)]
    if facts[0] != facts[1] or facts[1] != facts[2]:
        aside.unlink()
        return None
    read = address._replace(size=before.st_size, modified_us=before.st_mtime_ns // 1000)
    return _spooled(document_id, aside, read, is_settled=now_ns - before.st_mtime_ns >= _TOO_FRESH_NS)


def _take_object(address: Address, folder: Path) -> Spooled | None:
    aside = _aside(folder)
    try:
        source, facts = open_object(address.opened_as)
        with source:
            document_id = _copied(source, aside)
    except OSError as error:
        if is_changed(error):
            return None
        raise
    read = address._replace(size=facts.size, modified_us=facts.modified_us, etag=facts.etag)
    return _spooled(document_id, aside, read, is_settled=True)  # other bytes always have another etag


def _copied(source: IO[bytes], aside: Path) -> str:
    """Copy the bytes of `source` to `aside`; returns their hash."""
    digest = hashlib.sha256()
    try:
        with aside.open("wb") as copy:
            while block := source.read(_BLOCK):
                digest.update(block)
                copy.write(block)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    return digest.hexdigest()


def _aside(folder: Path) -> Path:
    """A path of its own for each copy: two documents that stood at one address are looked for there at once."""
    return folder / f"{os.getpid()}-{next(_COPIES)}.part"


def _spooled(document_id: str, aside: Path, read: Address, *, is_settled: bool) -> Spooled:
    path = aside.replace(aside.parent / document_id)
    document = Document(document_id, read.uri, read.file_name, read.size or 0)
    return Spooled(document, path, read, is_settled)


def _refused(address: Address, error: OSError | ValueError) -> UnreadableDocumentError:
    reason = getattr(error, "strerror", None) or error
    refused = _unread(f"{address.uri}: cannot be read ({reason}); check that it exists and its rights")
    if address.uri.startswith(SCHEME):  # the network may work in a later run
        refused.retryable = not isinstance(error, FileNotFoundError | PermissionError)
    return refused


def _unread(message: str) -> UnreadableDocumentError:
    error = UnreadableDocumentError(message)
    error.stage = "read"  # refused by the operating system, before any step of the pipeline
    return error
