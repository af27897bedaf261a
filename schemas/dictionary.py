"""`README.md` of a dataset: content of its tables and columns, for readers who did not make it."""

import pyarrow as pa

from schemas.document_type import DocumentType
from schemas.record_tables import all_tables, record_tables
from schemas.tables import LOG_TABLES, SHARD_TABLES

_HEAD = """\
# {name}

Made by Pagemill from documents, by a model, and checked by code. Each folder is one table of Parquet files; `_work/` is
Pagemill's working folder, not meant for readers.

- **A null** means that the document does not state the value, or that the value read could not be used: then `evidence` has a
  row for it with the reason. It never means zero.
- **`partial`** (in `documents.status` and `record_status`) means that a value or row which the pages show is missing, or
  that values contradict each other; `problems` names them. `ok` means that all pages were read, all declared checks hold and
  no row of a list that code could count is missing. `needs_review` marks records that a person should check, also among the
  `ok` ones.
- **Joins**: everything joins on `document_id`; records on `document_id` and `record`; items of lists also on the index columns
  of the lists around them. A row counts when its `document_id` is in `documents` (`calls` and `failures` aside).
- **Nothing is rounded.** Money is decimal(18, 4), prices and quantities decimal(18, 6); a value that does not fit is null.

In pandas: `pandas.read_parquet("{name}", dtype_backend="pyarrow")` calculates with money and dates. With DuckDB,
`duckdb -init catalog.sql` in this folder has views: `{name}_trust` shows each value beside its match and page,
`{name}_with_source` each record beside its document's address, `held_documents` the documents that an address still holds,
`open_failures` the failures not yet resolved, `freshness` and `pending_by_day` the state of the dataset.
"""


def dictionary(document_type: DocumentType) -> str:
    """The data dictionary of a dataset of this type, as Markdown."""
    about = {
        **{table.name: "one row per item" if table.is_items else "one row per record" for table in record_tables(document_type)},
        **dict.fromkeys(SHARD_TABLES, "rows of the documents that were published together in one file"),
        **dict.fromkeys(LOG_TABLES, "a log: rows are added, never removed"),
    }  # fmt: skip
    parts = [_HEAD.format(name=document_type.name)]
    if document_type.description:
        parts.append(f"{_cell(document_type.description)}\n")
    parts += [_table(name, about[name], schema) for name, schema in all_tables(document_type).items()]
    return "\n".join(parts)


def _table(name: str, about: str, schema: pa.Schema) -> str:
    lines = [f"## {name}", "", f"{about}.", "", "| column | type | unit | content |", "|---|---|---|---|"]
    for field in schema:
        metadata = {key.decode(): text.decode() for key, text in (field.metadata or {}).items()}
        unit, text = metadata.get("unit", ""), metadata.get("description", "")
        lines.append(f"| `{_cell(field.name)}` | {_cell(str(field.type))} | {_cell(unit)} | {_cell(text)} |")
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    """Text on one line, escaped so that it cannot end its cell."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
