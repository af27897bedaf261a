"""Two datasets that should hold the same, whoever has made them: every row of every table, but for when and by which run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows.storage.open import read_dataset

_OTHER = {"run_id", "extracted_at", "at", "seen_at", "seconds", "change_id", "first_used_at", "attempts"}
_BY_RUN = {"runs", "quality", "recipes"}  # a row a run, or an order that is nobody's


def contents(out: Path | str, names: Mapping[str, str] | None = None) -> dict[str, list[str]]:
    """The rows of each table as texts, in an order of their own.

    `names` leads from a file's name to that of another with the same bytes: which of the two came first is nobody's promise.
    """
    dataset = read_dataset(out)
    found: dict[str, list[str]] = {}
    for table, schema in dataset.tables.items():
        if table not in _BY_RUN:
            columns = [name for name in schema.names if name not in _OTHER]
            found[table] = sorted(_said(row, names or {}) for row in dataset.rows(table, columns).to_pylist())
    return found


def _said(row: dict[str, Any], names: Mapping[str, str]) -> str:
    text = repr(sorted(row.items()))
    for name, other in names.items():
        text = text.replace(name, other)
    return text
