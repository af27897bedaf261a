"""What there is to do: the source minus what is published, minus failures that are not due.

`sources` is a cache of hashes: an address whose size and time are those of its newest row need not be opened when its
document is published. It is never proof of work done; `documents` is.
"""

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flows.discover import Address
from flows.storage.dataset import Dataset

MOST_ATTEMPTS = 5
FIRST_WAIT = datetime.timedelta(hours=20)  # so that a failure is due again the next night
_SOURCE_COLUMNS = ("source_uri", "document_id", "bytes", "modified_at", "gone", "attributes", "seen_at")
_FAILURE_COLUMNS = ("document_id", "source_uri", "at", "attempts", "retryable", "recipe_id")


@dataclass(frozen=True, slots=True)
class Failures:
    """The newest failure of each document id, and of each address whose document was never read."""

    by_id: Mapping[str, Mapping[str, Any]]
    by_uri: Mapping[str, Mapping[str, Any]]
    recipe_id: str
    now: datetime.datetime

    def attempts(self, document_id: str | None, uri: str) -> int:
        """How often it failed before."""
        last = self.by_uri.get(uri) if document_id is None else self.by_id.get(document_id)
        return int(last["attempts"]) if last else 0

    def is_held_back(self, document_id: str | None, uri: str) -> bool:
        """True for a failure that is not due: too soon, too often, or never to be retried under this recipe."""
        last = self.by_uri.get(uri) if document_id is None else self.by_id.get(document_id)
        if last is None or last["recipe_id"] != self.recipe_id:
            return False
        if not last["retryable"] or last["attempts"] >= MOST_ATTEMPTS:
            return True
        due: datetime.datetime = last["at"] + FIRST_WAIT * 2 ** (last["attempts"] - 1)
        return self.now < due


@dataclass(frozen=True, slots=True)
class Plan:
    """The addresses to open, in order, and what is known of the others."""

    pending: tuple[Address, ...]
    discovered: int
    already_done: int
    skipped: int
    known: Mapping[str, Mapping[str, Any]]
    failures: Failures


def make_plan(dataset: Dataset, addresses: Iterable[Address], recipe_id: str) -> Plan:
    """Sort `addresses` into done, held back and pending. Opens no document."""
    known = _newest(dataset.rows("sources", _SOURCE_COLUMNS).to_pylist(), "source_uri", "seen_at")
    failures = _failures(dataset, recipe_id)
    published = dataset.published_ids()
    pending: list[Address] = []
    discovered = already_done = skipped = 0
    for address in addresses:
        discovered += 1
        row = known.get(address.uri)
        document_id = row["document_id"] if row is not None and _is_unchanged(address, row) else None
        if document_id is not None and document_id in published:
            already_done += 1
        elif failures.is_held_back(document_id, address.uri) and (document_id is not None or not _is_new(address, row)):
            skipped += 1
        else:
            pending.append(address)
    return Plan(tuple(pending), discovered, already_done, skipped, known, failures)


def modified_at(address: Address) -> datetime.datetime | None:
    """The address's time of change, to the microsecond that the tables keep."""
    if address.modified_ns is None:
        return None
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    try:
        return epoch + datetime.timedelta(microseconds=address.modified_ns // 1000)
    except OverflowError:
        return None


def _is_unchanged(address: Address, row: Mapping[str, Any]) -> bool:
    time = modified_at(address)
    return time is not None and row["modified_at"] == time and row["bytes"] == address.size and not row["gone"]


def _is_new(address: Address, row: Mapping[str, Any] | None) -> bool:
    """True when something stands at the address that was not there, or was different, when it failed unread."""
    return row is not None and (row["modified_at"] != modified_at(address) or row["bytes"] != address.size)


def _failures(dataset: Dataset, recipe_id: str) -> Failures:
    rows = dataset.rows("failures", _FAILURE_COLUMNS).to_pylist()
    with_id = [row for row in rows if row["document_id"] is not None]
    without = [row for row in rows if row["document_id"] is None]
    now = datetime.datetime.now(datetime.UTC)
    return Failures(_newest(with_id, "document_id", "at"), _newest(without, "source_uri", "at"), recipe_id, now)


def _newest(rows: Iterable[Mapping[str, Any]], key: str, time: str) -> dict[str, Mapping[str, Any]]:
    newest: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        before = newest.get(row[key])
        if before is None or row[time] >= before[time]:
            newest[row[key]] = row
    return newest
