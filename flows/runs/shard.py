"""One shard of a run: read and hash, claim, extract each document, publish them together."""

import asyncio
import datetime
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from extractors.evaluate.drift import Break
from extractors.tabulate.tabulate import Batches, rows
from flows.documents.extract import extract_document
from flows.documents.extraction_tools import Tools
from flows.documents.sandbox import ended_with_the_run
from flows.documents.stored_answers import stored_in
from flows.review.corrections import corrector
from flows.runs.accounting import Accounts
from flows.runs.earlier_shard_attempt import EarlierAttempt
from flows.sources.addresses import Address
from flows.sources.failures import failure_row
from flows.sources.plan import Before, modified_at
from flows.sources.spool import Spooled, is_disk_full, spool
from flows.storage.backends.journal import Segment
from flows.storage.dataset import Dataset
from flows.storage.document_claims import claim, claimed_beside
from flows.storage.publish import publish
from flows.storage.recover import recover
from schemas.errors import STOPS, DatasetError, DocumentError, PagemillError


@dataclass
class RunState:
    """State that the shards of one run share. `stopped` is the error that ended the run early, if any."""

    dataset: Dataset
    tools: Tools
    before: Before
    accounts: Accounts
    spool_folder: Path
    documents_in_flight: asyncio.Semaphore
    on_progress: Callable[[], None]
    limit: int | None = None
    lender: Dataset | None = None  # whose stored answers are taken, too
    deadline: datetime.datetime | None = None  # nothing is begun after it
    past: EarlierAttempt | None = None  # of a shard that another process may have been killed over
    handled: set[str] = field(default_factory=set)
    repeated: list[str] = field(default_factory=list)
    sources: list[dict[str, Any]] = field(default_factory=list)
    left: list[Address] = field(default_factory=list)  # begun or not, and neither done, failed nor another's
    stopped: PagemillError | None = None
    superseded: int = 0
    breaks: Sequence[Break] = ()
    finished: int = 0  # documents done with, published or not yet: for the progress line
    finished_pages: int = 0

    @property
    def is_full(self) -> bool:
        """True when as many documents as the limit allows have been taken up, or it is too late for more."""
        return self.is_late or (self.limit is not None and len(self.handled) >= self.limit)

    @property
    def is_late(self) -> bool:
        """True after the deadline."""
        return self.deadline is not None and datetime.datetime.now(datetime.UTC) >= self.deadline

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.tools.run_id


async def extract_shard(work: RunState, name: str, addresses: Sequence[Address]) -> None:
    """Extract and publish `addresses` as shard `name`. A shard that cannot be published stops the run, journal kept."""
    segment = work.dataset.segment(name)
    past = work.past or EarlierAttempt()
    segment.rows.extend(map(dict, past.journaled))
    batches: Batches = {}
    try:
        spooled, unread = await _read(work, addresses, batches)
        granted = await asyncio.to_thread(_claim, work, spooled, [name, *past.names])
        stored = await asyncio.to_thread(_stored, work, [document.document.document_id for document in granted])
        outcomes = await asyncio.gather(*(_one(work, document, stored, segment, batches) for document in granted))
        if segment.rows:
            batches["calls"] = [rows("calls", segment.rows)]
        if batches:
            last = corrector(work.dataset, work.tools.recipe.document_type)
            await asyncio.to_thread(publish, work.dataset, name, batches, beside=work.past is not None, last=last)
        forgotten = await asyncio.to_thread(work.dataset.forgotten_ids)  # meanwhile: these were left out
        ids = [document.document.document_id for document in granted]
        known = [("skipped", 0) if document in forgotten else how for document, how in zip(ids, outcomes, strict=True)]
        count_statuses(work.accounts, [*known, *[("failed", 0)] * unread])
    except (DatasetError, OSError) as error:
        _stop(work, error if isinstance(error, DatasetError) else work.dataset.unusable(error))
    finally:
        segment.close()
        work.on_progress()


async def _read(work: RunState, addresses: Sequence[Address], batches: Batches) -> tuple[list[Spooled], int]:
    """Spool the readable addresses and count the others; documents known by their hash are done, held back or forgotten."""
    mine: list[Spooled] = []
    unread = start = 0
    while start < len(addresses) and work.stopped is None and not work.is_full:
        end = len(addresses) if work.limit is None else start + work.limit - len(work.handled)
        spooled, failed = await _spooled(work, addresses[start:end], batches)
        ids = [document.document.document_id for document in spooled]
        published = await asyncio.to_thread(work.dataset.published_among, ids)
        mine += [document for document in spooled if _is_to_do(work, document, published)]
        unread, start = unread + failed, end
    work.left += addresses[start:]
    return mine, unread


async def _spooled(work: RunState, addresses: Sequence[Address], batches: Batches) -> tuple[list[Spooled], int]:
    """Copies of those `addresses` that can be read; and the number of those that cannot."""
    spooled: list[Spooled] = []
    unread = 0
    for index, address in enumerate(addresses):
        if work.stopped is not None or work.is_full:
            work.left += addresses[index:]
            break
        try:
            taken = partial(spool, address, work.spool_folder, follows_links=work.tools.follows_links)
            spooled.append(await asyncio.to_thread(taken))
        except DocumentError as error:
            _fail(work, batches, error, address.uri, None)
            unread += 1
            _note_source(work, address, None, is_settled=True)
    return spooled, unread


def _is_to_do(work: RunState, taken: Spooled, published: Collection[str]) -> bool:
    """True for a document to extract; another is counted, and its spooled file removed where no other shard has it."""
    document_id = taken.document.document_id
    if work.is_full and document_id not in published and document_id not in work.handled:
        taken.path.unlink(missing_ok=True)  # the other shard was quicker: deferred
        work.left.append(taken.address)
        return False
    is_forgotten = document_id in work.before.forgotten
    if not is_forgotten:
        _note_source(work, taken.address, document_id, is_settled=taken.is_settled)
    if is_forgotten:
        work.accounts.skipped += 1
    elif work.past is not None and document_id in work.past.published and document_id not in work.handled:
        work.handled.add(document_id)
        count_statuses(work.accounts, [work.past.published[document_id]])
    elif document_id in published:
        work.accounts.already_done += 1
    elif document_id in work.handled:
        work.repeated.append(document_id)
        return False  # the file is the first address's to remove
    elif work.before.failures.is_held_back(document_id):
        work.accounts.skipped += 1
    else:
        work.handled.add(document_id)
        return True
    taken.path.unlink(missing_ok=True)
    return False


def _claim(work: RunState, spooled: Sequence[Spooled], names: Sequence[str]) -> list[Spooled]:
    """Documents among `spooled` that this shard may extract; the others are published, another run's, or another shard's."""
    if not spooled:
        return []
    with work.dataset.locked():
        recover(work.dataset)
        ids = [document.document.document_id for document in spooled]
        granted = claim(work.dataset, work.run_id, ids, names)
        beside = claimed_beside(work.dataset, work.run_id, names) if len(granted) < len(set(ids)) else set()
        published, forgotten = work.dataset.published_among(ids), work.dataset.forgotten_ids()
    mine = []
    for document in spooled:
        if document.document.document_id in granted:
            mine.append(document)
            continue
        document.path.unlink(missing_ok=True)
        if document.document.document_id in published:
            work.accounts.already_done += 1
        elif document.document.document_id in forgotten:
            work.accounts.skipped += 1
        elif document.document.document_id in beside:
            work.repeated.append(document.document.document_id)
    return mine


def _stored(work: RunState, ids: Sequence[str]) -> Mapping[tuple[str, str], Mapping[str, Any]]:
    """Answers paid for earlier: of this dataset, and of one that lends its own."""
    own = stored_in(work.dataset, ids)
    lent = stored_in(work.lender, ids) if work.lender is not None else {}
    kept = {(row["document_id"], row["request_id"]): row for row in (work.past.journaled if work.past else ())}
    return {**{key: {**row, "is_lent": True} for key, row in lent.items()}, **own, **kept}


async def _one(
    work: RunState, spooled: Spooled, stored: Any, segment: Segment, shard_batches: Batches
) -> tuple[str, int]:
    """Outcome and pages of one document, whatever happens to it: the one place that catches per document."""
    document = spooled.document
    try:
        async with work.documents_in_flight:
            if work.stopped is not None:
                work.left.append(spooled.address)
                return "deferred", 0
            unusable = work.before.failures.unusable(document.document_id)
            extracted = await extract_document(
                work.tools, document, spooled.path, stored, segment.append, unusable=unusable
            )
    except STOPS as error:
        _stop(work, error)
        work.left.append(spooled.address)
        return "deferred", 0
    except Exception as error:  # noqa: BLE001 - a fault of ours, too, costs this document only
        if is_disk_full(error):
            _stop(work, work.dataset.unusable(error))
            return "deferred", 0
        if ended_with_the_run(error, work.stopped):
            work.left.append(spooled.address)
            return "deferred", 0
        _fail(work, shard_batches, error, document.source_uri, document.document_id)
        return "failed", 0
    finally:
        with suppress(OSError):
            spooled.path.unlink(missing_ok=True)
        work.finished += 1
        work.on_progress()
    work.finished_pages += extracted.extraction.info.pages
    for table, batches in extracted.batches.items():
        shard_batches.setdefault(table, []).extend(batches)
    return extracted.extraction.record.status, extracted.extraction.info.pages


def count_statuses(accounts: Accounts, outcomes: Sequence[tuple[str, int]]) -> None:
    """Count published documents by status; unpublished ones stay deferred."""
    for status, pages in outcomes:
        accounts.pages += pages
        if status != "deferred":
            setattr(accounts, status, getattr(accounts, status) + 1)


def _fail(work: RunState, batches: Batches, error: Exception, uri: str, document_id: str | None) -> None:
    before = work.before.failures
    attempts = before.attempts(document_id, uri) + 1
    row: pa.RecordBatch = failure_row(
        error, uri, document_id, work.run_id, work.tools.recipe.recipe_id, attempts, before.not_before
    )
    batches.setdefault("failures", []).append(row)


def _stop(work: RunState, error: PagemillError) -> None:
    if work.stopped is None:
        work.stopped = error


def _note_source(work: RunState, address: Address, document_id: str | None, *, is_settled: bool) -> None:
    """Remember the address when something about it is new; a time that may still change is not trusted."""
    known = work.before.known.get(address.uri)
    facts = {
        "document_id": document_id,
        "bytes": address.size,
        "modified_at": modified_at(address) if is_settled else None,
        "etag": address.etag,
        "attributes": address.attributes or (known and known["attributes"]),
        "found_by": address.found_by or (known and known["found_by"]),
        "gone": False,
    }
    if known is not None and all(known[name] == value for name, value in facts.items() if name != "found_by"):
        return
    seen_at = max(datetime.datetime.now(datetime.UTC), work.before.not_before)
    work.sources.append({"source_uri": address.uri, **facts, "run_id": work.run_id, "seen_at": seen_at})
