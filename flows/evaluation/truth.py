"""Truth lines, and which published document each of them speaks of.

A line is one JSON object: the document (`document`, `doc`, `file_name` or `id`: an id or its prefix, an address, the end of a
path, a file name), its values (`record`, `fields` or `truth`), and, if it likes, the `group` (layout, vendor) that it is of.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from flows.storage.dataset import Dataset
from schemas.errors import ConfigurationError

NAMED_BY = ("document", "document_id", "doc", "source_uri", "file_name", "id")
VALUES_IN = ("record", "fields", "truth")
_LEAST_PREFIX = 6  # characters of an id


@dataclass(frozen=True, slots=True)
class Label:
    """One line: the names that its document goes by, its values as they stand there, and its group, if it says one."""

    line: int
    names: tuple[str, ...]
    values: Mapping[str, Any]
    group: str | None


def read_truth(path: Path) -> Iterator[Label]:
    """The lines of a truth file; those that are marked `"usable": false` are left out.

    Raises ConfigurationError for a file that cannot be read, and for a line that is none, with its number.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if line.strip() and (label := _label(path, number, line)) is not None:
                    yield label
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; name a file of JSON lines") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: is no text in UTF-8 ({error.reason}); name a file of JSON lines") from None


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
        held = self._by_name.get(_base(name), {})
        path = os.path.abspath(name) if "://" not in name else name  # noqa: PTH100 - links stay as they were written
        if path in held:
            return {held[path]}
        if held:
            steps = name.strip("./").split("/")
            alike = {uri: _shared_end(uri.split("/"), steps) for uri in held}
            most = max(alike.values())
            return {held[uri] for uri, count in alike.items() if count == most}
        if len(name) >= _LEAST_PREFIX and set(name) <= set("0123456789abcdef"):
            return {each for each in self._ids if each.startswith(name)}
        return set()


def _label(path: Path, number: int, line: str) -> Label | None:
    try:
        entry = json.loads(line, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}, line {number}: not JSON ({error}); write one JSON object a line") from None
    if not isinstance(entry, dict):
        raise ConfigurationError(f"{path}, line {number}: a truth is one JSON object, this is a {type(entry).__name__}")
    if entry.get("usable") is False:
        return None
    names = tuple(dict.fromkeys(entry[name] for name in NAMED_BY if isinstance(entry.get(name), str) and entry[name]))
    values = next((entry[name] for name in VALUES_IN if isinstance(entry.get(name), dict)), None)
    if not names or values is None:
        missing = f"its document under one of {', '.join(NAMED_BY)}" if not names else f"its values under {_listed()}"
        raise ConfigurationError(f"{path}, line {number}: the line does not give {missing}")
    group = entry.get("group")
    return Label(number, names, values, str(group) if isinstance(group, str | int) else None)


def _listed() -> str:
    return f"{', '.join(VALUES_IN[:-1])} or {VALUES_IN[-1]}"


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
