"""SOURCE on the command line to addresses: files, folders, globs, lists and prefixes of object stores, each address once."""

import csv
import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flows.sources.addresses import Address, Addresses
from flows.sources.globbing import GLOB_MARKS, Seen, Sweep, fixed_part, glob_pattern, identity
from flows.sources.ignored import Ignored
from flows.sources.s3_listing import SCHEME, ObjectUrl, StoredObject, find_objects, list_objects, object_url
from schemas.errors import ConfigurationError

_LISTED_AT_ONCE = 65_536  # rows of a list that are looked up in one block


@dataclass(frozen=True, slots=True)
class Source:
    """A SOURCE of several addresses: a folder or prefix (`below` ends with `/`), a glob (`pattern` too) or a list (neither).

    `is_complete` is true where it was listed to its end: then an address that is not in it does not exist.
    """

    name: str
    below: str | None = None
    pattern: re.Pattern[str] | None = None
    is_complete: bool = True


@dataclass(frozen=True, slots=True)
class Discovered:
    """The addresses in a stable order, the sources with several of them, the faults of listing as text, and the rest."""

    addresses: Addresses
    sources: tuple[Source, ...] = ()
    troubles: tuple[str, ...] = ()
    extensions: frozenset[str] = frozenset()
    ignored: Ignored = field(default_factory=Ignored)


@dataclass(slots=True)
class _Search:
    """State that the sources of one command share. `out` is the folder or URL of the dataset, which is never a source."""

    out: Path | str
    extensions: frozenset[str]
    sweep: Sweep
    sources: list[Source] = field(default_factory=list)

    def note(self, name: str, below: str | None, pattern: re.Pattern[str] | None, *, is_complete: bool = True) -> None:
        shown = None if below is None else _writable(below)
        self.sources.append(Source(_writable(name), shown, pattern, is_complete))


def discover(
    sources: Iterable[str],
    out: Path | str,
    extensions: Collection[str],
    *,
    allow_empty: bool = False,
    follows_links: bool = False,
) -> Discovered:
    """All addresses in `sources`: from folders, prefixes and globs the files with `extensions`, outside of `out`.

    Links that lead out of a folder, or out of the fixed part of a glob, are followed only with `follows_links`.

    Raises ConfigurationError for a source without addresses, unless `allow_empty`, and for a list or a store that cannot be
    read.
    """
    left_out = None if "://" in str(out) else identity(Path(out))
    sweep = Sweep(frozenset(extensions), left_out, follows_links)
    search = _Search(out, frozenset(extensions), sweep)
    named = list(sources)
    addresses = Addresses.collect(_all(search, named, allow_empty=allow_empty))
    if len(named) > 1 or any(source.startswith("@") for source in named):
        addresses = _once(addresses)
    return Discovered(addresses, tuple(search.sources), tuple(sweep.troubles), search.extensions, ignored=sweep.ignored)


def _all(search: _Search, named: Iterable[str], *, allow_empty: bool) -> Iterator[Address]:
    for source in named:
        is_empty = True
        for address in _expand(search, source):
            is_empty = False
            yield address
        if is_empty and not allow_empty:
            left = "".join(f"; left out: {entry}" for entry in search.sweep.ignored.first[:1])
            raise ConfigurationError(
                f"{_shown(source)} matches nothing: expected a file, or {', '.join(sorted(search.extensions)[:6])}… in it; "
                f"check the path, or allow it with --allow-empty{left}"
            )


def _once(addresses: Addresses) -> Addresses:
    """The distinct addresses, in the order of their first occurrence."""
    uris = addresses.table.column("source_uri")
    first = pc.index_in(uris, value_set=uris)
    return addresses.filter(pc.equal(first, pa.arange(0, len(addresses)).cast(first.type)))


def _expand(search: _Search, source: str) -> Iterator[Address]:
    if source.startswith("@"):
        yield from _listed(search, Path(source[1:]))
        return
    source = source.removeprefix("file://")
    if source.startswith(SCHEME):
        yield from _stored(search, source)
    elif "://" in source:
        raise ConfigurationError(
            f"invalid address {_shown(source)}: expected a path on this machine or an s3:// URL; copy the files there"
        )
    elif Path(source).is_dir():
        yield from _folder(search, _absolute(source))
    elif os.path.lexists(source):
        yield _stated(_absolute(source), None, None)  # a file named by itself is taken whatever its extension
    elif GLOB_MARKS & set(source):
        pattern, before = _absolute(source), len(search.sweep.troubles)
        yield from (_address(entry, pattern) for entry in search.sweep.glob(pattern))
        is_complete = len(search.sweep.troubles) == before
        below = f"{fixed_part(pattern).rstrip('/')}/"
        search.note(pattern, below, glob_pattern(pattern), is_complete=is_complete)


def _folder(search: _Search, folder: str) -> Iterator[Address]:
    before = len(search.sweep.troubles)
    for entry in search.sweep.folder(folder):
        yield _address(entry, folder)
    is_complete = len(search.sweep.troubles) == before
    search.note(folder, f"{folder.rstrip('/')}/", None, is_complete=is_complete)


def _stored(search: _Search, url: str) -> Iterator[Address]:
    """The object at `url`, or the objects of a prefix or a glob."""
    asked = object_url(url)
    if GLOB_MARKS & set(asked.key):
        yield from _prefix(search, asked, f"{fixed_part(asked.uri)}/", glob_pattern(asked.uri, hides_dots=False))
        return
    first = next(list_objects(asked), None)
    if first is not None and first.key == asked.key:
        yield _object(asked, first, None, None)  # an object named by itself is taken whatever its extension
    else:
        yield from _prefix(search, asked, f"{asked.uri.rstrip('/')}/", None)


def _prefix(search: _Search, asked: ObjectUrl, below: str, pattern: re.Pattern[str] | None) -> Iterator[Address]:
    left_out = f"{str(search.out).rstrip('/')}/" if "://" in str(search.out) else None
    key = below.removeprefix(f"{SCHEME}{asked.bucket}/")
    for stored in list_objects(ObjectUrl(asked.bucket, key, asked.user)):
        location = ObjectUrl(asked.bucket, stored.key, asked.user)
        if (left_out and location.uri.startswith(left_out)) or (pattern and not pattern.fullmatch(location.uri)):
            continue
        if os.path.splitext(stored.key)[1].lower() in search.extensions:  # noqa: PTH122 - a million keys at times
            yield _object(location, stored, asked.uri, None)
        elif not stored.key.endswith("/"):
            search.sweep.ignored.note_kind(location.uri)
    search.note(asked.uri, below, pattern)


def _listed(search: _Search, path: Path) -> Iterator[Address]:
    name = f"@{_absolute(str(path))}"
    rows = _rows(path)
    while some := list(islice(rows, _LISTED_AT_ONCE)):
        objects = {url: object_url(url) for url, _ in some if url.startswith(SCHEME)}
        facts = find_objects(objects.values())
        for uri, attributes in some:
            if uri in objects:
                yield _object(objects[uri], facts.get(objects[uri].uri), name, attributes)
            elif "://" in uri:
                raise ConfigurationError(
                    f"{name}: invalid address {_shown(uri)}: expected a path on this machine or an s3:// URL"
                )
            else:
                yield _stated(_absolute(uri), name, attributes)
    search.note(name, None, None)


def _rows(path: Path) -> Iterator[tuple[str, str | None]]:
    """The addresses of a list as written, and their other columns as JSON."""
    try:
        if path.suffix == ".parquet":
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches():
                    yield from (_row(path, row) for row in batch.to_pylist())
        elif path.suffix == ".csv":
            with path.open(encoding="utf-8-sig", newline="") as text:
                yield from (_row(path, row) for row in csv.DictReader(text))
        else:
            lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
            yield from ((line.removeprefix("file://"), None) for line in lines if line and not line.startswith("#"))
    except (OSError, pa.ArrowException, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"@{path}: cannot be read as a list of addresses ({error})") from error


def _row(path: Path, row: Mapping[str, Any]) -> tuple[str, str | None]:
    if "uri" not in row:
        raise ConfigurationError(f"@{path}: missing column `uri`; add it")
    if not row["uri"]:
        raise ConfigurationError(f"@{path}: row without `uri`; remove it or fill it in")
    attributes = {str(key): value for key, value in row.items() if key != "uri" and value is not None}
    text = json.dumps(attributes, default=str, ensure_ascii=False) if attributes else None
    return str(row["uri"]).removeprefix("file://"), text


def _absolute(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - Path.resolve() would follow links


def _stated(path: str, found_by: str | None, attributes: str | None) -> Address:
    try:
        facts = os.stat(path)  # noqa: PTH116 - half a million at times
    except (OSError, ValueError):
        return _address((path, None), found_by, attributes)
    return _address((path, facts), found_by, attributes)


def _address(entry: Seen, found_by: str | None, attributes: str | None = None) -> Address:
    """The address of a file; bytes in invalid UTF-8 become escapes in `uri`, so that tables can hold it."""
    path, facts = entry
    uri, found_by = _writable(path), None if found_by is None else _writable(found_by)
    size, time = (None, None) if facts is None else (facts.st_size, facts.st_mtime_ns // 1000)
    return Address(uri, size, time, None, attributes, None if uri == path else path, found_by)


def _object(location: ObjectUrl, facts: StoredObject | None, found_by: str | None, attributes: str | None) -> Address:
    size, time, etag = (None, None, None) if facts is None else (facts.size, facts.modified_us, facts.etag)
    return Address(location.uri, size, time, etag, attributes, location.opened_as, found_by)


def _writable(path: str) -> str:
    return path if path.isascii() else os.fsencode(path).decode("utf-8", "backslashreplace")


def _shown(source: str) -> str:
    """A source without credentials."""
    scheme, mark, rest = source.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}" if mark else source
