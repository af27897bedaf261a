"""`pagemill correct OUT DOCUMENT FIELD VALUE`: a person's value becomes the published one, for good.

Under the dataset's lock the published record is read, the correction applied, and the record's rows, a row of `corrections`
and one of `changes` are published together: all or nothing, also after a kill. No claim is needed: a refresh or a run that
works on the document meanwhile applies all corrections when it publishes, under the same lock.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from extractors.corrections.correct import corrected, correction_of
from extractors.tabulate.tabulate import record_batches
from extractors.values import json_text
from flows.review.corrections import document_facts
from flows.review.records import Published, read_record
from flows.storage.backends.store import Out
from flows.storage.changes import numbered
from flows.storage.dataset import Dataset
from flows.storage.dataset_spec import spec_of
from flows.storage.find import find_documents
from flows.storage.open import open_dataset, read_dataset
from flows.storage.publish import correct_document
from flows.storage.recover import recover
from flows.storage.run_ids import command_shard, new_run_id, run_of
from flows.type_loader import type_of
from schemas.document_type import DocumentType
from schemas.errors import ConfigurationError
from schemas.step_data import Correction, Evidence


@dataclass(frozen=True, slots=True)
class Corrected:
    """A correction that was made: both values as text (JSON for a field that is no leaf), and `after`, the published record."""

    correction_id: int
    document_id: str
    field: str
    old: str | None
    new: str | None
    by: str
    after: Published


def open_with_type(out: Out, document_type: DocumentType | None = None) -> tuple[Dataset, DocumentType]:
    """The dataset at `out`, completed with tables of newer versions, and its type."""
    dataset = read_dataset(out)
    document_type = document_type or type_of(dataset.document_type, dataset.schema, dataset.location)
    return open_dataset(out, spec_of(document_type)), document_type


def document_named(dataset: Dataset, name: str) -> str:
    """The id of the document with this name. Raises ConfigurationError where several or no documents have it."""
    matches = find_documents(dataset, [name], None)
    if len(matches) > 1:
        ids = ", ".join(entry.document_id[:12] for entry in matches[:5])
        raise ConfigurationError(f"ambiguous name {name}: {len(matches)} documents have it; give an id: {ids}")
    return matches[0].document_id


def correct(  # noqa: PLR0913 - each has a column of its own
    dataset: Dataset,
    document_type: DocumentType,
    document_id: str,
    field: str,
    value: str | None,
    *,
    by: str,
    note: str | None = None,
    evidence: Evidence | None = None,
    session: str | None = None,
) -> Corrected:
    """Correct one value of a published document; `field` is a JSON pointer, `value` the text that a person typed, None for null.

    `/list/3` without a value removes the item, `/list/-` with JSON adds one, `""` accepts the record as it is. `evidence` is
    the place where the person saw the value. Corrections of one `session` (a run id) share a file of each log.

    Raises ConfigurationError, and changes nothing, where the type does not allow the field or the value.
    """
    if not by.strip():
        raise ConfigurationError("missing name of the corrector: give --by NAME")
    name = command_shard(session or new_run_id(), "correct")
    with dataset.lease(run_of(name)), dataset.locked():
        recover(dataset)
        before = read_record(dataset, document_type, document_id)
        correction = correction_of(before.record, field, value, document_type, evidence)
        record = corrected(before.record, correction, document_type)
        extracted = before.document.get("extracted") or json_text(before.record.value)
        batches = record_batches(record, {**document_facts(before.document), "extracted": extracted}, document_type)
        row = _row(dataset, before, correction, by.strip(), note, run_of(name))
        change_ = {"document_id": document_id, "record": 0, "kind": "corrected"}
        if correction.field and correction.old != correction.new:
            change_ |= {"field": correction.field, "old": correction.old, "new": correction.new}
        change = numbered(dataset, run_of(name), [change_]).to_pylist()[0]
        correct_document(dataset, before.shard, name, batches, {"corrections": row, "changes": change})
        after = read_record(dataset, document_type, document_id)
    return Corrected(
        row["correction_id"], document_id, correction.field, correction.old, correction.new, by.strip(), after
    )


def corrected_line(done: Corrected, name: str) -> str:
    """One line about a correction, for people."""
    if not done.field:
        return f"{name}: accepted as it is, by {done.by}"
    if done.old == done.new:
        return f"{name}: {done.field} is {_shown(done.new)}, confirmed by {done.by}"
    return f"{name}: {done.field}: {_shown(done.old)} -> {_shown(done.new)}, by {done.by}; status {done.after.record.status}"


def _row(
    dataset: Dataset, before: Published, correction: Correction, by: str, note: str | None, run_id: str
) -> Mapping[str, Any]:
    earlier = dataset.rows("corrections", ["correction_id", "at"])
    last = pc.max(earlier.column("correction_id")).as_py() or 0
    at = max(filter(None, [datetime.datetime.now(datetime.UTC), pc.max(earlier.column("at")).as_py()]))
    was = next(
        (entry for entry in before.record.evidence if entry.field == correction.field and entry.match != "conflict"),
        None,
    )
    evidence = correction.evidence
    box = (evidence.box if evidence else None) or (None, None, None, None)
    return {
        "correction_id": last + 1, "at": at, "by": by, "document_id": before.document_id, "record": 0,
        "field": correction.field, "old": correction.old, "new": correction.new,
        "note": (note or "").strip() or None, "run_id": run_id,
        "match": was.match if was else None, "confidence": was.confidence if was else None,
        "page": evidence.page if evidence else None, "x0": box[0], "y0": box[1], "x1": box[2], "y1": box[3],
        "quote": evidence.quote if evidence else None, "context": correction.context,
    }  # fmt: skip


def _shown(value: str | None) -> str:
    return "null" if value is None else value
