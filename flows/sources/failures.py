"""Failures and the time they are due again: 20 hours after the first attempt, then 40, 80 and 160; at most five attempts.

A failure that is not retryable is due after `pagemill retry`, with new bytes or under a new recipe. A failure belongs to a
document's id, or to an address whose document was never read.

Clocks may be set back. A run dates its failures after all existing ones, so that the last one is the newest in any case. The
age of a failure dated in the future is counted from the start of its run, which is in the run's name.
"""

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from extractors.tabulate.tabulate import rows
from flows.sources.arrow_lookup import Index, newest
from flows.storage.backends.layout import RETRIES_FILE
from flows.storage.dataset import Dataset
from schemas.errors import DatasetError, DocumentError, InvalidCompletionError

MOST_ATTEMPTS = 5
FIRST_WAIT = datetime.timedelta(hours=20)  # so that a failure is due in the next night
FAILURE_COLUMNS = ("document_id", "source_uri", "run_id", "at", "error", "attempts", "retryable", "recipe_id")
_TICK = datetime.timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Retry:
    """Order of a person that failures up to `at` are due: those of the class `error`, or all (None)."""

    at: datetime.datetime
    error: str | None = None


class Failures:
    """The newest failure of each document id, and of each address whose document was never read.

    `rows` are those of the table `failures` (`FAILURE_COLUMNS`), `now` is the time of the plan. New failures are dated
    `not_before` or later.
    """

    def __init__(self, rows: pa.Table, recipe_id: str, now: datetime.datetime, retries: Sequence[Retry] = ()) -> None:
        latest = pc.max(rows.column("at")).as_py()
        earlier = [*([latest] if latest else []), *(retry.at for retry in retries)]
        self.not_before = max([now, *(entry + _TICK for entry in earlier)])
        is_unread = pc.is_null(rows.column("document_id"))
        of_ids = _judged(newest(rows, "document_id", "at"), recipe_id, now, retries)
        of_uris = _judged(newest(rows.filter(is_unread), "source_uri", "at"), recipe_id, now, retries)
        self.held_ids: pa.ChunkedArray = of_ids.filter(of_ids.column("is_held")).column("document_id")
        self.held_uris: pa.ChunkedArray = of_uris.filter(of_uris.column("is_held")).column("source_uri")
        self._by_id = Index(of_ids, "document_id")
        unusable = rows.filter(pc.equal(rows.column("error"), InvalidCompletionError.__name__))
        self._unusable = Index(unusable.group_by("document_id").aggregate([([], "count_all")]), "document_id")
        self._by_uri = Index(of_uris, "source_uri")

    def attempts(self, document_id: str | None, uri: str) -> int:
        """Number of failed attempts since a person last made the failure due."""
        last = self._by_uri.get(uri) if document_id is None else self._by_id.get(document_id)
        return int(last["attempts"]) if last else 0

    def unusable(self, document_id: str) -> int:
        """Number of all failures for want of a usable answer of the model."""
        counted = self._unusable.get(document_id)
        return int(counted["count_all"]) if counted else 0

    def is_held_back(self, document_id: str) -> bool:
        """True for a document whose failure is not due: too soon, too often, or not retryable under this recipe."""
        last = self._by_id.get(document_id)
        return last is not None and bool(last["is_held"])


def is_reopened(rows: pa.Table, retries: Sequence[Retry]) -> pa.ChunkedArray:
    """Mask of the failures that a person has made due."""
    reopened = pc.is_null(rows.column("at"))  # all false, since `at` is never null
    for retry in retries:
        meant = pc.less_equal(rows.column("at"), pa.scalar(retry.at, rows.column("at").type))
        if retry.error is not None:
            meant = pc.and_(meant, pc.equal(rows.column("error"), retry.error))
        reopened = pc.or_(reopened, meant)
    return reopened


def _judged(rows: pa.Table, recipe_id: str, now: datetime.datetime, retries: Sequence[Retry]) -> pa.Table:
    """`rows` with `is_held`, and with `attempts` 0 where a person has made them due."""
    at, attempts = _failed_at(rows, now), rows.column("attempts")
    wait = pc.multiply(
        pa.scalar(FIRST_WAIT // datetime.timedelta(microseconds=1), pa.int64()),
        pc.shift_left(
            pa.scalar(1, pa.int64()), pc.max_element_wise(pc.min_element_wise(pc.subtract(attempts, 1), 10), 0)
        ),
    )
    since = pc.subtract(pa.scalar(now, at.type), at).cast(pa.int64())  # negative after a wrong clock: then it is due
    is_soon = pc.and_(pc.greater_equal(since, 0), pc.less(since, wait))
    never = pc.or_(pc.invert(rows.column("retryable")), pc.greater_equal(attempts, MOST_ATTEMPTS))
    reopened = is_reopened(rows, retries)
    is_held = pc.and_(
        pc.and_(pc.or_(never, is_soon), pc.equal(rows.column("recipe_id"), recipe_id)), pc.invert(reopened)
    )
    counted = pc.if_else(reopened, pa.scalar(0, pa.int64()), attempts)
    keys = rows.select(["document_id", "source_uri"])
    return keys.append_column("attempts", counted).append_column("is_held", pc.fill_null(is_held, False))


def _failed_at(rows: pa.Table, now: datetime.datetime) -> pa.ChunkedArray:
    """Time of each failure; for one dated in the future the start of its run."""
    at = rows.column("at")
    is_ahead = pc.greater(at, pa.scalar(now, at.type))
    if not pc.any(is_ahead).as_py():
        return at
    stamps = pc.utf8_slice_codeunits(rows.column("run_id"), 0, 15)
    began = pc.strptime(stamps, format="%Y%m%dT%H%M%S", unit="us", error_is_null=True)
    return pc.if_else(is_ahead, pc.coalesce(pc.assume_timezone(began, "UTC"), at), at)


def failure_row(
    error: Exception,
    uri: str,
    document_id: str | None,
    run_id: str,
    recipe_id: str,
    attempts: int,
    not_before: datetime.datetime,
) -> pa.RecordBatch:
    """The row of `failures` for the error of one document, dated `not_before` or later."""
    is_expected = isinstance(error, DocumentError)
    message = str(error) if is_expected else f"{type(error).__name__}: {error}"
    return rows(
        "failures",
        [
            {
                "document_id": document_id,
                "source_uri": uri,
                "run_id": run_id,
                "at": max(datetime.datetime.now(datetime.UTC), not_before),
                "stage": error.stage if isinstance(error, DocumentError) else "extract",
                "error": type(error).__name__,
                "message": message,
                "attempts": attempts,
                "retryable": error.retryable if isinstance(error, DocumentError) else True,
                "recipe_id": recipe_id,
            }
        ],
    )


def read_retries(dataset: Dataset) -> list[Retry]:
    """Failures made due by `pagemill retry`. Raises DatasetError for a file that Pagemill did not write."""
    try:
        entries = json.loads(dataset.store.read(RETRIES_FILE))
        return [Retry(datetime.datetime.fromisoformat(row["at"]), row["error"]) for row in entries]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, KeyError) as error:
        raise DatasetError(
            f"{dataset.location}/{RETRIES_FILE} cannot be read ({error}); remove it and run `pagemill retry` again"
        ) from error
