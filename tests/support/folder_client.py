"""An object store in a folder: the conditions and the atomic whole objects of S3 without a server, for thousands of kills.

tests/flows/storage/test_objects.py holds it and the real client, against a server, to the same answers.
"""

import contextlib
import fcntl
import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from flows.storage.backends.s3 import ChangedError, ListedObject


class FolderClient:
    """Objects are the files below `root`; what is being written stands beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._aside = root.with_name(f"{root.name}-aside")
        root.mkdir(exist_ok=True)
        self._aside.mkdir(exist_ok=True)

    def put(self, key: str, data: bytes, *, if_match: str | None = None, if_absent: bool = False) -> str:
        with self._alone():
            path = self.root / key
            if if_absent and path.exists():
                raise ChangedError(f"{key} exists")
            if if_match is not None and (not path.exists() or self.etag(key) != if_match):
                raise ChangedError(f"{key} has changed")
            return self._put(key, data)

    def put_file(self, key: str, path: Path) -> None:
        with self._alone():
            self._put(key, path.read_bytes())

    def get(self, key: str) -> bytes:
        return (self.root / key).read_bytes()

    def open(self, key: str) -> BinaryIO:
        return io.BytesIO(self.get(key))

    def etag(self, key: str) -> str:
        if (self.root / key).is_dir():
            raise FileNotFoundError(key)
        return f'"{hashlib.md5(self.get(key)).hexdigest()}"'

    def listed(self, folder: str) -> list[ListedObject]:
        found = []
        for path in sorted((self.root / folder).glob("*")):
            with contextlib.suppress(FileNotFoundError):
                key = path.relative_to(self.root).as_posix()
                found.append(
                    ListedObject(path.name, "", 0)
                    if path.is_dir()
                    else ListedObject(path.name, self.etag(key), path.stat().st_size)
                )
        return found

    def below(self, folder: str) -> list[str]:
        paths = sorted((self.root / folder).rglob("*"))
        return [path.relative_to(self.root).as_posix() for path in paths if path.is_file()]

    def copy(self, source: str, target: str, etag: str) -> None:
        with self._alone():
            if self.etag(source) != etag:
                raise ChangedError(f"{source} has changed")
            self._put(target, self.get(source))

    def delete(self, keys: Sequence[str]) -> None:
        with self._alone():
            for key in keys:
                path = self.root / key
                if path.is_file():
                    path.unlink()
                    with contextlib.suppress(OSError):  # a prefix without objects is none
                        for parent in list(path.parents)[: len(Path(key).parts) - 1]:
                            parent.rmdir()

    def _put(self, key: str, data: bytes) -> str:
        path = self.root / key
        aside = self._aside / f"{os.getpid()}-{key.replace('/', '~')}"
        aside.write_bytes(data)
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.replace(path)
        return f'"{hashlib.md5(data).hexdigest()}"'

    @contextmanager
    def _alone(self) -> Iterator[None]:
        handle = os.open(self._aside / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
