"""The tables that a document type makes: one of records, and one for each list of objects in it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from schemas.document_type import DocumentType
from schemas.errors import ConfigurationError
from schemas.fields import Field, escape
from schemas.tables import (
    _BOOL,
    _FLOAT,
    _INT,
    _ITEM,
    _RECORD,
    _RECORD_HEAD,
    _TEXT,
    DECIMAL_DIGITS,
    LOG_TABLES,
    OUR_TABLES,
    SHARD_TABLES,
    _described,
    is_table_name,
)


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
        if not is_table_name(table.name):
            raise ConfigurationError(
                f"document type {document_type.name!r}: {table.name!r} is no name of a table; rename the list with letters, "
                "digits, `_` and `-`, at most 200 bytes with the names around it"
            )
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


def pointers_of(document_type: DocumentType) -> dict[str, dict[str, str]]:
    """For each record table the JSON pointer of each column; of a list's table also that of the list, under no name.

    The index columns of a list in a list are among them, so that an item that moves from one to another is told.
    """
    found = {}
    for table in record_tables(document_type):
        pointers = {column.name: "".join(f"/{escape(key)}" for key in column.keys) for column in table.columns}
        prefix = "".join(f"/{escape(key)}" for step in table.steps for key in step)
        found[table.name] = (
            {**dict.fromkeys(table.index_names, prefix), **pointers, "": prefix} if table.is_items else pointers
        )
    return found


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
        head = [*_RECORD]
        head += [
            (f"{name}_index", _INT, f"place of the item of {name} that it is in, from 0") for name in list_names[:-1]
        ]
        head += [
            ("item_index", _INT, "place of the item in its list, from 0, in the order of the pages"),
            ("item_page", _INT, "page that the item stands on, from 1"),
            ("record_status", _TEXT, "status of the record that it is part of: ok or partial"),
        ]
    else:
        head = _RECORD_HEAD
    ours = {column for column, _, _ in head}
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
    fields = [_described(*entry) for entry in head]
    fields += [
        _described(column.name, arrow_type(column.field), column.field.description, column.field.unit)
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


def pointer_of(document_type: DocumentType, name: str) -> str:
    """The JSON pointer that `name` means: itself, a column of the record's table (`seller_name`), or a field of the record."""
    if name.startswith("/") or not name:
        return name
    return pointers_of(document_type)[document_type.name].get(name, f"/{name}")
