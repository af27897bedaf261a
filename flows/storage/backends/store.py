"""Store of a dataset, on disk or on an object store, behind the few operations that publishing needs.

A key is a path below OUT with `/` between its steps, checked (`keys`) before it is used: names of files, READY, notes and
`dataset.json` may be foreign. One that leads elsewhere raises DatasetError. Writes are durable when they return, and atomic: a
reader sees the old or the new file. An error of the store is an OSError, a missing file FileNotFoundError.
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
Stamp = tuple[object, ...]  # differs once the file has changed
RunLease = Lease | ObjectLease
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Store(Protocol):
    """The operations. `location` is the store's name for people."""

    location: str

    def make_folders(self, folders: Iterable[str]) -> None:
        """Make folders, where the store has them."""

    def foreign(self) -> str | None:
        """The name of one entry of OUT besides `_work`; None where there is none."""

    def names(self, folder: str) -> list[str]:
        """Names of the entries directly in a folder."""

    def stamps(self, folder: str) -> Mapping[str, Stamp]:
        """The Parquet files of a folder by name, each with a stamp that differs once the file has changed."""

    def cut_short(self, folder: str) -> list[str]:
        """The truncated Parquet files of a folder, where the check is cheap."""

    def exists(self, key: str) -> bool:
        """True for an existing file."""

    def read(self, key: str) -> bytes:
        """The bytes of a file."""

    def open(self, key: str) -> BinaryIO:
        """An opened file, for reads of pieces."""

    def write(self, key: str, data: bytes) -> None:
        """Write a whole file."""

    def append(self, key: str, data: bytes) -> None:
        """Add to the end of a file that only this process writes."""

    def write_parquet(self, key: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> dict[str, str]:
        """Write one Parquet file of exactly `schema`; returns the facts by which `move` recognises it."""

    def settle(self, folder: str) -> None:
        """Make the names in a folder durable."""

    def publish_parquet(self, key: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        """Write one Parquet file that a reader sees whole or not at all."""

    def move(self, source: str, target: str, facts: Mapping[str, str]) -> None:
        """Move a written file to `target`. Raises DatasetError where the file has changed.

        A missing file was moved before.
        """

    def unlink(self, key: str) -> None:
        """Remove one file; a missing one is no error."""

    def remove(self, key: str) -> None:
        """Remove a file, a journal segment or a folder; a missing one is no error."""

    def locked(self) -> AbstractContextManager[None]:
        """Hold the dataset's lock."""

    def confirm(self) -> None:
        """Confirm the lock and this process's leases. Raises DatasetError where one was lost."""

    def await_leases(self) -> None:
        """Wait until liveness of all runs is known. Not to be called under the lock."""

    def lease(self, run_id: str) -> RunLease:
        """Begin a run. Hold the lock."""

    def live_runs(self) -> frozenset[str]:
        """The live runs. Hold the lock."""

    def is_live(self, run_id: str) -> bool:
        """True while the lease of a run lives, for other processes of that run."""

    def segment(self, name: str) -> Segment:
        """The journal segment of a shard, to append to."""

    def read_segment(self, name: str) -> list[dict[str, Any]]:
        """The complete rows of a segment."""

    def spool(self, run_id: str) -> Path:
        """A folder on this machine's disk for a run's copies of documents; the run removes it."""

    def refuse_links(self, tables: Iterable[str]) -> None:
        """Raise DatasetError where a folder of `_work` or of a table is a link, before anything is changed."""

    def map_each(self, call: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
        """The results of `call`, computed in parallel where the store answers slowly."""


def store_at(out: Out) -> Store:
    """The store at `out`. Raises ConfigurationError for an unknown kind of URL."""
    text = str(out)
    if isinstance(out, Path) or "://" not in text:
        return DiskStore(Path(out))
    if text.startswith("file://"):
        return DiskStore(Path(text.removeprefix("file://")))
    if text.startswith("s3://") and text.removeprefix("s3://").strip("/"):
        return ObjectStore(S3Client(text), text.rstrip("/"))
    raise ConfigurationError(f"invalid --out {text}: expected a folder or s3://bucket/prefix")
