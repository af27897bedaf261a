"""Removal of published rows: `forget` for good and everywhere, `supersede` in favour of a newer version.

Both go through staging as one READY list, `documents` first, so that no reader finds a document without its other rows, and
`changes` last. Only shards with the documents are rewritten, row group by row group; files are never unlinked, and may have no
rows.
"""

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.storage.backends.layout import FORGETS
from flows.storage.changes import differences, numbered
from flows.storage.dataset import KEEPS_EARLIER_ATTEMPTS, Dataset
from flows.storage.document_claims import claim_published, claimed_by_others
from flows.storage.erase import FIRST, LAST, Forgotten, erase, kept_rows, not_of, record_intent
from flows.storage.recover import recover
from flows.storage.run_ids import run_of
from flows.storage.staging import Staged, stage_and_move
from schemas.errors import DatasetError, UnwritableDatasetError
from schemas.tables import LOG_TABLES


def forget_documents(
    dataset: Dataset, staging: str, ids: Iterable[str], *, wait: bool = True, poll: float = 1.0
) -> Forgotten:
    """Remove documents from every table and keep them out. `staging` is this command's shard name, `<run_id>-<n>`.

    Waits for live runs that have claimed one of the documents, checking every `poll` seconds; without `wait` it raises
    DatasetError with the run's name. The ids are noted before that: from then on no new rows of them are published, and they
    are removed even if this command is killed. Raises DatasetError, too, where the dataset cannot be written.
    """
    try:
        return _forget(dataset, staging, sorted(set(ids)), wait=wait, poll=poll)
    except UnwritableDatasetError as error:
        is_noted = False
        with suppress(OSError):
            is_noted = dataset.store.exists(f"{FORGETS}/{staging}")
        then = (
            "the ids are noted, but their rows may still exist: make room or check the rights, then repeat "
            "`pagemill forget`; any other command that writes removes them, too"
            if is_noted
            else "nothing was forgotten: make room or check the rights, then repeat `pagemill forget`"
        )
        raise DatasetError(f"{error.fact}; {then}") from error


def _forget(dataset: Dataset, staging: str, wanted: list[str], *, wait: bool, poll: float) -> Forgotten:
    with dataset.lease(run_of(staging)):  # so that no other process finishes it meanwhile
        with dataset.locked():
            record_intent(dataset, staging, wanted)
        while True:
            with dataset.locked():
                recover(dataset)
                claimed = claimed_by_others(dataset, run_of(staging))
                busy = sorted({claimed[name] for name in wanted if name in claimed})
                if not busy:
                    return erase(dataset, staging, wanted)
            if not wait:
                raise DatasetError(
                    f"{dataset.location}: run {busy[0]} works on a document to forget; no new rows of it will be "
                    "published, and the existing ones are removed by the next writing command once that run has ended; "
                    "`pagemill forget` without --no-wait waits for it"
                )
            time.sleep(poll)


def supersede_documents(
    dataset: Dataset, staging: str, ids: Iterable[str], pointers: Mapping[str, Mapping[str, str]]
) -> set[str]:
    """Remove documents that newer versions have replaced; returns their ids. `changes` keeps their values.

    `staging` is the run's shard name, `<run_id>-<n>`, and `pointers` are as for `replace_documents`. Documents that are no
    longer published are skipped, those that another live run works on are left to a later run. Answers and failures stay.
    """
    with dataset.locked():
        recover(dataset)
        removed = claim_published(dataset, run_of(staging), ids)
        ids_to_remove = pa.array(sorted(removed), pa.string())
        changes: list[dict[str, Any]] = []
        files: list[Staged] = []
        for table, schema in dataset.tables.items():
            if table in LOG_TABLES or table in KEEPS_EARLIER_ATTEMPTS or "document_id" not in schema.names:
                continue
            for shard in dataset.shards_with(table, ids_to_remove):
                if table in pointers:
                    rows = dataset.shard_rows(table, shard)
                    old = rows.filter(pc.is_in(rows.column("document_id"), value_set=ids_to_remove))
                    changes += differences(old, schema.empty_table(), pointers[table], "superseded")
                files.append(Staged(table, shard, kept_rows(dataset, table, shard, not_of(ids_to_remove), {})))
        if removed:
            silent = removed - {row["document_id"] for row in changes}  # records without values have a row, too
            changes += [{"document_id": entry, "kind": "superseded"} for entry in sorted(silent)]
            files.append(Staged("changes", staging, [numbered(dataset, run_of(staging), changes)]))
            stage_and_move(dataset, staging, files, FIRST, LAST)
        return removed
