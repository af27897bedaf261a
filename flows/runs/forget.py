"""`pagemill forget OUT DOCUMENT...`: documents leave every table and stay out, and the answers that `try` kept go, too."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flows.documents.ocr import forget_ocr, ocr_cache
from flows.durable_files import write_durably
from flows.settings import Settings
from flows.storage.backends.journal import read_segment, segment_bytes
from flows.storage.backends.store import Out
from flows.storage.erase import Forgotten
from flows.storage.find import FoundDocument
from flows.storage.open import read_dataset
from flows.storage.remove import forget_documents
from flows.storage.run_ids import command_shard, new_run_id
from flows.ui.text import count_documents
from schemas.errors import DatasetError


def forget(out: Out, documents: Sequence[FoundDocument], settings: Settings, *, wait: bool = True) -> Forgotten:
    """Remove `documents` from the dataset at `out` and keep them out.

    Raises DatasetError when a live run works on one of them and `wait` is not set.
    """
    dataset = read_dataset(out)
    staging = command_shard(new_run_id(), "forget")
    ids = [document.document_id for document in documents]
    removed = _forget_tries(settings.cache_dir / "tries", frozenset(ids))  # first: nobody else would finish it
    done = forget_documents(dataset, staging, ids, wait=wait)
    if removed:
        done.rows["answers of try"] = removed
    if read := forget_ocr(ocr_cache(settings), ids):
        done.rows["scanned pages"] = read
    return done


def forget_lines(done: Forgotten, out: Out) -> list[str]:
    """`forget` for people."""
    rows = ", ".join(f"{count:,} of {table}" for table, count in sorted(done.rows.items()) if count) or "none"
    count = len(done.document_ids)
    return [
        f"{out}: {count_documents(count)} forgotten and kept out from now on; rows removed: {rows}",
        f"{done.changes_emptied:,} rows of changes without their values now",
        *(f"not reached: {entry}" for entry in done.unreachable),
    ]


def _forget_tries(folder: Path, ids: frozenset[str]) -> int:
    """Take the documents' answers out of the journals that `pagemill try` keeps in the user's cache."""
    removed = 0
    for journal in sorted(folder.glob("*.journal")):
        try:
            rows = list(read_segment(journal))
            kept: list[dict[str, Any]] = [row for row in rows if row["document_id"] not in ids]
            if len(kept) < len(rows):
                write_durably(journal, segment_bytes(kept))
                removed += len(rows) - len(kept)
        except OSError as error:
            raise DatasetError(
                f"{journal} cannot be written ({error.strerror}); it may still hold answers for what is forgotten: delete it"
            ) from error
    return removed
