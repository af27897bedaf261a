"""`pagemill refresh OUT`: published documents extracted again, with new calls only where no stored answer serves.

Shard by shard, each a Prefect task: the documents are read from their sources again, extracted under today's recipe, and
their rows take the place of the old ones. A document keeps its old rows, and is named, where its source is gone or has other
bytes now, or where it fails. What was refreshed has today's recipe, so a refresh that was stopped goes on where it was.
"""

import asyncio
import random
import shutil
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from flows.documents.extraction_tools import Tools, tools_for
from flows.documents.recipe import make_recipe
from flows.model.budget import Spending
from flows.model.endpoint import Endpoint
from flows.model.endpoint_memory import memory_of
from flows.model.model_list import served_windows
from flows.model.single_flight import Answers
from flows.reports.prefect_artifacts import tell_report
from flows.reports.run_page import keep_report
from flows.runs.accounting import Accounts, close_run, open_run
from flows.runs.cost_guard import confirm_cost, require_price
from flows.runs.prefect_flow import through_prefect
from flows.runs.refresh_request import Refreshed, RefreshRequest
from flows.runs.refresh_shard import RefreshState, refresh_shard
from flows.runs.resources import Engine, tell_outages
from flows.sources.locations import locations_of
from flows.storage.backends.store import Out
from flows.storage.dataset import BIRTH_FILE, Dataset
from flows.storage.dataset_spec import spec_of
from flows.storage.find import find_documents
from flows.storage.open import open_dataset, read_dataset
from flows.storage.recover import recover
from flows.storage.run_ids import new_run_id
from flows.type_loader import type_of
from flows.ui.progress import ProgressLine
from schemas.document_type import DocumentType
from schemas.errors import ConfigurationError, DatasetError, PagemillError

DOCUMENTS_IN_FLIGHT = 32  # of a shard: requests are limited by the endpoint's own ceiling
Shard = Callable[[str], Awaitable[None]]  # to be called with the name of its task


def refresh(engine: Engine, request: RefreshRequest) -> tuple[Refreshed, PagemillError | None]:
    """Refresh documents; the result, and the error that ended it early. Raises ConfigurationError before it begins."""
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
    tell_report(dataset, done.run_id, flow_runs[0], engine.reached)
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
    """Extract the `chosen` documents again (document_id, source_uri), shard by shard, as `carry_out` has them done."""
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
                carry_out(work, [partial(refresh_shard, work, *entry) for entry in _by_shard(dataset, chosen)])
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


def _chosen(dataset: Dataset, request: RefreshRequest, recipe_id: str) -> pa.Table:
    """The documents to refresh: their ids, addresses and shares of the cost so far. Raises ConfigurationError for no choice."""
    if not (request.is_all or request.is_partial or request.documents or request.where or request.sample is not None):
        raise ConfigurationError(
            "say which documents to refresh: --all of an older recipe, --partial, --document, --where, or --sample N first, "
            "to see what would change; --replay takes stored answers and costs nothing"
        )
    documents = dataset.rows("documents", ["document_id", "source_uri", "status", "recipe_id", "cost_usd"])
    if request.documents or request.where:
        ids = [document.document_id for document in find_documents(dataset, request.documents, request.where)]
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
    """The chosen documents by shard."""
    wanted = {row["document_id"]: row for row in chosen.to_pylist()}
    for shard, part in dataset.parts("documents", ["document_id"]).items():
        documents = [wanted[document_id] for document_id in part.column(0).to_pylist() if document_id in wanted]
        if documents and f"{shard}.parquet" != BIRTH_FILE:
            yield shard, documents
