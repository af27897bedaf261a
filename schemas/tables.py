"""The Arrow schema of every table that is published, and the record tables that a document type makes.

Types: money decimal128(18, 4), prices and quantities decimal128(18, 6), integers int64, our own times in UTC, a
document's date-times as printed. Every file of a table is written with the identical schema from here, never inferred.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from schemas.document_type import DocumentType
from schemas.errors import ConfigurationError
from schemas.fields import Field

DECIMAL_DIGITS = 18
_TEXT, _INT, _FLOAT, _BOOL = pa.string(), pa.int64(), pa.float64(), pa.bool_()
_ITEM = "element"  # what Parquet calls the values of a list: the schema of a file read back is then the one stated
_TEXTS = pa.list_(pa.field(_ITEM, _TEXT))
_TIME = pa.timestamp("us", tz="UTC")
_BOX = [("x0", _FLOAT), ("y0", _FLOAT), ("x1", _FLOAT), ("y1", _FLOAT)]

_SHARD: dict[str, list[tuple[str, pa.DataType]]] = {
    "documents": [
        ("document_id", _TEXT), ("source_uri", _TEXT), ("file_name", _TEXT), ("bytes", _INT), ("pages", _INT),
        ("title", _TEXT), ("document_type", _TEXT), ("status", _TEXT), ("problems", _TEXTS), ("recipe_id", _TEXT),
        ("model", _TEXT), ("run_id", _TEXT), ("extracted_at", _TIME), ("requests", _INT), ("prompt_tokens", _INT),
        ("completion_tokens", _INT), ("cost_usd", _FLOAT), ("seconds", _FLOAT), ("attachments", _TEXTS),
    ],
    "evidence": [
        ("document_id", _TEXT), ("record", _INT), ("field", _TEXT), ("value", _TEXT), ("page", _INT), *_BOX,
        ("quote", _TEXT), ("match", _TEXT),
    ],
    "checks": [
        ("document_id", _TEXT), ("record", _INT), ("check", _TEXT), ("ok", _BOOL), ("expected", _TEXT),
        ("found", _TEXT),
    ],
    "pages": [
        ("document_id", _TEXT), ("page", _INT), ("width", _FLOAT), ("height", _FLOAT), ("text", _TEXT),
        ("sent_as", _TEXT), ("reason", _TEXT), ("tokens", _INT), ("chunk", _INT), ("hidden_text", _INT),
    ],
    "figures": [
        ("document_id", _TEXT), ("page", _INT), ("figure", _INT), *_BOX, ("kind", _TEXT), ("caption", _TEXT),
        ("width", _INT), ("height", _INT), ("image", pa.binary()),
    ],
    "calls": [
        ("document_id", _TEXT), ("request_id", _TEXT), ("chunk", _INT), ("part", _INT), ("model", _TEXT),
        ("model_returned", _TEXT), ("provider", _TEXT), ("finish_reason", _TEXT), ("prompt_tokens", _INT),
        ("completion_tokens", _INT), ("cost_usd", _FLOAT), ("seconds", _FLOAT), ("attempts", _INT),
        ("response", _TEXT), ("run_id", _TEXT),
    ],
    "failures": [
        ("document_id", _TEXT), ("source_uri", _TEXT), ("run_id", _TEXT), ("at", _TIME), ("stage", _TEXT),
        ("error", _TEXT), ("message", _TEXT), ("attempts", _INT), ("retryable", _BOOL), ("recipe_id", _TEXT),
    ],
}  # fmt: skip

_LOG: dict[str, list[tuple[str, pa.DataType]]] = {
    "sources": [
        ("source_uri", _TEXT), ("document_id", _TEXT), ("bytes", _INT), ("modified_at", _TIME), ("etag", _TEXT),
        ("gone", _BOOL), ("attributes", _TEXT), ("run_id", _TEXT), ("seen_at", _TIME), ("found_by", _TEXT),
    ],
    "runs": [
        ("run_id", _TEXT), ("started_at", _TIME), ("finished_at", _TIME), ("discovered", _INT), ("already_done", _INT),
        ("skipped", _INT), ("ok", _INT), ("partial", _INT), ("failed", _INT), ("deferred", _INT), ("cost_usd", _FLOAT),
        ("recipe_id", _TEXT), ("version", _TEXT), ("requests", _INT), ("prompt_tokens", _INT),
        ("completion_tokens", _INT),
    ],
    "recipes": [
        ("recipe_id", _TEXT), ("schema", _TEXT), ("prompt", _TEXT), ("model", _TEXT), ("settings", _TEXT),
        ("versions", _TEXT), ("first_used_at", _TIME),
    ],
    "changes": [
        ("change_id", _INT), ("at", _TIME), ("run_id", _TEXT), ("document_id", _TEXT), ("record", _INT),
        ("kind", _TEXT), ("field", _TEXT), ("old", _TEXT), ("new", _TEXT),
    ],
}  # fmt: skip

_RECORD_HEAD: list[tuple[str, pa.DataType]] = [
    ("document_id", _TEXT), ("record", _INT), ("record_status", _TEXT), ("record_problems", _TEXTS),
    ("needs_review", _BOOL), ("corrected_fields", _TEXTS), ("file_name", _TEXT), ("first_page", _INT),
    ("last_page", _INT), ("recipe_id", _TEXT), ("extracted_at", _TIME),
]  # fmt: skip

SHARD_TABLES: dict[str, pa.Schema] = {name: pa.schema(columns) for name, columns in _SHARD.items()}
LOG_TABLES: dict[str, pa.Schema] = {name: pa.schema(columns) for name, columns in _LOG.items()}
OUR_TABLES = frozenset({*SHARD_TABLES, *LOG_TABLES, "corrections", "quality"})


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a record table: `keys` lead from the row's object to the value."""

    name: str
    keys: tuple[str, ...]
    field: Field


@dataclass(frozen=True, slots=True)
class RecordTable:
    """A table of a document type: the record's own, or one per list of objects.

    `steps` has the keys to each list on the way from the record; `index_names` names the index column of every list but
    the last, whose index is `item_index`.
    """

    name: str
    steps: tuple[tuple[str, ...], ...]
    index_names: tuple[str, ...]
    columns: tuple[Column, ...]
    schema: pa.Schema

    @property
    def is_items(self) -> bool:
        """True for a table of list items, false for the record's own."""
        return bool(self.steps)


def record_tables(document_type: DocumentType) -> tuple[RecordTable, ...]:
    """The record's table, then one per list of objects, outer before inner.

    Raises ConfigurationError when two columns or tables would have one name, or a table one of ours.
    """
    tables = tuple(_tables_below(document_type.root, document_type.name, (), ()))
    seen: set[str] = set()
    for table in tables:
        if table.name in OUR_TABLES:
            raise ConfigurationError(
                f"document type {document_type.name!r}: a table named {table.name!r} is one of Pagemill's own; rename it"
            )
        if table.name in seen:
            raise ConfigurationError(
                f"document type {document_type.name!r}: two lists would share the table {table.name!r}; rename one"
            )
        seen.add(table.name)
    return tables


def all_tables(document_type: DocumentType) -> dict[str, pa.Schema]:
    """Every table of a dataset by name, in birth order: `documents` is last."""
    records = {table.name: table.schema for table in record_tables(document_type)}
    others = {name: schema for name, schema in SHARD_TABLES.items() if name != "documents"}
    return {**records, **others, **LOG_TABLES, "documents": SHARD_TABLES["documents"]}


def arrow_type(field: Field) -> pa.DataType:
    """The column type of a leaf or of a list of leaves."""
    if field.kind == "list" and field.item is not None:
        return pa.list_(pa.field(_ITEM, arrow_type(field.item)))
    if field.kind == "decimal":
        return pa.decimal128(DECIMAL_DIGITS, field.scale)
    return _LEAF_TYPES[field.kind]


_LEAF_TYPES: Mapping[str, pa.DataType] = {
    "string": _TEXT, "json": _TEXT, "integer": _INT, "number": _FLOAT, "boolean": _BOOL,
    "date": pa.date32(), "datetime": pa.timestamp("us"),
}  # fmt: skip


def _tables_below(
    row: Field, name: str, steps: tuple[tuple[str, ...], ...], list_names: tuple[str, ...]
) -> Iterator[RecordTable]:
    if steps:
        head = [("document_id", _TEXT), ("record", _INT)]
        head += [(f"{list_name}_index", _INT) for list_name in list_names[:-1]]
        head += [("item_index", _INT), ("item_page", _INT), ("record_status", _TEXT)]
    else:
        head = _RECORD_HEAD
    ours = {column for column, _ in head}
    columns: list[Column] = []
    lists: list[tuple[tuple[str, ...], Field]] = []
    for keys, field in _columns_below(row, ()):
        if field.is_table:
            lists.append((keys, field))
        else:
            plain = "_".join(keys)
            columns.append(Column(f"{plain}_" if plain in ours else plain, keys, field))
    names = [column.name for column in columns]
    if clash := next((column for column in names if names.count(column) > 1 or column in ours), None):
        raise ConfigurationError(f"table {name!r}: two fields would share the column {clash!r}; rename one of them")
    fields = [pa.field(column, kind) for column, kind in head]
    fields += [
        pa.field(column.name, arrow_type(column.field), metadata={"description": column.field.description})
        for column in columns
    ]
    index_names = tuple(f"{list_name}_index" for list_name in list_names[:-1])
    yield RecordTable(name, steps, index_names, tuple(columns), pa.schema(fields))
    for keys, field in lists:
        assert field.item is not None
        below = "_".join(keys)
        yield from _tables_below(field.item, f"{name}_{below}", (*steps, keys), (*list_names, below))


def _columns_below(field: Field, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Field]]:
    for child in field.fields:
        here = (*keys, child.name)
        if child.kind == "object":
            yield from _columns_below(child, here)
        else:
            yield here, child
