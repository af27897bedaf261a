"""One shard of a refresh: its documents read again, extracted, and their old rows replaced."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from extractors.tabulate.tabulate import Batches, rows
from flows.documents.ask import StoredAnswers
from flows.documents.extract import extract_document
from flows.documents.extraction_tools import Tools
from flows.documents.sandbox import ended_with_the_run
from flows.documents.stored_answers import stored_in
from flows.model.budget import Spending
from flows.review.corrections import corrector, with_corrections
from flows.runs.accounting import Accounts
from flows.runs.recipe_differences import differences_of
from flows.runs.refresh_request import Kept, Refreshed
from flows.sources.locations import spooled
from flows.sources.spool import Spooled, is_disk_full
from flows.storage.dataset import Dataset
from flows.storage.document_claims import claim_published
from flows.storage.publish import publish, replace_documents
from flows.storage.recover import recover
from flows.ui.progress import RunProgress
from schemas.errors import STOPS, DatasetError, DocumentError, PagemillError
from schemas.record_tables import pointers_of


@dataclass
class RefreshState:
    """State that the shards of one refresh share."""

    dataset: Dataset
    tools: Tools
    done: Refreshed
    accounts: Accounts
    spool_folder: Path
    in_flight: asyncio.Semaphore
    on_progress: Callable[[], None]
    is_sample: bool
    spending: Spending
    locations: Mapping[str, Sequence[str]]  # where each document stands, beside where it was read
    stopped: PagemillError | None = None
    is_full: bool = False

    def progress(self) -> RunProgress:
        """Progress of the refresh."""
        done = self.done.refreshed + len(self.done.kept)
        return RunProgress(done, self.done.chosen, self.accounts.pages, self.spending.spent_nusd / 1e9)


async def refresh_shard(work: RefreshState, shard: str, documents: Sequence[Mapping[str, Any]], name: str) -> None:
    """Refresh the documents of one shard; `name` is this task's, for its journal. What stops it leaves the rest as it was."""
    dataset, done = work.dataset, work.done
    segment = dataset.segment(name)
    try:
        mine, stored = await asyncio.to_thread(_taken, work, [row["document_id"] for row in documents])
        outcomes = await asyncio.gather(*(_one(work, row, stored, segment.append, mine) for row in documents))
        batches: Batches = {}
        for outcome in outcomes:
            if outcome is not None and not isinstance(outcome, Kept):
                for table, found in outcome[1].items():
                    batches.setdefault(table, []).extend(found)
        if segment.rows:
            await asyncio.to_thread(publish, dataset, name, {"calls": [rows("calls", segment.rows)]})
        document_type = work.tools.recipe.document_type
        pointers = pointers_of(document_type)
        if batches and work.is_sample:
            after, disagreed = await asyncio.to_thread(with_corrections, dataset, batches, document_type)
            done.disagreements += disagreed
            found = await asyncio.to_thread(differences_of, dataset, shard, after, pointers)
            done.differences += found
            done.changed += len({difference.document_id for difference in found})
        elif batches:
            staging = f"{name}9"  # beside the journal's own name, which publishing the answers has ended
            last = corrector(dataset, document_type)
            changed = await asyncio.to_thread(replace_documents, dataset, shard, staging, batches, pointers, last=last)
            done.changed += changed  # not in one line: another shard may have added meanwhile
        forgotten = await asyncio.to_thread(dataset.forgotten_ids)  # meanwhile: these were left out
        for row, outcome in zip(documents, outcomes, strict=True):
            if outcome is not None and row["document_id"] in forgotten:
                done.kept.append(Kept(row["document_id"], row["source_uri"], "it was forgotten meanwhile"))
            else:
                _count(work, outcome)
    except (DatasetError, OSError) as error:
        work.stopped = work.stopped or (error if isinstance(error, DatasetError) else dataset.unusable(error))
    finally:
        segment.close()
        work.on_progress()


def _count(work: RefreshState, outcome: tuple[str, Batches] | Kept | None) -> None:
    """Count a document when its shard is written, unless it was not reached."""
    if isinstance(outcome, Kept):
        work.done.kept.append(outcome)
    elif outcome is not None:
        work.done.refreshed += 1
        setattr(work.accounts, outcome[0], getattr(work.accounts, outcome[0]) + 1)


def _taken(work: RefreshState, ids: Sequence[str]) -> tuple[set[str], StoredAnswers]:
    """Documents that this command may replace, and their stored answers."""
    dataset = work.dataset
    if work.is_sample:
        mine = set(ids)
    else:
        with dataset.locked():
            recover(dataset)
            mine = claim_published(dataset, work.tools.run_id, ids)
    return mine, stored_in(dataset, ids)


def _spooled(work: RefreshState, document_id: str, uri: str) -> Spooled | None:
    """Copy of the document at `uri`, or at its new address; None where other bytes are there now."""
    return spooled(document_id, uri, work.locations.get(document_id, ()), work.spool_folder)


async def _one(
    work: RefreshState, row: Mapping[str, Any], stored: StoredAnswers, keep: Any, mine: set[str]
) -> tuple[str, Batches] | Kept | None:
    """Outcome of one document: its status and rows, or the reason to keep its old ones; None for one not reached."""
    document_id, uri = row["document_id"], row["source_uri"]
    if document_id not in mine:
        return Kept(document_id, uri, "another run works on it")
    try:
        async with work.in_flight:
            if work.stopped is not None:
                return None
            # what stands elsewhere stays spooled until the end: it may be another document of this shard
            taken = await asyncio.to_thread(_spooled, work, document_id, uri)
            if taken is None:
                return Kept(document_id, uri, "its source has other bytes now")
            try:
                extracted = await extract_document(work.tools, taken.document, taken.path, stored, keep)
            finally:
                taken.path.unlink(missing_ok=True)
            work.accounts.pages += extracted.extraction.info.pages
            return extracted.extraction.record.status, extracted.batches
    except STOPS as error:
        work.stopped = work.stopped or error
        return None
    except DatasetError:
        raise
    except DocumentError as error:
        return None if ended_with_the_run(error, work.stopped) else Kept(document_id, uri, str(error))
    except Exception as error:  # a fault of ours, too, costs this document only
        if is_disk_full(error):
            raise DatasetError(f"{work.spool_folder}: {error}; make room and run again") from error
        return Kept(document_id, uri, f"{type(error).__name__}: {error}")
    finally:
        work.on_progress()
