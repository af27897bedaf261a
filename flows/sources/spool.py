"""A document's bytes, taken once: copied aside while they are hashed, with the file's facts the same before and after.

Of an object in a store every byte is asked for with its etag (`If-Match`), so that it is one and the same.
"""

import errno
import hashlib
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from flows.sources.addresses import Address
from flows.sources.s3_listing import SCHEME, open_object
from flows.storage.backends.s3 import is_changed
from schemas.errors import ChangedWhileReadError, DatasetError, UnreadableDocumentError
from schemas.pipeline import Document

_BLOCK = 1 << 20
_TOO_FRESH_NS = 2_000_000_000  # a file changed less than this before its read may change again within one clock tick


@dataclass(frozen=True, slots=True)
class Spooled:
    """A document and where its bytes lie. `address` has the facts at the read; `is_settled` says whether to trust them."""

    document: Document
    path: Path
    address: Address
    is_settled: bool


def spool(address: Address, folder: Path) -> Spooled:
    """Copy and hash the file or object at `address` into `folder`.

    Raises UnreadableDocumentError for what is no readable file, ChangedWhileReadError when it is different after the read
    than before it, twice.
    """
    for _ in range(2):
        try:
            taken = _take(address, folder)
        except (OSError, ValueError) as error:
            if is_disk_full(error):  # our own copy has no room: no fault of the document
                raise DatasetError(f"{folder}: {os.strerror(errno.ENOSPC)}; make room and run again") from error
            raise _refused(address, error) from error
        if taken is not None:
            return taken
    raise ChangedWhileReadError(f"{address.uri}: changed while it was read, twice; it is tried again another night")


def is_disk_full(error: BaseException) -> bool:
    """True for what concerns the disk that we write to, and so the run and not a document."""
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


def _take(address: Address, folder: Path) -> Spooled | None:
    return _take_object(address, folder) if address.uri.startswith(SCHEME) else _take_file(address, folder)


def _take_file(address: Address, folder: Path) -> Spooled | None:
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a fifo must not hang the run
    handle = os.open(address.opened_as, flags)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise _unread(f"{address.uri}: is no file but a folder, a fifo or a device; leave it out")
    with os.fdopen(handle, "rb") as source:
        before = os.fstat(source.fileno())
        now_ns = time.time_ns()
        document_id = _copied(source, address, folder)
        after = os.fstat(source.fileno())
    named = os.stat(address.opened_as)  # noqa: PTH116 - the name may show another file by now
    facts = [(entry.st_size, entry.st_mtime_ns, entry.st_ino) for entry in (before, after, named)]
    if facts[0] != facts[1] or facts[1] != facts[2]:
        return None
    read = address._replace(size=before.st_size, modified_us=before.st_mtime_ns // 1000)
    return _spooled(document_id, folder, read, is_settled=now_ns - before.st_mtime_ns >= _TOO_FRESH_NS)


def _take_object(address: Address, folder: Path) -> Spooled | None:
    try:
        source, facts = open_object(address.opened_as)
        with source:
            document_id = _copied(source, address, folder)
    except OSError as error:
        if is_changed(error):
            return None
        raise
    read = address._replace(size=facts.size, modified_us=facts.modified_us, etag=facts.etag)
    return _spooled(document_id, folder, read, is_settled=True)  # other bytes have another etag, however soon they come


def _copied(source: IO[bytes], address: Address, folder: Path) -> str:
    """Copy what `source` has aside; its hash."""
    digest = hashlib.sha256()
    aside = _aside(address, folder)
    with aside.open("wb") as copy:
        while block := source.read(_BLOCK):
            digest.update(block)
            copy.write(block)
    return digest.hexdigest()


def _aside(address: Address, folder: Path) -> Path:
    return folder / f"{os.getpid()}-{abs(hash(address.uri)):x}.part"


def _spooled(document_id: str, folder: Path, read: Address, *, is_settled: bool) -> Spooled:
    path = _aside(read, folder).replace(folder / document_id)
    document = Document(document_id, read.uri, read.file_name, read.size or 0)
    return Spooled(document, path, read, is_settled)


def _refused(address: Address, error: OSError | ValueError) -> UnreadableDocumentError:
    what = getattr(error, "strerror", None) or error
    refused = _unread(f"{address.uri}: cannot be read ({what}); check that it is there and its rights")
    if address.uri.startswith(SCHEME):  # a network between may be better another night
        refused.retryable = not isinstance(error, FileNotFoundError | PermissionError)
    return refused


def _unread(message: str) -> UnreadableDocumentError:
    error = UnreadableDocumentError(message)
    error.stage = "read"  # the operating system's refusal, before any step of ours
    return error
