"""One dataset: its birth, what it says of itself, its ids, and who works on it now.

`OUT/<table>/*.parquet` is what readers read and nothing else stands there. `OUT/_work/` has dataset.json, lock, leases,
claims, journal, staging and a note for each run that has not ended.
"""

import base64
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from flows.storage.files import read_parquet, sync_folder, write_durably, write_parquet
from flows.storage.locks import Lease, exclusive, is_live
from schemas.errors import ConfigurationError, DatasetError

FORMAT_VERSION = 1
BIRTH_FILE = "0.parquet"
_FOLDERS = ("leases", "claims", "journal", "staged", "runs", "spool")


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """What a new dataset is made of: the type's name and JSON Schema, every table's Arrow schema, which hold records."""

    document_type: str
    schema: Mapping[str, Any]
    tables: Mapping[str, pa.Schema]
    record_tables: tuple[str, ...]


class Dataset:
    """A dataset on disk. `open_dataset` makes one to write to, `read_dataset` one to read from."""

    def __init__(self, root: Path, stated: Mapping[str, Any]) -> None:
        self.root = root
        self.work = root / "_work"
        self.document_type = str(stated["document_type"])
        self.record_tables: tuple[str, ...] = tuple(stated["record_tables"])
        self.schema: Mapping[str, Any] = stated["schema"]
        self.tables: dict[str, pa.Schema] = {name: _decoded(text) for name, text in stated["tables"].items()}
        self._read: dict[tuple[str, str, tuple[str, ...]], tuple[tuple[int, int], pa.Table]] = {}

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the dataset's lock."""
        with exclusive(self.work / "lock"):
            yield

    def lease(self, run_id: str) -> Lease:
        """Begin a run: its lease is taken under the lock, so that nobody sees it unheld."""
        with self.locked():
            return Lease(self.work / "leases" / run_id)

    def is_run_live(self, run_id: str) -> bool:
        """True when the run's process lives. Ask under the lock."""
        return is_live(self.work / "leases" / run_id)

    def files(self, table: str) -> list[Path]:
        """The published files of a table, by name."""
        return sorted((self.root / table).glob("*.parquet"))

    def shard_rows(self, table: str, shard: str) -> pa.Table:
        """The rows of one shard of a table; none where it has no file."""
        path = self.root / table / f"{shard}.parquet"
        schema = self.tables[table]
        return read_parquet(path).cast(schema) if path.exists() else schema.empty_table()

    def rows(self, table: str, columns: Iterable[str]) -> pa.Table:
        """Some columns of a whole table. A file that was read before and has not changed is not read again."""
        wanted = tuple(columns)
        schema = pa.schema([self.tables[table].field(name) for name in wanted])
        parts = []
        for path in self.files(table):
            facts = path.stat()
            stamp = (facts.st_mtime_ns, facts.st_size)
            known = self._read.get((table, path.name, wanted))
            if known is None or known[0] != stamp:
                known = (stamp, read_parquet(path, list(wanted)).cast(schema))
                self._read[table, path.name, wanted] = known
            parts.append(known[1])
        return pa.concat_tables(parts) if parts else schema.empty_table()

    def published_ids(self) -> set[str]:
        """The id of every published document."""
        return set(self.rows("documents", ["document_id"]).column(0).to_pylist())

    def claim(self, run_id: str, ids: Iterable[str]) -> set[str]:
        """Claim what of `ids` is neither published nor claimed by another live run. Hold the lock, recover first."""
        taken = self.published_ids() | self.claimed_by_others(run_id)
        return self._claimed(run_id, [each for each in dict.fromkeys(ids) if each not in taken])

    def claim_published(self, run_id: str, ids: Iterable[str]) -> set[str]:
        """Claim what of `ids` is published and not claimed by another live run, to replace it. Hold the lock, recover first."""
        mine = (self.published_ids() & set(ids)) - self.claimed_by_others(run_id)
        return self._claimed(run_id, sorted(mine))

    def _claimed(self, run_id: str, granted: list[str]) -> set[str]:
        if granted:
            with (self.work / "claims" / run_id).open("a", encoding="ascii") as file:
                file.writelines(f"{each}\n" for each in granted)
                file.flush()
                os.fsync(file.fileno())
        return set(granted)

    def claimed_by_others(self, run_id: str) -> set[str]:
        """The ids that other live runs work on. Hold the lock."""
        claimed: set[str] = set()
        for path in (self.work / "claims").iterdir():
            if path.name != run_id and self.is_run_live(path.name):
                claimed.update(path.read_text(encoding="ascii").split())
        return claimed

    def note_run(self, run_id: str, facts: Mapping[str, Any]) -> None:
        """Keep what a `runs` row needs, so that recovery can write it if this run is killed."""
        with self.locked():  # so that recovery may take what is half written for a dead run's
            write_durably(self.work / "runs" / f"{run_id}.json", json.dumps(facts).encode())


def open_dataset(root: Path, spec: DatasetSpec) -> Dataset:
    """The dataset at `root` to write to, made or completed as needed.

    Raises ConfigurationError when `root` cannot be written, is no dataset, or is one of another type or other columns.
    """
    work = root / "_work"
    try:
        foreign = [entry.name for entry in root.iterdir() if entry.name != "_work"] if root.exists() else []
        if foreign and not (work / "dataset.json").exists():
            raise ConfigurationError(
                f"{root} is no Pagemill dataset but holds {foreign[0]!r}; name an empty or a new folder with --out"
            )
        for folder in _FOLDERS:
            (work / folder).mkdir(parents=True, exist_ok=True)
        with exclusive(work / "lock"):
            stated = _stated(work) or _write_statement(work, spec)
            _refuse_another(root, stated, spec)
            missing = {name: schema for name, schema in spec.tables.items() if name not in stated["tables"]}
            if missing:  # made by an older Pagemill
                stated = _write_statement(work, spec, {**stated["tables"], **_encoded(missing)})
            dataset = Dataset(root, stated)
            _complete_birth(dataset)
    except OSError as error:
        raise ConfigurationError(
            f"{root} cannot be written: {error.strerror or error}; choose another --out"
        ) from error
    return dataset


def read_dataset(root: Path) -> Dataset:
    """The dataset at `root` to read from. Raises ConfigurationError when there is none."""
    stated = _stated(root / "_work")
    if stated is None:
        raise ConfigurationError(
            f"{root} is no Pagemill dataset: it has no _work/dataset.json; name the folder given as --out"
        )
    return Dataset(root, stated)


def _stated(work: Path) -> dict[str, Any] | None:
    try:
        stated = json.loads((work / "dataset.json").read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise DatasetError(f"{work / 'dataset.json'} cannot be read: {error}; restore it from a copy") from error
    if not isinstance(stated, dict) or stated.get("format") != FORMAT_VERSION:
        raise DatasetError(f"{work / 'dataset.json'} is of another format; use the Pagemill that wrote it")
    return stated


def _write_statement(work: Path, spec: DatasetSpec, tables: Mapping[str, str] | None = None) -> dict[str, Any]:
    stated = {
        "format": FORMAT_VERSION,
        "document_type": spec.document_type,
        "schema": spec.schema,
        "record_tables": list(spec.record_tables),
        "tables": tables or _encoded(spec.tables),
    }
    write_durably(work / "dataset.json", json.dumps(stated, indent=1, ensure_ascii=False).encode())
    return json.loads(json.dumps(stated))  # type: ignore[no-any-return]


def _refuse_another(root: Path, stated: Mapping[str, Any], spec: DatasetSpec) -> None:
    if stated["document_type"] != spec.document_type:
        raise ConfigurationError(
            f"{root} holds documents of type {stated['document_type']!r}, not {spec.document_type!r}; "
            "one dataset is one type: name another --out"
        )
    before, after = (
        _columns(stated["record_tables"], stated["tables"]),
        _columns(spec.record_tables, _encoded(spec.tables)),
    )
    changed = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
    if changed:
        raise ConfigurationError(
            f"the columns of {spec.document_type!r} have changed since {root} was made ({', '.join(changed)}); "
            "extract into a new dataset: name another --out"
        )


def _columns(names: Iterable[str], tables: Mapping[str, str]) -> dict[str, str]:
    return {f"{name}.{column.name}": str(column.type) for name in names for column in _decoded(tables[name])}


def _complete_birth(dataset: Dataset) -> None:
    for name, schema in dataset.tables.items():  # `documents` is last, so that what it joins to is there before it
        folder = dataset.root / name
        target = folder / BIRTH_FILE
        if not target.exists():
            folder.mkdir(exist_ok=True)
            aside = dataset.work / "staged" / f"birth-{name}.parquet"
            write_parquet(aside, schema, ())
            aside.replace(target)
            sync_folder(folder)


def _encoded(tables: Mapping[str, pa.Schema]) -> dict[str, str]:
    return {name: base64.b64encode(schema.serialize().to_pybytes()).decode() for name, schema in tables.items()}


def _decoded(text: str) -> pa.Schema:
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))
