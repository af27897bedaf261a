"""Where the dataset of a test is kept: a folder, a bucket of an S3 server, or a folder that behaves like a bucket."""

import contextlib
import functools
import itertools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.storage.backends.disk import DiskStore
from flows.storage.backends.heartbeat import Timing
from flows.storage.backends.object_store import ObjectStore
from flows.storage.backends.s3 import S3Client
from flows.storage.backends.store import Store
from flows.storage.dataset import Dataset
from flows.storage.dataset_spec import DatasetSpec
from flows.storage.open import open_dataset, read_dataset
from tests.support.folder_client import FolderClient

# The dead are dead at once: for tests that begin when the process before has ended.
AT_ONCE = Timing(dead_after=-1.0, poll=0.001, group=0.0)
# A lock that is held is held, however slow the machine.
HELD = Timing(dead_after=20.0, give_up_after=10.0, renew_every=1.0, poll=0.02, group=0.0)
SEEN: dict[str, dict[str, str]] = {}  # what `files` has of each bucket
_NUMBERS = itertools.count()


@functools.cache
def client_of(url: str) -> S3Client:
    return S3Client(url)


@dataclass(frozen=True)
class Place:
    """`kind` is `disk`, `s3` or `folder`; `root` is the folder, or where objects are looked at."""

    kind: str
    root: Path
    url: str = ""

    def store(self, timing: Timing = AT_ONCE) -> Store:
        if self.kind == "disk":
            return DiskStore(self.root)
        client = client_of(self.url) if self.kind == "s3" else FolderClient(self.root)
        return ObjectStore(client, self.url or f"s3://folder/{self.root.name}", timing)

    def open(self, spec: DatasetSpec, timing: Timing = AT_ONCE) -> Dataset:
        return open_dataset(self.store(timing), spec)

    def read(self, timing: Timing = AT_ONCE) -> Dataset:
        return read_dataset(self.store(timing))

    def files(self) -> Path:
        """The files as they are now, in a folder: OUT itself, or what the bucket holds."""
        if self.kind != "s3":
            return self.root
        client = client_of(self.url)
        folder, known = self.root / "seen", SEEN.setdefault(self.url, {})
        pages = client._pages(client._below(""), "")
        there = {each["Key"].removeprefix(client._prefix): each["ETag"] for page in pages for each in page["Contents"]}
        for key in known.keys() - there.keys():
            (folder / key).unlink()
            with contextlib.suppress(OSError):  # a prefix without objects is none
                (folder / key).parent.rmdir()
        for key in [key for key, etag in there.items() if known.get(key) != etag]:
            path = folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(client.get(key))
        SEEN[self.url] = there
        return folder

    def put(self, key: str, data: bytes) -> None:
        """Write a file past the dataset."""
        if self.kind == "s3":
            client_of(self.url).put(key, data)
        else:
            (self.root / key).parent.mkdir(parents=True, exist_ok=True)
            (self.root / key).write_bytes(data)


def names(root: Path, folder: str) -> list[str]:
    """What stands in a folder of `_work`; on an object store an empty folder is none."""
    path = root / "_work" / folder
    return sorted(each.name for each in path.iterdir()) if path.exists() else []


def bucket(server: str) -> str:
    """The URL of a new bucket's prefix."""
    from s3fs import S3FileSystem

    name = f"bucket-{os.getpid()}-{next(_NUMBERS)}"
    fs: Any = S3FileSystem(skip_instance_cache=True, endpoint_url=server)
    fs.call_s3("create_bucket", Bucket=name)
    return f"s3://{name}/some/prefix"
