"""Store of a dataset, on disk or on an object store, behind the few operations that publishing needs.

A key is a path below OUT with `/` between its steps. Whatever writes is durable when it returns, and whole: a reader sees a
file as it was or as it is. An error of the store is an OSError, a missing file FileNotFoundError.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

import pyarrow as pa

from flows.storage.backends.disk import DiskStore
from flows.storage.backends.journal import Segment
from flows.storage.backends.locks import Lease
from flows.storage.backends.object_store import ObjectLease, ObjectStore
from flows.storage.backends.s3 import S3Client
from schemas.errors import ConfigurationError

Out = Path | str  # a folder, or a URL such as s3://bucket/prefix
Stamp = tuple[object, ...]  # other when the file is
RunLease = Lease | ObjectLease
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Store(Protocol):
    """The operations. `place` names it for people."""

    location: str

    def make_folders(self, folders: Iterable[str]) -> None:
        """Make folders, where there is such a thing."""

    def foreign(self) -> str | None:
        """The name of something in OUT besides `_work`."""

    def names(self, folder: str) -> list[str]:
        """Names of the entries directly in a folder."""

    def stamps(self, folder: str) -> Mapping[str, Stamp]:
        """The Parquet files of a folder by name, each with what tells whether it has changed."""

    def cut_short(self, folder: str) -> list[str]:
        """The Parquet files of a folder that anybody can see are none, where looking is cheap."""

    def exists(self, key: str) -> bool:
        """True for a file that is there."""

    def read(self, key: str) -> bytes:
        """A file's bytes."""

    def open(self, key: str) -> BinaryIO:
        """A file to read pieces of."""

    def write(self, key: str, data: bytes) -> None:
        """Write a whole file."""

    def append(self, key: str, data: bytes) -> None:
        """Add to the end of a file that only this process writes."""

    def write_parquet(self, key: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> dict[str, str]:
        """Write one Parquet file of exactly `schema`; returns what `move` needs to know it again."""

    def settle(self, folder: str) -> None:
        """Make the names in a folder durable."""

    def publish_parquet(self, key: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        """Write one Parquet file that a reader sees whole or not at all."""

    def move(self, source: str, target: str, facts: Mapping[str, str]) -> None:
        """Put a written file in the place of `target`, if it is still what was written: raises DatasetError else.

        One that is not there was moved before.
        """

    def unlink(self, key: str) -> None:
        """Remove one file; what is not there is no error."""

    def remove(self, key: str) -> None:
        """Remove a file, a journal segment or a folder; what is not there is no error."""

    def locked(self) -> AbstractContextManager[None]:
        """Hold the dataset's lock."""

    def confirm(self) -> None:
        """Make sure of the lock and of this process's leases. Raises DatasetError when one was lost."""

    def await_leases(self) -> None:
        """Wait until it is certain which runs live. Not under the lock."""

    def lease(self, run_id: str) -> RunLease:
        """Begin a run. Hold the lock."""

    def live_runs(self) -> frozenset[str]:
        """The runs whose lease lives. Hold the lock."""

    def is_live(self, run_id: str) -> bool:
        """True while the lease of a run lives that was there a moment ago: what another process of that run asks."""

    def segment(self, name: str) -> Segment:
        """The journal segment of a shard, to append to."""

    def read_segment(self, name: str) -> list[dict[str, Any]]:
        """The whole rows of a segment."""

    def spool(self, run_id: str) -> Path:
        """A folder on this machine's disk for a run's copies of documents; the run removes it."""

    def map_each(self, call: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
        """The results of `call`, several at once where the store answers slowly."""


def store_at(out: Out) -> Store:
    """The store that `out` names. Raises ConfigurationError for a URL of no kind that is known."""
    text = str(out)
    if isinstance(out, Path) or "://" not in text:
        return DiskStore(Path(out))
    if text.startswith("file://"):
        return DiskStore(Path(text.removeprefix("file://")))
    if text.startswith("s3://") and text.removeprefix("s3://").strip("/"):
        return ObjectStore(S3Client(text), text.rstrip("/"))
    raise ConfigurationError(f"{text}: a dataset is a folder or s3://bucket/prefix; name one of these with --out")
