"""`pagemill refresh OUT`: published documents made anew, with new calls where stored answers do not serve, or from these alone.

Shard by shard, each a Prefect task: the documents are read from their sources again, extracted under today's recipe, and
their rows take the place of the old ones. A document keeps its old rows, and is named, where its source is gone or has other
bytes now, or where it fails. What was refreshed has today's recipe, so a refresh that was stopped goes on where it was.
"""

import asyncio
import random
import shutil
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from extractors.tabulate.tabulate import Batches, rows
from flows.documents.ask import StoredAnswers
from flows.documents.extract import extract_document
from flows.documents.recipe import make_recipe
from flows.documents.sandbox import ended_with_the_run
from flows.documents.stored_answers import stored_in
from flows.documents.tools import Tools, tools_for
from flows.log import note
from flows.model.budget import Spending
from flows.model.endpoint import Endpoint
from flows.model.endpoint_memory import memory_of
from flows.model.in_flight import Answers
from flows.model.model_list import served_windows
from flows.reports.prefect_artifacts import tell_report
from flows.reports.run_page import keep_report
from flows.review.corrections import Disagreed, corrector, with_corrections
from flows.runs.accounting import Accounts, close_run, open_run
from flows.runs.cost_guard import AskConsent, confirm_cost, require_price
from flows.runs.differences import Difference, differences_of, disagreement_lines
from flows.runs.prefect_flow import through_prefect
from flows.runs.resources import Engine, tell_outages
from flows.sources.locations import locations_of, spooled
from flows.sources.spool import Spooled, is_disk_full
from flows.storage.backends.store import Out
from flows.storage.claims import claim_published
from flows.storage.dataset import BIRTH_FILE, Dataset
from flows.storage.find import find_documents
from flows.storage.open import open_dataset, read_dataset
from flows.storage.publish import publish, replace_documents
from flows.storage.recover import recover
from flows.storage.run_ids import new_run_id
from flows.storage.spec import spec_of
from flows.type_loader import type_of
from flows.ui.progress import ProgressLine, RunProgress
from flows.ui.text import dollars
from schemas.document_type import DocumentType
from schemas.errors import STOPS, ConfigurationError, DatasetError, DocumentError, PagemillError
from schemas.tables import pointers_of

DOCUMENTS_IN_FLIGHT = 32  # of a shard: requests are limited by the endpoint's own ceiling
Shard = Callable[[str], Awaitable[None]]  # to be called with the name of its task


@dataclass(frozen=True, slots=True)
class RefreshRequest:
    """Documents to refresh: those of an older recipe (`is_all`), partial ones, named ones, or a sample.

    A sample publishes nothing but its answers, which a refresh then finds.
    """

    out: Out
    document_type: DocumentType | None = None
    is_all: bool = False
    is_partial: bool = False
    documents: Sequence[str] = ()
    where: str | None = None
    sample: int | None = None
    budget_usd: float | None = None
    confirm: AskConsent | None = None
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """A document that keeps its old rows, and why."""

    document_id: str
    source_uri: str
    reason: str


@dataclass(slots=True)
class Refreshed:
    """Result of a refresh: documents with new rows, those with other values, those that kept old rows, and the cost.

    `differences` are of a sample, field by field, and `disagreements` where it reads something else than people have said.
    `cost_usd` is null where the price is unknown.
    """

    run_id: str
    chosen: int = 0
    refreshed: int = 0
    changed: int = 0
    deferred: int = 0
    kept: list[Kept] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    disagreements: list[Disagreed] = field(default_factory=list)
    requests: int = 0
    cost_usd: float | None = None
    report: str | None = None  # where the page of the run is


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
    held: Mapping[str, Sequence[str]]  # where each document stands, beside where it was read
    stopped: PagemillError | None = None
    is_full: bool = False

    def progress(self) -> RunProgress:
        """Progress of the refresh."""
        done = self.done.refreshed + len(self.done.kept)
        return RunProgress(done, self.done.chosen, self.accounts.pages, self.spending.spent_nusd / 1e9)


def refresh(engine: Engine, request: RefreshRequest) -> tuple[Refreshed, PagemillError | None]:
    """Refresh documents of a dataset; what it did, and what ended it early. Raises ConfigurationError before it begins."""
    settings = engine.settings
    dataset, document_type = open_for_refresh(request.out, request.document_type)
    spending = Spending(None if request.budget_usd is None else round(request.budget_usd * 1e9))
    memory = memory_of(dataset, settings)
    windows = asyncio.run(served_windows(settings, engine.base_url, engine.api_key, memory))
    recipe = make_recipe(document_type, settings, windows)
    endpoint = Endpoint(settings, engine.base_url, engine.api_key, spending, memory)
    require_price(settings, request.budget_usd)
    chosen = _chosen(dataset, request, recipe.recipe_id)
    if request.budget_usd is None:
        cost = pc.sum(chosen.column("cost_usd")).as_py() or 0.0
        confirm_cost(settings, cost, f"{chosen.num_rows:,} documents cost before", request.confirm)
    tools = tools_for(settings, recipe, engine.sandbox, Answers(endpoint), new_run_id(), dataset)

    flow_runs: list[UUID | None] = []

    def carry_out(work: RefreshState, shards: Sequence[Shard]) -> None:
        tell_outages(engine, endpoint, quiet=request.quiet)
        flow_runs.append(
            through_prefect(engine, tools.run_id, shards, work, endpoint, command="refresh", progress=work.progress)
        )

    done, stopped = make_anew(
        dataset, tools, chosen, spending, carry_out, is_sample=request.sample is not None, quiet=request.quiet
    )
    tell_report(dataset, done.run_id, flow_runs[0], engine.prefect_url)
    if settings.report and done.refreshed and request.sample is None:
        done.report = keep_report(dataset, done.run_id)
    done.requests = spending.requests
    done.cost_usd = endpoint.prices.cost_usd(spending.spent_nusd)
    return done, stopped


def open_for_refresh(out: Out, document_type: DocumentType | None) -> tuple[Dataset, DocumentType]:
    """The dataset at `out` to write to, and its type. Raises ConfigurationError where its type has other columns now."""
    dataset = read_dataset(out)
    document_type = document_type or type_of(dataset.document_type, dataset.schema, dataset.location)
    return open_dataset(out, spec_of(document_type)), document_type


def make_anew(  # noqa: PLR0913 - what a refresh and a replay differ in
    dataset: Dataset,
    tools: Tools,
    chosen: pa.Table,
    spending: Spending,
    carry_out: Callable[["RefreshState", Sequence[Shard]], None],
    *,
    command: str = "refresh",
    is_sample: bool = False,
    quiet: bool = False,
) -> tuple[Refreshed, PagemillError | None]:
    """Make the `chosen` documents anew (document_id, source_uri), shard by shard, as `carry_out` has them done."""
    accounts = Accounts(discovered=chosen.num_rows)
    done = Refreshed(tools.run_id, chosen=chosen.num_rows)
    with dataset.lease(tools.run_id):
        with dataset.locked():
            recover(dataset)
        open_run(dataset, tools.run_id, tools.recipe, accounts, command)
        spool_folder = dataset.spool(tools.run_id)
        with ProgressLine(chosen.num_rows, quiet=quiet) as line:
            work = RefreshState(
                dataset, tools, done, accounts, spool_folder, asyncio.Semaphore(DOCUMENTS_IN_FLIGHT),
                lambda: line.update(done.refreshed + len(done.kept), accounts.pages, spending.spent_nusd / 1e9),
                is_sample, spending,
                locations_of(dataset, chosen.column("document_id").to_pylist()),
            )  # fmt: skip
            try:
                carry_out(work, [partial(_shard, work, *each) for each in _by_shard(dataset, chosen)])
            finally:
                shutil.rmtree(spool_folder, ignore_errors=True)
        done.deferred = accounts.deferred = done.chosen - done.refreshed - len(done.kept)
        accounts.skipped = len(done.kept)
        stopped = work.stopped
        try:
            accounts.check()
            close_run(
                dataset, tools.run_id, tools.recipe, accounts, spending, command=command, is_published=not is_sample
            )
        except DatasetError as error:
            stopped = stopped or error
    return done, stopped


def refresh_lines(done: Refreshed, out: Out, *, is_sample: bool) -> list[str]:
    """`refresh` for people."""
    cost = "unknown cost" if done.cost_usd is None else dollars(done.cost_usd)
    what = "looked at, nothing published" if is_sample else "made anew"
    head = f"{out}: {done.refreshed:,} of {done.chosen:,} documents {what}, {done.changed:,} of them with other values"
    lines = [f"{head}; {done.requests:,} requests, {cost}", *kept_lines(done.kept)]
    if done.disagreements:
        lines.append(
            f"{len(done.disagreements):,} corrected values that it reads otherwise; they stay as people have said:"
        )
        lines += disagreement_lines(done.disagreements)
    if done.deferred:
        lines.append(f"{done.deferred:,} documents were not reached; the same command goes on with them")
    if done.report is not None:
        lines.append(f"page of the run: {done.report}")
    return lines


def tell_refreshed(done: Refreshed, out: Out, *, is_sample: bool) -> None:
    """The end of a refresh as an event, where lines are objects."""
    names = ("run_id", "chosen", "refreshed", "changed", "deferred", "requests", "cost_usd", "report")
    figures = {name: getattr(done, name) for name in names}
    note(refresh_lines(done, out, is_sample=is_sample)[0], "end", dataset=str(out), kept=len(done.kept), **figures)


def kept_lines(kept: Sequence[Kept]) -> list[str]:
    """Documents that kept old rows, and why, for people."""
    return [f"kept as it was: {each.source_uri}: {each.reason.removeprefix(f'{each.source_uri}: ')}" for each in kept]


def _chosen(dataset: Dataset, request: RefreshRequest, recipe_id: str) -> pa.Table:
    """The documents to refresh: their ids, addresses and shares of the cost so far. Raises ConfigurationError for no choice."""
    if not (request.is_all or request.is_partial or request.documents or request.where or request.sample is not None):
        raise ConfigurationError(
            "say which documents to refresh: --all of an older recipe, --partial, --document, --where, or --sample N first, "
            "to see what would change; --replay takes stored answers and costs nothing"
        )
    documents = dataset.rows("documents", ["document_id", "source_uri", "status", "recipe_id", "cost_usd"])
    if request.documents or request.where:
        ids = [each.document_id for each in find_documents(dataset, request.documents, request.where)]
        documents = documents.filter(pc.is_in(documents.column("document_id"), value_set=pa.array(ids, pa.string())))
    if request.is_all:
        documents = documents.filter(pc.not_equal(documents.column("recipe_id"), recipe_id))
    if request.is_partial:
        documents = documents.filter(pc.equal(documents.column("status"), "partial"))
    if request.sample is not None and documents.num_rows > request.sample:
        # the same ones each time, so that a second look finds the answers of the first
        order = sorted(range(documents.num_rows), key=lambda at: documents.column("document_id")[at].as_py())
        places = random.Random(len(order)).sample(order, request.sample)  # noqa: S311 - a sample is no secret
        documents = documents.take(pa.array(sorted(places), pa.int64()))
    return documents


def _by_shard(dataset: Dataset, chosen: pa.Table) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The chosen documents by the shard that they stand in."""
    wanted = {row["document_id"]: row for row in chosen.to_pylist()}
    for shard, part in dataset.parts("documents", ["document_id"]).items():
        held = [wanted[each] for each in part.column(0).to_pylist() if each in wanted]
        if held and f"{shard}.parquet" != BIRTH_FILE:
            yield shard, held


async def _shard(work: RefreshState, shard: str, documents: Sequence[Mapping[str, Any]], name: str) -> None:
    """Refresh the documents of one shard; `name` is this task's, for its journal. What stops it leaves the rest as it was."""
    dataset, done = work.dataset, work.done
    segment = dataset.segment(name)
    try:
        mine, stored = await asyncio.to_thread(_taken, work, [row["document_id"] for row in documents])
        outcomes = await asyncio.gather(*(_one(work, row, stored, segment.append, mine) for row in documents))
        held: Batches = {}
        for outcome in outcomes:
            if outcome is not None and not isinstance(outcome, Kept):
                for table, found in outcome[1].items():
                    held.setdefault(table, []).extend(found)
        if segment.rows:
            await asyncio.to_thread(publish, dataset, name, {"calls": [rows("calls", segment.rows)]})
        document_type = work.tools.recipe.document_type
        pointers = pointers_of(document_type)
        if held and work.is_sample:
            after, disagreed = await asyncio.to_thread(with_corrections, dataset, held, document_type)
            done.disagreements += disagreed
            found = await asyncio.to_thread(differences_of, dataset, shard, after, pointers)
            done.differences += found
            done.changed += len({each.document_id for each in found})
        elif held:
            staging = f"{name}9"  # beside the journal's own name, which publishing the answers has ended
            last = corrector(dataset, document_type)
            changed = await asyncio.to_thread(replace_documents, dataset, shard, staging, held, pointers, last=last)
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
    """Count a document when its shard is written: what came of it, or nothing for one that was not reached."""
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
    """The document as it stands at `uri`, or where it has moved to; null where something else stands there now."""
    return spooled(document_id, uri, work.held.get(document_id, ()), work.spool_folder)


async def _one(
    work: RefreshState, row: Mapping[str, Any], stored: StoredAnswers, keep: Any, mine: set[str]
) -> tuple[str, Batches] | Kept | None:
    """One document: its status and rows, or why it keeps the old ones; null for one that was not reached."""
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
