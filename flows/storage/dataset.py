"""One dataset: its statement, tables, ids, lock, and runs at work.

`OUT/<table>/*.parquet` are the tables for readers, in folders without other files. `OUT/_work/` has dataset.json, lock, leases,
claims, journal, staging, forgotten ids, and a note for each unfinished run and `forget`.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.storage.backends.journal import Segment
from flows.storage.backends.layout import FORGOTTEN_FILE, RUNS, WORK
from flows.storage.backends.parquet_files import column_has_values, read_batches, read_parquet, read_schema
from flows.storage.backends.store import RunLease, Stamp, Store
from flows.storage.run_ids import is_our_name
from schemas.errors import DatasetError, UnwritableDatasetError
from schemas.tables import LOG_TABLES

BIRTH_FILE = "0.parquet"
_BIRTH = BIRTH_FILE.removesuffix(".parquet")
KEEPS_EARLIER_ATTEMPTS = frozenset({"calls", "failures"})
WORK_FOLDERS = ("leases", "claims", "journal", "staged", "runs", "spool", "forgets")


class Dataset:
    """A dataset, from `open_dataset` for writing or from `read_dataset` for reading."""

    def __init__(self, store: Store, stated: Mapping[str, Any]) -> None:
        self.store = store
        self.document_type = str(stated["document_type"])
        self.record_tables: tuple[str, ...] = tuple(stated["record_tables"])
        self.schema: Mapping[str, Any] = stated["schema"]
        self.tables: dict[str, pa.Schema] = {name: decode_schema(text) for name, text in stated["tables"].items()}
        self._read: dict[tuple[str, str, tuple[str, ...]], tuple[Stamp, pa.Table]] = {}
        self._is_checked = False

    @property
    def location(self) -> str:
        """Folder or URL of the dataset, for people."""
        return self.store.location

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the dataset's lock. Raises DatasetError for an OSError of the store, also within the block."""
        try:
            with self.store.locked():
                self.store.refuse_links(self.tables)
                yield
        except OSError as error:
            raise self.unusable(error) from error

    def unusable(self, error: Exception) -> DatasetError:
        """The error for a refusal of the store."""
        reason = getattr(error, "strerror", None) or error
        if isinstance(error, FileNotFoundError):
            return DatasetError(
                f"{self.location}: {error.filename or reason} has disappeared during the work; put the dataset back, or "
                "run again to make a new one"
            )
        return UnwritableDatasetError(
            f"{self.location} cannot be used ({reason})", "make room or check its rights, then run again"
        )

    def lease(self, run_id: str) -> RunLease:
        """Begin a run: its lease is taken under the lock, so that no process sees it unlocked."""
        try:
            self.store.await_leases()
        except OSError as error:
            raise self.unusable(error) from error
        with self.locked():
            return self.store.lease(run_id)

    def segment(self, shard: str) -> Segment:
        """The journal of a shard, to append to."""
        return self.store.segment(shard)

    def spool(self, run_id: str) -> Path:
        """A folder on this machine for a run's copies of documents; the run removes it."""
        return self.store.spool(run_id)

    def entries(self, folder: str) -> list[str]:
        """Names of the runs or shards in a folder of `_work`. Raises DatasetError for names that Pagemill does not give."""
        names = self.store.names(f"{WORK}/{folder}")
        for name in names:
            if not is_our_name(name.removesuffix(".json").removesuffix(".aside").removesuffix(".json")):
                raise DatasetError(
                    f"{self.location}/{WORK}/{folder}/{name} was not made by Pagemill; move it away and run again"
                )
        return names

    def files(self, table: str) -> list[str]:
        """The shards of a table: names of its published files, without suffix."""
        return [name.removesuffix(".parquet") for name in self.store.stamps(table)]

    def damaged(self) -> Iterator[str]:
        """A line with a remedy for each truncated published file. On a disk, 4 bytes of each file are read."""
        for table in self.tables:
            for name in self.store.cut_short(table):
                advice = remedy(self.location, table, name.removesuffix(".parquet"))
                yield f"{self.location}/{table}/{name} is damaged; {advice}"

    def shard_rows(self, table: str, shard: str) -> pa.Table:
        """The rows of one shard of a table; none where it has no file."""
        return pa.Table.from_batches(self.shard_batches(table, shard), self.tables[table])

    def shard_batches(self, table: str, shard: str) -> Iterator[pa.RecordBatch]:
        """The rows of one shard of a table, a row group at a time."""
        key = f"{table}/{shard}.parquet"
        if not self.store.exists(key):
            return
        with _named(self.location, key), self.store.open(key) as file:
            for batch in read_batches(file):
                yield from pa.Table.from_batches([batch]).cast(self.tables[table]).to_batches()

    def shard_columns(self, table: str, shard: str, columns: Iterable[str]) -> pa.Table:
        """Some columns of one shard of a table, not cached; no rows where it has no file."""
        schema = pa.schema([self.tables[table].field(name) for name in columns])
        key = f"{table}/{shard}.parquet"
        if not self.store.exists(key):
            return schema.empty_table()
        with _named(self.location, key), self.store.open(key) as file:
            return read_parquet(file, schema.names).cast(schema)

    def file_schema(self, table: str, shard: str) -> pa.Schema:
        """The schema in one file."""
        key = f"{table}/{shard}.parquet"
        with _named(self.location, key), self.store.open(key) as file:
            return read_schema(file)

    def has_values(self, table: str, shard: str, column: str) -> bool:
        """True unless the column is null throughout, by the file's statistics."""
        key = f"{table}/{shard}.parquet"
        with _named(self.location, key), self.store.open(key) as file:
            return column_has_values(file, column)

    def rows(self, table: str, columns: Iterable[str]) -> pa.Table:
        """Some columns of a whole table; unchanged files are read once."""
        parts = list(self.parts(table, columns).values())
        wanted = pa.schema([self.tables[table].field(name) for name in columns])
        return pa.concat_tables(parts) if parts else wanted.empty_table()

    def parts(self, table: str, columns: Iterable[str]) -> dict[str, pa.Table]:
        """Some columns of a whole table, by shard."""
        wanted = tuple(columns)
        schema = pa.schema([self.tables[table].field(name) for name in wanted])
        stamps = self.store.stamps(table)

        def part(name: str) -> pa.Table:
            cached = self._read.get((table, name, wanted))
            if cached is None or cached[0] != stamps[name]:
                key = f"{table}/{name}"
                with _named(self.location, key), self.store.open(key) as file:
                    rows = read_parquet(file, list(wanted))
                    cached = (stamps[name], rows if rows.schema.equals(schema) else rows.cast(schema))
                self._read[table, name, wanted] = cached
            return cached[1]

        return dict(
            zip(
                (name.removesuffix(".parquet") for name in stamps), self.store.map_each(part, list(stamps)), strict=True
            )
        )

    def shards_with(self, table: str, ids: pa.Array) -> list[str]:
        """The shards of a table that hold rows of any of `ids`."""
        parts = self.parts(table, ["document_id"])
        return [shard for shard, part in parts.items() if pc.any(pc.is_in(part.column(0), value_set=ids)).as_py()]

    def published_ids(self) -> set[str]:
        """The id of every published document."""
        return set(self.rows("documents", ["document_id"]).column(0).to_pylist())

    def published_among(self, ids: Iterable[str]) -> set[str]:
        """Published ids among `ids`, without Python values for the others, of which there may be a million."""
        column = self.rows("documents", ["document_id"]).column(0)
        return set(column.filter(pc.is_in(column, value_set=pa.array(list(ids), pa.string()))).to_pylist())

    def recipe_ids(self) -> set[str]:
        """The ids of all recipes in `recipes`."""
        return set(self.rows("recipes", ["recipe_id"]).column(0).to_pylist())

    def forgotten_ids(self) -> set[str]:
        """The ids to keep out: none of their rows, answers and addresses are written."""
        try:
            return set(self.store.read(FORGOTTEN_FILE).decode("ascii").split())
        except FileNotFoundError:
            return set()
        except UnicodeDecodeError as error:
            raise DatasetError(
                f"{self.location}/{FORGOTTEN_FILE} holds no ids of documents; restore it from a copy"
            ) from error

    def record_forgotten(self, ids: Iterable[str]) -> None:
        """Add `ids` to the forgotten ones. Hold the lock."""
        before = self.forgotten_ids()
        after = before.union(ids)
        if after != before:
            self.store.write(FORGOTTEN_FILE, "".join(f"{entry}\n" for entry in sorted(after)).encode("ascii"))

    def runs_at_work(self) -> frozenset[str]:
        """The runs without a row in `runs`: they are at work, or were killed and wait for recovery."""
        return frozenset(name.removesuffix(".json") for name in self.entries("runs") if name.endswith(".json"))

    def live_run_of(self, schedule: str, run_id: str) -> str | None:
        """Another live run of the same schedule; None where there is none."""
        with self.locked():
            live = self.store.live_runs() - {run_id}
            for name in sorted(self.runs_at_work() & live):
                note = json.loads(self.store.read(f"{RUNS}/{name}.json"))  # of a live run, which wrote it
                if note.get("schedule") == schedule:
                    return name
        return None

    def note_run(self, run_id: str, facts: Mapping[str, Any]) -> None:
        """Store the facts of a `runs` row, so that recovery can write it if this run is killed."""
        with self.locked():  # so that recovery may take a half-written file for a dead run's
            self.store.write(f"{RUNS}/{run_id}.json", json.dumps(facts).encode())

    def refuse_half_shards(self) -> None:
        """Raise DatasetError for a shard with rows but no `documents`: its documents would be extracted a second time.

        `documents` is published last and no file is ever unlinked, so it was moved away. Recover first. Checked once per object.
        """
        if self._is_checked:
            return
        whole = {*self.files("documents"), _BIRTH}
        for table in self.tables:
            if table in LOG_TABLES or table in KEEPS_EARLIER_ATTEMPTS:
                continue
            for shard in self.files(table):
                if shard not in whole:
                    raise DatasetError(
                        f"{self.location}/documents/{shard}.parquet is missing, but {table}/{shard}.parquet exists: put it "
                        f"back, or {_move_away(self.location, shard)}"
                    )
        self._is_checked = True


@contextmanager
def _named(location: str, key: str) -> Iterator[None]:
    """Raise DatasetError for a file that cannot be read, with its name and a remedy."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        table, _, name = key.partition("/")
        advice = remedy(location, table, name.removesuffix(".parquet"))
        raise DatasetError(f"{location}/{key} cannot be read ({error}); {advice}") from error


def remedy(location: str, table: str, shard: str) -> str:
    """Advice about a damaged or foreign file."""
    if shard != _BIRTH and not is_our_name(shard):
        return "it was not made by Pagemill: move it away"
    if table in LOG_TABLES or shard == _BIRTH:
        advice = "move it away: only its rows are lost"
    elif table in KEEPS_EARLIER_ATTEMPTS:
        advice = "move it away: only its rows are lost, and its answers are paid for again when needed"
    else:
        advice = _move_away(location, shard)
    return f"restore it from a copy, or {advice}"


def _move_away(location: str, shard: str) -> str:
    return (
        f"move every {location}/*/{shard}.parquet away except those of calls, failures and changes, and run again: its documents "
        "are then extracted again, from the answers in `calls`"
    )


def decode_schema(text: str) -> pa.Schema:
    """The Arrow schema in `dataset.json`: base64 of its IPC message."""
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))
