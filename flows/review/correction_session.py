"""One session of reviewing: reads of a dataset, and corrections one after the other."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flows.review.correct import correct
from flows.review.document_view import Json, document_view, page_text, version_of
from flows.review.listing import Listing, ListingFilter
from flows.review.records import read_record
from flows.storage.dataset import Dataset
from flows.storage.run_ids import new_run_id
from schemas.document_type import DocumentType
from schemas.errors import DatasetError
from schemas.step_data import Evidence

_PAUSE = 0.3  # seconds until a shard that is being replaced exists again
Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Change:
    """Requested change: another `value` (text or None) of `field`, in `version` of the record.

    `field` "" with the value None accepts the document. `evidence` is the place where the person saw the value.
    """

    field: str
    value: str | None
    note: str | None
    version: str
    evidence: Evidence | None = None


class Session:
    """A dataset under review by one person; its methods may be called from several threads."""

    def __init__(self, dataset: Dataset, document_type: DocumentType, by: str) -> None:
        self.dataset = dataset
        self.document_type = document_type
        self.by = by
        self._session = new_run_id()
        self._listing = Listing(dataset, document_type)
        self._turn = threading.Lock()

    def documents(self, wanted: ListingFilter, start: int) -> Json:
        """A page of the list, worst first, with the number of documents."""
        with self._turn:
            listed = _again(lambda: self._listing.slice(wanted, start))
        return {
            "rows": listed.rows, "start": listed.start, "total": listed.total, "documents": listed.documents,
            "counts": dict(listed.counts),
        }  # fmt: skip

    def groups(self) -> list[tuple[str, int]]:
        """The largest groups, with their numbers of documents."""
        with self._turn:
            return _again(self._listing.groups)

    def document(self, document_id: str) -> Json:
        """The document as data of the page. Raises PagemillError for one that is not published."""
        return _again(lambda: document_view(self.dataset, self.document_type, document_id))

    def text(self, document_id: str, number: int) -> str:
        """The text of a page as it was sent."""

        def read() -> str:
            record = read_record(self.dataset, self.document_type, document_id)
            return page_text(self.dataset, record.shard, document_id, number)

        return _again(read)

    def value(self, document_id: str) -> dict[str, Any]:
        """The record as it is published."""
        return _again(lambda: read_record(self.dataset, self.document_type, document_id)).value

    def change(self, document_id: str, change: Change) -> bool:
        """Make a change; returns False, without a change, where the record is no longer the version that the person saw.

        Raises ConfigurationError for a value that the schema refuses, DatasetError where the dataset cannot be written.
        """
        with self._turn:
            record = _again(lambda: read_record(self.dataset, self.document_type, document_id))
            if version_of(record) != change.version:
                return False
            correct(
                self.dataset, self.document_type, document_id, change.field, change.value,
                by=self.by, note=change.note, evidence=change.evidence, session=self._session,
            )  # fmt: skip
            return True


def _again(read: Callable[[], Read]) -> Read:
    """Result of `read`, with one retry: a run may be replacing a shard."""
    try:
        return read()
    except (DatasetError, OSError):
        time.sleep(_PAUSE)
        return read()
