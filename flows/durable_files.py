"""Files that are whole or not there: written aside, synced to disk, renamed; and what nobody else may read."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_HASH_BLOCK = 1 << 20


def write_durably(path: Path, data: bytes) -> None:
    """Write `data` aside, sync, rename to `path`, sync the folder."""
    aside = _aside(path)
    with aside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    sync_folder(path.parent)


@contextmanager
def written_aside(*paths: Path) -> Iterator[list[Path]]:
    """Files to write in the place of `paths`: synced and renamed when the block ends well, gone when it does not."""
    asides = [_aside(path) for path in paths]
    try:
        yield asides
        for aside in asides:
            with aside.open("rb") as file:
                os.fsync(file.fileno())
        for aside, path in zip(asides, paths, strict=True):
            aside.replace(path)
        for folder in {path.parent for path in paths}:
            sync_folder(folder)
    finally:
        for aside in asides:
            aside.unlink(missing_ok=True)


def make_private(folder: Path) -> Path:
    """Make `folder`, which nobody else on this machine may enter; one that is there is closed where it is ours."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = folder.stat()
    if facts.st_uid == os.geteuid() and facts.st_mode & 0o077:
        folder.chmod(0o700)
    return folder


def write_private(path: Path, data: bytes) -> None:
    """Write `data` to `path` as a file that nobody else may read, from its first byte on."""
    aside = path.with_name(f"{path.name}.aside")
    aside.unlink(missing_ok=True)
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    sync_folder(path.parent)


def _aside(path: Path) -> Path:
    """The file beside `path` to write first; a link that bears its name is removed, so that nothing is written through it."""
    aside = path.with_name(f"{path.name}.aside")
    if aside.is_symlink():
        aside.unlink()
    return aside


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def file_hash(path: Path) -> str:
    """sha256 of a file in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_HASH_BLOCK):
            digest.update(block)
    return digest.hexdigest()
