"""Documents of a dataset by id, prefix of an id, path, file name, or a condition in SQL.

The condition is over the columns of `documents`, run by DuckDB: readers of the tables know SQL, while pyarrow's expressions
are Python code.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.durable_files import file_hash
from flows.storage.dataset import Dataset
from schemas.errors import ConfigurationError

_COLUMNS = ("document_id", "source_uri", "file_name")
# A condition reads the table that it is of, and nothing else.
_CLOSED: dict[str, Any] = {
    "enable_external_access": "false",
    "lock_configuration": "true",
    "memory_limit": "2GB",
    "threads": "2",
}
_LEAST_PREFIX = 6  # characters of an id


@dataclass(frozen=True, slots=True)
class FoundDocument:
    """A document; address and name are empty where they are unknown."""

    document_id: str
    source_uri: str
    file_name: str


def find_documents(dataset: Dataset, names: Sequence[str], where: str | None) -> list[FoundDocument]:
    """The documents with these `names` (an id or its prefix, a path, a file name), and those of the SQL condition `where`.

    Arrow columns are filtered, without Python values for other documents.

    Raises ConfigurationError for a name without a document, and for a prefix of several ids.
    """
    search = _Search(dataset)
    chosen: dict[str, FoundDocument] = {}
    for name in names:
        ids = search.ids_of(name)
        if not ids and Path(name).is_file():  # not published yet: identified by its bytes
            document_id = file_hash(Path(name))
            chosen[document_id] = search.document(document_id) or FoundDocument(
                document_id, str(Path(name).absolute()), Path(name).name
            )
        elif not ids:
            raise ConfigurationError(_unknown(dataset, name))
        chosen.update({hit: search.document(hit) or FoundDocument(hit, "", "") for hit in ids})
    if where is not None:
        documents = dataset.rows("documents", dataset.tables["documents"].names)
        for row in documents.select(_COLUMNS).filter(_is_any(documents, _matching(documents, where))).to_pylist():
            chosen[row["document_id"]] = FoundDocument(**row)
    return list(chosen.values())


class _Search:
    """The searched columns: of `documents`, and of the tables with unpublished documents."""

    def __init__(self, dataset: Dataset) -> None:
        self._published = dataset.rows("documents", _COLUMNS)
        self._others = {table: dataset.rows(table, _COLUMNS[:2]) for table in ("sources", "failures")}
        self._dataset = dataset

    def ids_of(self, name: str) -> set[str]:
        """The ids of a name, by its most exact meaning. Raises ConfigurationError for an ambiguous prefix."""
        if _is_id(name):
            return {name}
        path = name if "://" in name else str(Path(name).absolute())
        by_path = self._where(lambda rows: pc.equal(rows.column("source_uri"), path))
        if by_path:
            return by_path
        if by_name := self._named(name):
            return by_name
        if len(name) < _LEAST_PREFIX:
            return set()
        by_prefix = self._where(lambda rows: pc.starts_with(rows.column("document_id"), name))
        by_prefix |= _ids(self._calls(), pc.starts_with(self._calls().column("document_id"), name))
        if len(by_prefix) > 1:
            raise ConfigurationError(f"ambiguous id {name}: {len(by_prefix)} ids begin so; give more characters")
        return by_prefix

    def document(self, document_id: str) -> FoundDocument | None:
        """The published document of an id, else one with its first known address; None for an unknown id."""
        mask = pc.equal(self._published.column("document_id"), document_id)
        for row in self._published.filter(mask).slice(0, 1).to_pylist():
            return FoundDocument(**row)
        for rows in self._others.values():
            for row in rows.filter(pc.equal(rows.column("document_id"), document_id)).slice(0, 1).to_pylist():
                return FoundDocument(document_id, row["source_uri"] or "", _base(row["source_uri"] or ""))
        return None

    def _where(self, condition: Callable[[pa.Table], pa.ChunkedArray]) -> set[str]:
        return set().union(*(_ids(rows, condition(rows)) for rows in (self._published, *self._others.values())))

    def _named(self, name: str) -> set[str]:
        """Documents with this file name, also unpublished ones by their addresses."""
        ids = _ids(self._published, pc.equal(self._published.column("file_name"), name))
        published = self._published.column("document_id")
        for rows in self._others.values():
            uris = rows.column("source_uri")
            is_named = pc.or_(pc.ends_with(uris, f"/{name}"), pc.equal(uris, name))
            is_new = pc.invert(pc.is_in(rows.column("document_id"), value_set=published.combine_chunks()))
            ids |= _ids(rows, pc.and_(is_named, is_new))
        return ids

    def _calls(self) -> pa.Table:
        return self._dataset.rows("calls", _COLUMNS[:1])


def _ids(rows: pa.Table, mask: pa.ChunkedArray) -> set[str]:
    return set(rows.filter(mask).column("document_id").drop_null().to_pylist())


def _is_any(documents: pa.Table, ids: Sequence[str]) -> pa.ChunkedArray:
    return pc.is_in(documents.column("document_id"), value_set=pa.array(ids, pa.string()))


def _unknown(dataset: Dataset, name: str) -> str:
    at_work = " A run is at work: name its unpublished documents by path or id" if dataset.runs_at_work() else ""
    return (
        f"{name} is no document of {dataset.location}: name an id or the first {_LEAST_PREFIX} or more characters of "
        f"one, a path, or a file name.{at_work}"
    )


def _is_id(name: str) -> bool:
    return len(name) == 64 and set(name) <= set("0123456789abcdef")  # sha256 in hex


def _matching(documents: pa.Table, where: str) -> list[str]:
    import duckdb

    with duckdb.connect(config=_CLOSED) as connection:
        connection.register("documents", documents)
        try:  # `filter` takes one expression: no second statement, no union
            rows = connection.table("documents").filter(where).select("document_id").fetchall()
        except (duckdb.Error, ValueError) as error:
            message = str(error).partition("\n")[0].partition("Error: ")[2] or str(error).partition("\n")[0]
            raise ConfigurationError(
                f'--where: no condition over columns of `documents`: {message}; one looks like "pages > 10"'
            ) from error
    return [document_id for (document_id,) in rows]


class Documents:
    """The published documents of a dataset, found by id, prefix, path or file name."""

    def __init__(self, dataset: Dataset) -> None:
        published = dataset.rows("documents", ["document_id", "source_uri"])
        self._ids = frozenset(published.column(0).to_pylist())
        addresses: Iterable[tuple[str, str]] = _pairs(published.column(1), published.column(0))
        sources = dataset.rows("sources", ["source_uri", "document_id"])
        self._by_name: dict[str, dict[str, str]] = {}  # document ids by address, by file name
        for uri, document_id in (*_pairs(sources.column(0), sources.column(1)), *addresses):
            if document_id in self._ids:
                self._by_name.setdefault(_base(uri), {})[uri] = document_id

    def find(self, names: Sequence[str]) -> set[str]:
        """The documents of the first of `names` that has any; several for an ambiguous name."""
        for name in names:
            if ids := self._meant(name):
                return ids
        return set()

    def _meant(self, name: str) -> set[str]:
        if name in self._ids:
            return {name}
        addresses = self._by_name.get(_base(name), {})
        path = os.path.abspath(name) if "://" not in name else name  # noqa: PTH100 - Path.resolve() would follow links
        if path in addresses:
            return {addresses[path]}
        if addresses:
            steps = name.strip("./").split("/")
            alike = {uri: _shared_end(uri.split("/"), steps) for uri in addresses}
            most = max(alike.values())
            return {addresses[uri] for uri, count in alike.items() if count == most}
        if len(name) >= _LEAST_PREFIX and set(name) <= set("0123456789abcdef"):
            return {document_id for document_id in self._ids if document_id.startswith(name)}
        return set()


def _pairs(uris: Any, ids: Any) -> Iterator[tuple[str, str]]:
    return zip(uris.to_pylist(), ids.to_pylist(), strict=True)


def _base(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2]


def _shared_end(left: Sequence[str], right: Sequence[str]) -> int:
    """Number of equal steps at the ends of two paths."""
    count = 0
    for first, second in zip(reversed(left), reversed(right), strict=False):
        if first != second:
            break
        count += 1
    return count
