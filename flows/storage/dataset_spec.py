"""Parts of a new dataset."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from schemas.catalog import catalog
from schemas.dictionary import dictionary
from schemas.document_type import DocumentType
from schemas.record_tables import all_tables, record_tables


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """Parts of a new dataset: the type's name and JSON Schema, every table's Arrow schema, the record tables."""

    document_type: str
    schema: Mapping[str, Any]
    tables: Mapping[str, pa.Schema]
    record_tables: tuple[str, ...]
    guides: Mapping[str, str] = field(default_factory=dict)  # files for people at the top of OUT, by name
    origin: str = ""  # the user's name for the type


def spec_of(document_type: DocumentType) -> DatasetSpec:
    """The parts of a dataset of this type."""
    names = tuple(table.name for table in record_tables(document_type))
    guides = {"README.md": dictionary(document_type), "catalog.sql": catalog(document_type)}
    return DatasetSpec(
        document_type.name, document_type.schema, all_tables(document_type), names, guides, document_type.origin
    )
