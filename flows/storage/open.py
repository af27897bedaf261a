"""Opening of a dataset for reading or writing: creation, statement, and refusal of other types and columns."""

import base64
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from flows.storage.backends.layout import DATASET_FILE, WORK
from flows.storage.backends.store import Out, Store, store_at
from flows.storage.dataset import BIRTH_FILE, WORK_FOLDERS, Dataset, decode_schema
from flows.storage.dataset_spec import DatasetSpec
from schemas.errors import ConfigurationError, DatasetError
from schemas.tables import is_table_name

FORMAT_VERSION = 1


def open_dataset(out: Out | Store, spec: DatasetSpec) -> Dataset:
    """The dataset at `out` for writing, created or completed as needed.

    Raises ConfigurationError for an `out` that cannot be written, is no dataset, or has another type or other columns.
    """
    store = store_at(out) if isinstance(out, Path | str) else out
    try:
        foreign = store.foreign()
        if foreign is not None and not store.exists(DATASET_FILE):
            raise ConfigurationError(
                f"{store.location} is no Pagemill dataset: it contains {foreign!r}; name an empty or a new folder with --out"
            )
        store.make_folders(f"{WORK}/{folder}" for folder in WORK_FOLDERS)
        with store.locked():
            stated = _stated(store) or _write_statement(store, spec)
            _refuse_another(store.location, stated, spec)
            missing = {name: schema for name, schema in spec.tables.items() if name not in stated["tables"]}
            if missing:  # a dataset of an older version
                stated = _write_statement(store, spec, {**stated["tables"], **_encoded(missing)})
            dataset = Dataset(store, stated)
            store.refuse_links(dataset.tables)
            _complete_birth(dataset)
            for name, text in spec.guides.items():
                if not _has(store, name, text.encode()):
                    store.write(name, text.encode())
    except OSError as error:
        raise ConfigurationError(
            f"{store.location} cannot be written: {error.strerror or error}; choose another --out"
        ) from error
    return dataset


def _has(store: Store, key: str, data: bytes) -> bool:
    try:
        return store.read(key) == data
    except FileNotFoundError:
        return False


def read_dataset(out: Out | Store) -> Dataset:
    """The dataset at `out` for reading. Raises ConfigurationError where there is none."""
    store = store_at(out) if isinstance(out, Path | str) else out
    try:
        stated = _stated(store)
    except OSError as error:
        raise ConfigurationError(
            f"{store.location} cannot be read: {error.strerror or error}; check the name"
        ) from error
    if stated is None:
        raise ConfigurationError(
            f"{store.location} is no Pagemill dataset: it has no _work/dataset.json; name the folder given as --out"
        )
    return Dataset(store, stated)


def _stated(store: Store) -> dict[str, Any] | None:
    statement = f"{store.location}/{DATASET_FILE}"
    try:
        stated = json.loads(store.read(DATASET_FILE))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{statement} cannot be read: {error}; restore it from a copy") from error
    if not isinstance(stated, dict) or stated.get("format") != FORMAT_VERSION:
        raise DatasetError(f"{statement} is of another format; use the Pagemill that wrote it")
    _check_names(stated, statement)
    return stated


def _check_names(stated: Mapping[str, Any], statement: str) -> None:
    """Raise DatasetError for a statement without its parts, and for a table that its own folder in OUT could not hold."""
    tables, records, schema = stated.get("tables"), stated.get("record_tables"), stated.get("schema")
    if not (isinstance(tables, dict) and isinstance(records, list) and isinstance(schema, dict)):
        raise DatasetError(f"{statement} lacks its tables or its schema; restore it from a copy")
    for name in (stated.get("document_type"), *records, *tables):
        if not isinstance(name, str) or not is_table_name(name) or name.casefold() == WORK:
            raise DatasetError(
                f"{statement} names a table {name!r}: expected letters, digits, `_` and `-`; restore it from a copy"
            )
    if missing := sorted({*records} - {*tables}):
        raise DatasetError(f"{statement} lacks the table {missing[0]!r}; restore it from a copy")
    for name, text in tables.items():
        try:
            decode_schema(text)
        except (TypeError, ValueError, pa.ArrowException, OSError) as error:
            raise DatasetError(
                f"{statement}: the columns of {name} cannot be read ({error}); restore it from a copy"
            ) from error


def _write_statement(store: Store, spec: DatasetSpec, tables: Mapping[str, str] | None = None) -> dict[str, Any]:
    stated = {
        "format": FORMAT_VERSION,
        "document_type": spec.document_type,
        "schema": spec.schema,
        "record_tables": list(spec.record_tables),
        "tables": tables or _encoded(spec.tables),
    }
    store.write(DATASET_FILE, json.dumps(stated, indent=1, ensure_ascii=False).encode())
    return json.loads(json.dumps(stated))  # type: ignore[no-any-return]


def _refuse_another(location: str, stated: Mapping[str, Any], spec: DatasetSpec) -> None:
    if stated["document_type"] != spec.document_type:
        raise ConfigurationError(
            f"{location} holds documents of type {stated['document_type']!r}, not {spec.document_type!r}; "
            "one dataset is one type: name another --out"
        )
    before, after = (
        _columns(stated["record_tables"], stated["tables"]),
        _columns(spec.record_tables, _encoded(spec.tables)),
    )
    changed = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
    if changed:
        named = f" --type {spec.origin}" if spec.origin not in {"", spec.document_type} else ""
        raise ConfigurationError(
            f"the columns of {spec.document_type!r} have changed since {location} was made ({', '.join(changed)}); "
            f"`pagemill refresh {location}{named} --into NEW` makes a "
            "new dataset, with the stored answers where they serve"
        )


def _columns(names: Iterable[str], tables: Mapping[str, str]) -> dict[str, str]:
    return {f"{name}.{column.name}": str(column.type) for name in names for column in decode_schema(tables[name])}


def _complete_birth(dataset: Dataset) -> None:
    store = dataset.store
    names = list(dataset.tables)  # `documents` is last, so that tables joined to it exist first
    born = store.map_each(lambda name: store.exists(f"{name}/{BIRTH_FILE}"), names)
    for name, is_born in zip(names, born, strict=True):
        if not is_born:
            store.publish_parquet(f"{name}/{BIRTH_FILE}", dataset.tables[name], ())


def _encoded(tables: Mapping[str, pa.Schema]) -> dict[str, str]:
    return {name: base64.b64encode(schema.serialize().to_pybytes()).decode() for name, schema in tables.items()}
