"""Differences that a new recipe would make: a sample's values, old and new, by field, as a table and as a picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from flows.review.corrections import Disagreed
from flows.storage.changes import differences
from flows.storage.dataset import Dataset
from flows.storage.publish import TableBatches
from flows.storage.staging import as_stated
from flows.ui.html import render, write_page
from flows.ui.text import one_line

_BAR = 20  # characters of a share of one
_SHOWN = 60  # characters of a value in the terminal
_NAMED = 20  # disagreements that the terminal tells
_LISTED = 500  # differences that the picture lists one by one


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that is another under the new recipe; `field` is a JSON pointer, that of the list for items of lists."""

    document_id: str
    field: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """A field with the number of documents in which it is another, and one of them."""

    field: str
    documents: int
    share: float
    example: Difference


def differences_of(
    dataset: Dataset, shard: str, batches: TableBatches, pointers: Mapping[str, Mapping[str, str]]
) -> list[Difference]:
    """Differences of new rows from the published ones of a shard, and changes of status."""
    ids = pa.array([row for batch in batches["documents"] for row in batch.column("document_id").to_pylist()])
    found = []
    for table, fields in {**pointers, "documents": {"status": "status"}}.items():
        old = dataset.shard_rows(table, shard)
        old = old.filter(pc.is_in(old.column("document_id"), value_set=ids))
        new = [as_stated(dataset, table, batch) for batch in batches.get(table, ())]
        rows = old, pa.Table.from_batches(new, dataset.tables[table])
        if table == "documents":
            rows = tuple(row.append_column("record", pa.array([0] * row.num_rows, pa.int64())) for row in rows)
        found += [
            Difference(row["document_id"], row["field"], row["old"], row["new"])
            for row in differences(*rows, fields, "replaced")
        ]
    return found


def by_field(found: Sequence[Difference], documents: int) -> list[FieldDifference]:
    """The fields that differ, those that do in most documents first."""
    fields: dict[str, list[Difference]] = {}
    for entry in found:
        fields.setdefault(entry.field, []).append(entry)
    counts = {name: len({entry.document_id for entry in there}) for name, there in fields.items()}
    listed = [
        FieldDifference(name, counts[name], counts[name] / max(1, documents), there[0])
        for name, there in fields.items()
    ]
    return sorted(listed, key=lambda entry: (-entry.documents, entry.field))


def difference_lines(found: Sequence[Difference], documents: int) -> list[str]:
    """The table for a terminal: each field with a bar, how often it differs, and an example."""
    listed = by_field(found, documents)
    width = max((len(entry.field) for entry in listed), default=0)
    return [
        f"{entry.field:{width}}  {'#' * max(1, round(_BAR * entry.share)):{_BAR}}  {entry.documents:,} of {documents:,}  "
        f"{one_line(entry.example.old, _SHOWN)} -> {one_line(entry.example.new, _SHOWN)}"
        for entry in listed
    ]


def disagreement_lines(found: Sequence[Disagreed]) -> list[str]:
    """Values that a recipe reads otherwise than people have corrected them, for a terminal."""
    lines = [
        f"  {entry.document_id[:12]} {entry.field}: {one_line(entry.machine, _SHOWN)} is read, "
        f"{one_line(entry.corrected, _SHOWN)} says {entry.by}"
        for entry in found[:_NAMED]
    ]
    return [*lines, f"  and {len(found) - _NAMED:,} more"] if len(found) > _NAMED else lines


def draw_differences(
    found: Sequence[Difference],
    documents: int,
    about: Mapping[str, str],
    path: Path,
    disagreed: Sequence[Disagreed] = (),
) -> None:
    """The picture: one web page that stands alone. Raises ConfigurationError where it cannot be written."""
    page = render(
        "differences.html",
        fields=by_field(found, documents),
        documents=documents,
        about=about,
        listed=found[:_LISTED],
        total=len(found),
        disagreed=disagreed[:_LISTED],
    )
    write_page(path, page)
