"""A dataset on a disk: renames, fsync, flock. Locks and leases end with their process."""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import pyarrow as pa

from flows.durable_files import file_hash, sync_folder, write_durably
from flows.storage.backends.journal import Segment, read_segment
from flows.storage.backends.keys import checked_key, own_name, own_path, refuse_linked_folders
from flows.storage.backends.layout import JOURNAL, LEASES, LOCK_FILE, STAGED, WORK
from flows.storage.backends.locks import Lease, exclusive, is_live
from flows.storage.backends.parquet_files import write_parquet
from schemas.errors import DatasetError

_END = b"PAR1"  # last bytes of every Parquet file
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class DiskStore:
    """The dataset in the folder `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.location = str(root)

    def make_folders(self, folders: Iterable[str]) -> None:
        """Make folders and their parents."""
        for folder in folders:
            own_path(self.root, folder).mkdir(parents=True, exist_ok=True)

    def foreign(self) -> str | None:
        """The name of one entry of OUT besides `_work`; None where there is none."""
        if not self.root.exists():
            return None
        return next((entry.name for entry in self.root.iterdir() if entry.name != WORK), None)

    def names(self, folder: str) -> list[str]:
        """Names of the entries directly in a folder."""
        try:
            return sorted(entry.name for entry in self._path(folder).iterdir())
        except FileNotFoundError:
            return []

    def stamps(self, folder: str) -> dict[str, tuple[int, ...]]:
        """The Parquet files of a folder; the inode distinguishes files of equal times after a clock was set back."""
        stamps: dict[str, tuple[int, ...]] = {}
        with suppress(FileNotFoundError), os.scandir(self._path(folder)) as entries:
            for entry in entries:
                if entry.name.endswith(".parquet"):
                    facts = entry.stat()
                    stamps[entry.name] = (facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size, facts.st_ino)
        return dict(sorted(stamps.items()))

    def cut_short(self, folder: str) -> list[str]:
        """The files of a folder without the end of a Parquet file: empty, truncated, unreadable, or of another format."""
        path = str(self._path(folder))  # thousands of Path objects take as long as the reads
        return [name for name, facts in self.stamps(folder).items() if not _ends_whole(f"{path}/{name}", facts[2])]

    def exists(self, key: str) -> bool:
        """True for an existing file."""
        return self._path(key).exists()

    def read(self, key: str) -> bytes:
        """The bytes of a file."""
        return self._path(key).read_bytes()

    def open(self, key: str) -> BinaryIO:
        """An opened file, for reads of pieces."""
        return self._path(key).open("rb")

    def write(self, key: str, data: bytes) -> None:
        """Write aside, sync, rename, sync the folder."""
        write_durably(own_name(self.root, key), data)

    def append(self, key: str, data: bytes) -> None:
        """Add to the end of a file and sync."""
        with own_path(self.root, key).open("ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def write_parquet(self, key: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> dict[str, str]:
        """Write and sync one Parquet file; `settle` makes its name durable."""
        path = own_path(self.root, key)
        path.parent.mkdir(exist_ok=True)
        write_parquet(path, schema, batches)
        return {"sha256": file_hash(path)}

    def publish_parquet(self, key: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        """Write a Parquet file aside and rename it to `key`."""
        aside = f"{STAGED}/birth-{Path(key).parent.name}.parquet"
        self.move(aside, key, self.write_parquet(aside, schema, batches))

    def settle(self, folder: str) -> None:
        """Make the names in a folder durable."""
        sync_folder(self._path(folder))

    def move(self, source: str, target: str, facts: Mapping[str, str]) -> None:
        """Rename a written file to `target`; a missing one has been renamed before."""
        path, goal = own_path(self.root, source), own_name(self.root, target)
        if not path.exists():
            return
        if file_hash(path) != facts["sha256"]:
            raise DatasetError(
                f"{path} differs from the staged file: the disk has damaged it; remove {path.parent} and run again"
            )
        goal.parent.mkdir(exist_ok=True)
        path.replace(goal)
        sync_folder(goal.parent)

    def unlink(self, key: str) -> None:
        """Remove a file; a missing one is no error."""
        own_name(self.root, key).unlink(missing_ok=True)

    def remove(self, key: str) -> None:
        """Remove a file or a folder; a missing one is no error."""
        path = own_name(self.root, key)
        with suppress(FileNotFoundError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the dataset's lock."""
        with exclusive(own_path(self.root, LOCK_FILE)):
            yield

    def confirm(self) -> None:
        """No-op: on disk, a living process never loses its lock (flock)."""

    def await_leases(self) -> None:
        """No-op: on disk, liveness is known immediately (flock)."""

    def lease(self, run_id: str) -> Lease:
        """Begin a run. Hold the lock."""
        return Lease(own_path(self.root, f"{LEASES}/{run_id}"))

    def live_runs(self) -> frozenset[str]:
        """The runs whose lease is locked. Hold the lock."""
        return frozenset(name for name in self.names(LEASES) if self.is_live(name))

    def is_live(self, run_id: str) -> bool:
        """True while the run's lease is locked."""
        return is_live(own_path(self.root, f"{LEASES}/{run_id}"))

    def segment(self, name: str) -> Segment:
        """The journal segment of a shard, to append to."""
        return Segment(own_path(self.root, f"{JOURNAL}/{name}"))

    def read_segment(self, name: str) -> list[dict[str, Any]]:
        """The complete rows of a segment."""
        return list(read_segment(self._path(f"{JOURNAL}/{name}")))

    def spool(self, run_id: str) -> Path:
        """A folder beside the dataset; recovery removes it after a kill."""
        folder = own_path(self.root, f"{WORK}/spool/{run_id}")
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def refuse_links(self, tables: Iterable[str]) -> None:
        """Raise DatasetError where `_work`, a folder in it, or the folder of a table is a link, before anything is changed."""
        refuse_linked_folders(self.root, [WORK])
        for table in tables:
            own_path(self.root, table)

    def map_each(self, call: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
        """The results of `call`, computed one after the other: a disk answers fast."""
        return [call(item) for item in items]

    def _path(self, key: str) -> Path:
        return self.root / checked_key(key, self.location)


def _ends_whole(path: str, size: int) -> bool:
    """True for a file of this size with the end of a Parquet file, and for one that was removed meanwhile."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        return size >= len(_END) and os.pread(handle, len(_END), size - len(_END)) == _END
    except OSError:
        return False
    finally:
        os.close(handle)
