"""Truth lines, each about one published document.

A line is one JSON object: the document (`document`, `doc`, `file_name` or `id`: an id or its prefix, an address, the end of a
path, a file name), its values (`record`, `fields` or `truth`), and optionally its `group` (layout, vendor).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from schemas.errors import ConfigurationError

NAMED_BY = ("document", "document_id", "doc", "source_uri", "file_name", "id")
VALUES_IN = ("record", "fields", "truth")


@dataclass(frozen=True, slots=True)
class Label:
    """One line: names of its document, its values as written, and its group if it has one."""

    line: int
    names: tuple[str, ...]
    values: Mapping[str, Any]
    group: str | None


def read_truth(path: Path) -> Iterator[Label]:
    """The lines of a truth file, without those marked `"usable": false`.

    Raises ConfigurationError for a file that cannot be read, and for an invalid line, with its number.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if line.strip() and (label := _label(path, number, line)) is not None:
                    yield label
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; name a file of JSON lines") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: not UTF-8 ({error.reason}); name a file of JSON lines") from None


def _label(path: Path, number: int, line: str) -> Label | None:
    try:
        entry = json.loads(line, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}, line {number}: not JSON ({error}); write one JSON object a line") from None
    if not isinstance(entry, dict):
        raise ConfigurationError(
            f"{path}, line {number}: invalid {type(entry).__name__}: expected one JSON object a line"
        )
    if entry.get("usable") is False:
        return None
    names = tuple(dict.fromkeys(entry[name] for name in NAMED_BY if isinstance(entry.get(name), str) and entry[name]))
    values = next((entry[name] for name in VALUES_IN if isinstance(entry.get(name), dict)), None)
    if not names or values is None:
        missing = f"its document under one of {', '.join(NAMED_BY)}" if not names else f"its values under {_listed()}"
        raise ConfigurationError(f"{path}, line {number}: missing {missing}")
    group = entry.get("group")
    return Label(number, names, values, str(group) if isinstance(group, str | int) else None)


def _listed() -> str:
    return f"{', '.join(VALUES_IN[:-1])} or {VALUES_IN[-1]}"
