"""A dataset on an object store: objects are written whole, moves are copies, lock and leases are renewed objects.

State between two PUTs, for readers: an object exists whole or not at all. Adding a shard copies one object per table,
`documents` after the others: rows of a document that is not in `documents` yet belong to a shard that is being published.
Replacing or removing rows overwrites objects one after the other in the order of READY, so that tables are of two states for a
moment, each whole: after a removal `documents` is the first without the document. A reader that reads one object in several
requests while it is overwritten gets an error from libraries that check the etag (s3fs, DuckDB), and may get pieces of both
versions from others: read again, or while nothing is replaced.
"""

import io
import secrets
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import pyarrow as pa

from flows.durable_files import file_hash
from flows.storage.backends.heartbeat import Heartbeat, RemoteLock, Timing, Watcher, wait_until_known
from flows.storage.backends.journal import Segment, rows_in
from flows.storage.backends.keys import checked_key
from flows.storage.backends.layout import JOURNAL, LEASES, LOCK_FILE, WORK
from flows.storage.backends.parquet_files import write_parquet
from flows.storage.backends.s3 import ChangedError, ObjectClient
from schemas.errors import DatasetError, RunStoppedError

_PAUSES = (0.2, 1.0, 3.0)  # seconds between the attempts of one request
_AT_ONCE = 8  # parallel requests
_READ_WHOLE = 4 << 20  # bytes: a smaller object is read and written in one request

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class ObjectStore:
    """The dataset below the URL `location`, through its client."""

    def __init__(self, client: ObjectClient, location: str, timing: Timing | None = None) -> None:
        self.location = location
        self._client = client
        self._timing = timing or Timing()
        self._watcher = Watcher()
        self._lock = RemoteLock(client, LOCK_FILE, location, self._timing, self._watcher)
        self._leases: dict[str, Heartbeat] = {}
        self._sizes: dict[str, int] = {}
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="objects")

    def make_folders(self, folders: Iterable[str]) -> None:
        """No-op: an object store has no folders."""

    def foreign(self) -> str | None:
        """The name of one entry of OUT besides `_work`; None where there is none."""
        return next((entry.name for entry in self._listed("") if entry.name != WORK), None)

    def names(self, folder: str) -> list[str]:
        """Names of the entries directly in a folder."""
        return sorted(entry.name for entry in self._listed(self._key(folder)))

    def stamps(self, folder: str) -> dict[str, tuple[object, ...]]:
        """The Parquet files of a folder by name."""
        files = [entry for entry in self._listed(self._key(folder)) if entry.name.endswith(".parquet")]
        self._sizes.update({f"{folder}/{entry.name}": entry.size for entry in files})
        return {entry.name: (entry.etag, entry.size) for entry in sorted(files, key=lambda entry: entry.name)}

    def cut_short(self, folder: str) -> list[str]:
        """Always empty: objects are written whole, and a check would cost one request each."""
        del folder
        return []

    def exists(self, key: str) -> bool:
        """True for an existing object."""
        try:
            self._patiently(lambda: self._client.etag(self._key(key)))
        except FileNotFoundError:
            return False
        return True

    def read(self, key: str) -> bytes:
        """The bytes of an object."""
        return self._patiently(lambda: self._client.get(self._key(key)))

    def open(self, key: str) -> BinaryIO:
        """An opened object, for reads of pieces; a small one is read whole."""
        if self._sizes.get(key, 0) <= _READ_WHOLE:
            return io.BytesIO(self.read(key))
        return self._patiently(lambda: self._client.open(self._key(key)))

    def write(self, key: str, data: bytes) -> None:
        """Write a whole object."""
        self._change(lambda: self._client.put(self._key(key), data))

    def append(self, key: str, data: bytes) -> None:
        """Rewrite the object with `data` at its end."""
        before = self.read(key) if self.exists(key) else b""
        self.write(key, before + data)

    def write_parquet(self, key: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> dict[str, str]:
        """Write a Parquet file on this machine's disk and upload it."""
        with tempfile.TemporaryDirectory(prefix="pagemill-") as folder:
            path = Path(folder) / "staged.parquet"
            write_parquet(path, schema, batches)
            return {"sha256": file_hash(path), "etag": self._uploaded(key, path)}

    def publish_parquet(self, key: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        """Write a Parquet file: an object exists whole or not at all."""
        self.write_parquet(key, schema, batches)

    def settle(self, folder: str) -> None:
        """No-op: a name is durable with its object."""

    def move(self, source: str, target: str, facts: Mapping[str, str]) -> None:
        """Copy the staged object to `target`; the original stays until its folder is removed, since a second copy is harmless."""
        try:
            self._change(lambda: self._client.copy(self._key(source), self._key(target), facts["etag"]))
        except FileNotFoundError:
            return  # copied before; the removal of its folder was interrupted
        except ChangedError as error:
            folder = source.rpartition("/")[0]
            raise DatasetError(
                f"{self.location}/{source} differs from the staged object; remove {folder} and run again"
            ) from error

    def unlink(self, key: str) -> None:
        """Delete one object."""
        self._change(lambda: self._client.delete([self._key(key)]))

    def remove(self, key: str) -> None:
        """Delete an object and the objects below it; missing ones are no error."""
        below = self._patiently(lambda: self._client.below(self._key(key)))
        self._change(lambda: self._client.delete([key, *below]))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the dataset's lock."""
        with self._lock.hold():
            yield

    def confirm(self) -> None:
        """Renew the lock and this process's leases now."""
        if self._lock.heartbeat is not None:
            self._lock.heartbeat.renew()
        for lease in self._leases.values():
            lease.renew()

    def await_leases(self) -> None:
        """Wait until each lease was seen to change or is dead; meanwhile the lock is watched, too."""

        def states() -> dict[str, str]:
            etags = {entry.name: entry.etag for entry in self._listed(LEASES)}
            return {f"{LEASES}/{name}": etag for name, etag in etags.items() if name not in self._leases}

        wait_until_known(states, self._watcher, self._timing, self._lock.peek, self.location)

    def lease(self, run_id: str) -> "ObjectLease":
        """Begin a run. Hold the lock."""
        return ObjectLease(
            self._leases, run_id, Heartbeat(self._client, self._key(_lease(run_id)), self.location, self._timing)
        )

    def live_runs(self) -> frozenset[str]:
        """The runs of this process, and those whose lease has changed within `dead_after` seconds."""
        live = [
            entry.name
            for entry in self._listed(LEASES)
            if self._watcher.unchanged(_lease(entry.name), entry.etag) <= self._timing.dead_after
        ]
        return frozenset([*live, *self._leases])

    def is_live(self, run_id: str) -> bool:
        """True until the run's lease has not changed for `dead_after` seconds."""
        key = self._key(_lease(run_id))
        try:
            etag = self._patiently(lambda: self._client.etag(key))
        except FileNotFoundError:
            return False
        return self._watcher.unchanged(key, etag) <= self._timing.dead_after

    def segment(self, name: str) -> Segment:
        """The journal segment of a shard, to append to."""
        return ObjectSegment(self._key(name), self._keep, self._timing.group)

    def read_segment(self, name: str) -> list[dict[str, Any]]:
        """The complete rows of a segment's objects, in the order of writing."""
        keys = sorted(self._patiently(lambda: self._client.below(self._key(f"{JOURNAL}/{name}"))))
        return list(rows_in(b"\n".join(self.map_each(self.read, keys))))

    def spool(self, run_id: str) -> Path:
        """A temporary folder on this machine."""
        return Path(tempfile.mkdtemp(prefix=f"pagemill-{self._key(run_id)}-"))

    def refuse_links(self, tables: Iterable[str]) -> None:
        """No-op: an object store has no links."""

    def map_each(self, call: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
        """The results of `call`, computed in parallel."""
        return list(self._threads.map(call, items))

    def _uploaded(self, key: str, path: Path) -> str:
        """Upload a file, a small one in one request; returns the object's etag."""
        if path.stat().st_size <= _READ_WHOLE:
            data = path.read_bytes()
            return self._change(lambda: self._client.put(self._key(key), data))
        self._change(lambda: self._client.put_file(self._key(key), path))
        return self._patiently(lambda: self._client.etag(key))

    def _key(self, key: str) -> str:
        return checked_key(key, self.location)

    def _listed(self, folder: str) -> list[Any]:
        return self._patiently(lambda: self._client.listed(folder))

    def _keep(self, key: str, data: bytes) -> None:
        """Write a group of answers. Raises RunStoppedError once this run may count as dead: its segment may be published then."""
        try:
            for lease in self._leases.values():
                lease.check()
            self._patiently(lambda: self._client.put(key, data))
        except (DatasetError, OSError) as error:
            raise RunStoppedError(
                f"{self.location}: an answer could not be kept ({error}); check the connection to the store, then run the same "
                "command again"
            ) from error

    def _change(self, call: Callable[[], _Result]) -> _Result:
        """Run a call that writes. Raises DatasetError where this process may have lost its lock."""
        return self._patiently(call, lambda: self._lock.heartbeat.check() if self._lock.heartbeat is not None else None)

    @staticmethod
    def _patiently(call: Callable[[], _Result], before: Callable[[], None] = lambda: None) -> _Result:
        for pause in _PAUSES:
            before()
            try:
                return call()
            except (FileNotFoundError, PermissionError, ChangedError):
                raise
            except OSError:
                time.sleep(pause)
        before()
        return call()


class ObjectLease:
    """Sign of life of a run: a renewed object."""

    def __init__(self, leases: dict[str, Heartbeat], run_id: str, heartbeat: Heartbeat) -> None:
        heartbeat.begin()
        self._leases = leases
        self._run_id = run_id
        leases[run_id] = heartbeat

    def __enter__(self) -> "ObjectLease":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Release the lease; the next command recovers the leftovers of the run."""
        heartbeat = self._leases.pop(self._run_id, None)
        if heartbeat is not None:
            heartbeat.release()


class ObjectSegment(Segment):
    """A journal segment of several objects, one for the answers of about a second."""

    def __init__(self, name: str, keep: Callable[[str, bytes], None], group_seconds: float) -> None:
        super().__init__(Path(name), group_seconds)
        self._keep = keep
        self._name = secrets.token_hex(4)  # a repeated shard must not overwrite answers of its earlier try
        self._count = 0

    def _write(self, data: bytes) -> None:
        self._count += 1
        self._keep(f"{JOURNAL}/{self.path.name}/{self._name}-{self._count:08d}", data)


def _lease(run_id: str) -> str:
    return f"{LEASES}/{run_id}"
