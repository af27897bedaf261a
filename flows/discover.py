"""SOURCE on the command line to addresses: files, folders, globs and lists, each address once, in a stable order."""

import csv
import glob
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import ConfigurationError

_GLOB_MARKS = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a document may stand: `uri` is the absolute path. `size` and `modified_ns` are null where nothing stands."""

    uri: str
    size: int | None
    modified_ns: int | None
    attributes: str | None = None
    path: str | None = None  # as the system names it, where that is no valid UTF-8

    @property
    def opened_as(self) -> str:
        """What to open."""
        return self.path or self.uri

    @property
    def file_name(self) -> str:
        """The last step of the path."""
        return os.path.basename(self.uri)  # noqa: PTH119 - a string operation, the file need not be there


def discover(sources: Iterable[str], out: Path, extensions: Iterable[str]) -> list[Address]:
    """Every address that `sources` name, folders and globs by `extensions` only, `out` itself left out.

    Raises ConfigurationError for a source that matches nothing.
    """
    known = frozenset(extensions)
    found: dict[str, Address] = {}
    for source in sources:
        before = len(found)
        matched = False
        for uri, attributes in _expand(source, out.resolve(), known):
            matched = True
            found.setdefault(uri, _address(uri, attributes))
        if not matched and len(found) == before:
            raise ConfigurationError(
                f"{source} matches nothing: no file, and no {', '.join(sorted(known)[:6])}… in it; check the path, or "
                "allow it with --allow-empty"
            )
    return list(found.values())


def _expand(source: str, out: Path, extensions: frozenset[str]) -> Iterator[tuple[str, str | None]]:
    if source.startswith("@"):
        yield from _listed(Path(source[1:]))
        return
    source = source.removeprefix("file://")
    if "://" in source:
        raise ConfigurationError(
            f"{source}: only paths on this machine can be read by this version; copy the files here"
        )
    path = Path(source)
    if path.is_dir():
        yield from ((uri, None) for uri in _walked(path, out, extensions))
    elif os.path.lexists(path):
        yield _absolute(path), None  # an explicitly named file is always taken
    elif _GLOB_MARKS & set(source):
        for match in sorted(glob.iglob(source, recursive=True)):  # noqa: PTH207 - a pattern as the user typed it
            hit = Path(match)
            if hit.suffix.lower() in extensions and not hit.is_dir() and not hit.resolve().is_relative_to(out):
                yield _absolute(hit), None


def _walked(folder: Path, out: Path, extensions: frozenset[str]) -> Iterator[str]:
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if Path(here, name).resolve() != out)
        for name in sorted(files):
            if os.path.splitext(name)[1].lower() in extensions:  # noqa: PTH122 - half a million names at times
                yield _absolute(Path(here, name))


def _listed(path: Path) -> Iterator[tuple[str, str | None]]:
    try:
        if path.suffix == ".parquet":
            yield from map(_row, pq.read_table(path).to_pylist())
        elif path.suffix == ".csv":
            with path.open(encoding="utf-8-sig", newline="") as file:
                yield from map(_row, csv.DictReader(file))
        else:
            lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
            yield from ((_absolute(Path(line)), None) for line in lines if line and not line.startswith("#"))
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise ConfigurationError(f"@{path} cannot be read as a list of addresses: {error}") from error
    except KeyError:
        raise ConfigurationError(f"@{path} has no column `uri`") from None


def _row(row: Mapping[str, object]) -> tuple[str, str | None]:
    attributes = {key: value for key, value in row.items() if key != "uri" and value is not None}
    uri = _absolute(Path(str(row["uri"]).removeprefix("file://")))
    return uri, json.dumps(attributes, default=str, ensure_ascii=False) if attributes else None


def _absolute(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - links stay as named


def _address(path: str, attributes: str | None) -> Address:
    """The address of `path`; bytes that are no UTF-8 are shown as escapes, so that the name can stand in a table."""
    uri = os.fsencode(path).decode("utf-8", "backslashreplace")
    raw = None if uri == path else path
    try:
        facts = os.stat(path)  # noqa: PTH116 - half a million at times
    except (OSError, ValueError):
        return Address(uri, None, None, attributes, raw)
    return Address(uri, facts.st_size, facts.st_mtime_ns, attributes, raw)
