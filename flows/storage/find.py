"""Documents of a dataset by what people call them: an id or its prefix, a path, a file name, or a condition in SQL.

The condition is over the columns of `documents`, run by DuckDB: a language that whoever reads the tables knows, where
pyarrow's expressions would be Python to be evaluated.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from flows.durable_files import file_hash
from flows.storage.dataset import Dataset
from schemas.errors import ConfigurationError

_COLUMNS = ("document_id", "source_uri", "file_name")
_LEAST_PREFIX = 6  # characters of an id


@dataclass(frozen=True, slots=True)
class FoundDocument:
    """A document; address and name are empty for one that was never published."""

    document_id: str
    source_uri: str
    file_name: str


def find_documents(dataset: Dataset, names: Sequence[str], where: str | None) -> list[FoundDocument]:
    """The documents that `names` (an id or its prefix, a path, a file name) and the SQL condition `where` mean.

    Raises ConfigurationError for a name that means none, or an id's prefix that means several.
    """
    documents = dataset.rows("documents", dataset.tables["documents"].names)
    known = {row["document_id"]: FoundDocument(**row) for row in documents.select(_COLUMNS).to_pylist()}
    for table in ("sources", "failures", "calls"):  # what was superseded, or has never been published
        columns = [name for name in _COLUMNS if name in dataset.tables[table].names]
        for row in dataset.rows(table, columns).to_pylist():
            if row["document_id"] is not None and row["document_id"] not in known:
                uri = row.get("source_uri") or ""
                known[row["document_id"]] = FoundDocument(row["document_id"], uri, os.path.basename(uri))  # noqa: PTH119
    at = [(row["source_uri"], row["document_id"]) for row in dataset.rows("sources", _COLUMNS[:2]).to_pylist()]
    chosen: dict[str, FoundDocument] = {}
    for name in names:
        hits = _meant(name, known, at)
        if not hits and Path(name).is_file():  # of a run at work, or of none yet: known by its bytes
            document_id = file_hash(Path(name))
            known[document_id] = known.get(document_id) or FoundDocument(
                document_id, str(Path(name).absolute()), Path(name).name
            )
            hits = {document_id}
        if not hits:
            at_work = (
                " A run is at work: what it has not published yet, name by its path or its id"
                if dataset.runs_at_work()
                else ""
            )
            raise ConfigurationError(
                f"{name} is no document of {dataset.location}: name an id or the first {_LEAST_PREFIX} or more characters of "
                f"one, a path, or a file name.{at_work}"
            )
        chosen.update({hit: known[hit] for hit in hits})
    if where is not None:
        chosen.update({entry: known[entry] for entry in _matching(documents, where)})
    return list(chosen.values())


def _meant(name: str, known: dict[str, FoundDocument], at: Sequence[tuple[str, str | None]]) -> set[str]:
    """The ids that a name means: the more exact meaning first."""
    if name in known or _is_id(name):
        known.setdefault(name, FoundDocument(name, "", ""))
        return {name}
    path = name if "://" in name else str(Path(name).absolute())
    by_path = {entry.document_id for entry in known.values() if entry.source_uri == path}
    by_path |= {document_id for uri, document_id in at if uri == path and document_id in known}
    if by_path:
        return {entry for entry in by_path if entry is not None}
    by_name = {entry.document_id for entry in known.values() if entry.file_name == name}
    if by_name:
        return by_name
    by_prefix = {entry for entry in known if entry.startswith(name)} if len(name) >= _LEAST_PREFIX else set()
    if len(by_prefix) > 1:
        raise ConfigurationError(f"{name} is the beginning of {len(by_prefix)} ids; give more of the one that you mean")
    return by_prefix


def _is_id(name: str) -> bool:
    return len(name) == 64 and set(name) <= set("0123456789abcdef")  # sha256 in hex


def _matching(documents: pa.Table, where: str) -> list[str]:
    import duckdb

    with duckdb.connect(config={"enable_external_access": "false"}) as connection:
        connection.register("documents", documents)
        try:
            rows = connection.execute(f"select document_id from documents where ({where}\n)").fetchall()  # noqa: S608
        except duckdb.Error as error:
            message = str(error).partition("\n")[0]
            raise ConfigurationError(f'--where: {message}; name columns of `documents`, as in "pages > 10"') from error
    return [document_id for (document_id,) in rows]


_LEAST_PREFIX = 6  # characters of an id


class Documents:
    """The published documents of a dataset, found by what people call them."""

    def __init__(self, dataset: Dataset) -> None:
        published = dataset.rows("documents", ["document_id", "source_uri"])
        self._ids = frozenset(published.column(0).to_pylist())
        addresses: Iterable[tuple[str, str]] = _pairs(published.column(1), published.column(0))
        sources = dataset.rows("sources", ["source_uri", "document_id"])
        self._by_name: dict[str, dict[str, str]] = {}  # of each file name the addresses, with their documents
        for uri, document_id in (*_pairs(sources.column(0), sources.column(1)), *addresses):
            if document_id in self._ids:
                self._by_name.setdefault(_base(uri), {})[uri] = document_id

    def find(self, names: Sequence[str]) -> set[str]:
        """The documents that the first of `names` means which means any; several where it does not tell them apart."""
        for name in names:
            if found := self._meant(name):
                return found
        return set()

    def _meant(self, name: str) -> set[str]:
        if name in self._ids:
            return {name}
        addresses = self._by_name.get(_base(name), {})
        path = os.path.abspath(name) if "://" not in name else name  # noqa: PTH100 - links stay as they were written
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


def _shared_end(one: Sequence[str], other: Sequence[str]) -> int:
    """Steps that two paths end alike with."""
    count = 0
    for first, second in zip(reversed(one), reversed(other), strict=False):
        if first != second:
            break
        count += 1
    return count
