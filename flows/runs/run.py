"""A run as a Prefect flow whose task is a shard: plan, extract shard by shard, account for every address."""

import asyncio
import datetime
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from extractors.split.options import SUFFIXES
from flows.documents.recipe import Recipe, make_recipe
from flows.documents.tools import tools_for
from flows.log import say
from flows.model.budget import Spending
from flows.model.endpoint import Endpoint
from flows.model.endpoint_memory import memory_of
from flows.model.in_flight import Answers
from flows.model.model_list import served_windows
from flows.preview.estimate import quick_cost_nusd
from flows.reports.prefect_artifacts import tell_report
from flows.reports.quality import Quality
from flows.reports.run_page import keep_report
from flows.runs.accounting import Accounts, close_run, open_run
from flows.runs.canary import Canary
from flows.runs.cost_guard import AskConsent, confirm_cost, require_price
from flows.runs.dask.coordinator import ClusterCoordinator, cluster_of, require_cluster
from flows.runs.dask.messages import JobFacts, serialize_location, serialize_settings, serialize_type
from flows.runs.prefect_flow import Gate, through_prefect
from flows.runs.resources import Engine, tell_outages
from flows.runs.shard import RunState, extract_shard
from flows.settings import Settings, require_model
from flows.sources.addresses import Addresses
from flows.sources.discover import Discovered, discover
from flows.sources.plan import Plan, make_plan
from flows.sources.selection import Partition, SelectionOrder, in_order, in_range
from flows.sources.superseded import superseded_ids
from flows.storage.backends.store import Out
from flows.storage.dataset import Dataset
from flows.storage.expire import expire_content
from flows.storage.open import open_dataset
from flows.storage.recover import recover
from flows.storage.remove import supersede_documents
from flows.storage.run_ids import new_run_id
from flows.storage.spec import spec_of
from flows.ui.progress import ProgressLine, RunProgress
from schemas.document_type import DocumentType
from schemas.errors import DatasetError, PagemillError, exit_code_of
from schemas.models import OFFLINE
from schemas.tables import pointers_of

SUPERSEDES, EXPIRES = 99_998, 99_999  # numbers of the commands that a run ends with, beside those of its shards


@dataclass(frozen=True, slots=True)
class RunRequest:
    """Run that the user asked for."""

    sources: Sequence[str]
    document_type: DocumentType
    out: Out
    budget_usd: float | None = None
    limit: int | None = None
    allow_empty: bool = False
    rehash: bool = False  # open every address, also those that look unchanged
    allow_gone: bool = False  # what is missing is gone, however much it is
    lender: Dataset | None = None  # another dataset, whose stored answers are taken where requests are equal
    quiet: bool = False
    confirm: AskConsent | None = None  # null where nobody sits
    order: SelectionOrder = "listed"
    deadline: datetime.datetime | None = None  # nothing is begun after it
    since: datetime.datetime | None = None  # only addresses that were changed then or later, and before `before`
    before: datetime.datetime | None = None
    part: Partition | None = None  # only its addresses
    canary: Canary | None = None
    command: str = "run"
    schedule: str | None = None  # of which there is one run at a time: its name is its own


@dataclass(slots=True)
class Outcome:
    """End of a run: the accounting as `--json` has it, and the error that stopped it, if any.

    `live_run` is the run of the same schedule that is still at work; nothing else was then done.
    """

    summary: dict[str, Any]
    stopped: PagemillError | None
    live_run: str | None = None

    @property
    def exit_code(self) -> int:
        """Exit code of the command."""
        return exit_code_of(self.stopped, failed=self.summary["failed"])


def run(engine: Engine, request: RunRequest) -> Outcome:
    """Extract what is new into `request.out`. Raises ConfigurationError when nothing can be started."""
    settings = engine.settings
    require_model(settings)
    require_cluster(settings, request.document_type)
    began = time.monotonic()
    found = _in_range(discover(request.sources, request.out, SUFFIXES, allow_empty=request.allow_empty), request)
    spending = Spending(None if request.budget_usd is None else round(request.budget_usd * 1e9))
    dataset = _opened(request, engine)
    memory = memory_of(dataset, settings)
    windows = asyncio.run(served_windows(settings, engine.base_url, engine.api_key, memory))
    recipe = make_recipe(request.document_type, settings, windows)
    endpoint = Endpoint(settings, engine.base_url, engine.api_key, spending, memory)
    run_id = new_run_id()
    if not request.quiet:
        say(_first_line(settings, dataset, recipe), "begin", run_id=run_id, model=settings.model)
    with dataset.lease(run_id):
        with dataset.locked():
            recover(dataset)
        if request.schedule is not None and (live := dataset.live_run_of(request.schedule, run_id)) is not None:
            return Outcome({}, None, live)
        moment = datetime.datetime.now(datetime.UTC)
        plan = make_plan(
            dataset,
            found,
            recipe.recipe_id,
            now=moment,
            forgotten=dataset.forgotten_ids(),
            rehash=request.rehash,
            allow_gone=request.allow_gone,
        )
        plan = replace(plan, pending=in_order(plan.pending, request.order))
        accounts = Accounts(plan.discovered, plan.already_done, plan.skipped)
        facts = (
            None
            if settings.runner == "local"
            else _facts(run_id, request, dataset, recipe, settings, windows, plan, moment)
        )
        _confirm(engine, request, plan, recipe, endpoint)
        open_run(dataset, run_id, recipe, accounts, request.command, request.schedule)
        spool_folder = dataset.spool(run_id)
        tools = tools_for(settings, recipe, engine.sandbox, Answers(endpoint), run_id, dataset)
        with ProgressLine(len(plan.pending), quiet=request.quiet) as line:
            work = RunState(
                dataset, tools, plan.before, accounts, spool_folder,
                asyncio.Semaphore(settings.concurrency + 2 * settings.workers),
                lambda: line.update(work.finished, work.finished_pages, spending.spent_nusd / 1e9),
                request.limit, request.lender, request.deadline,
            )  # fmt: skip
            try:
                tell_outages(engine, endpoint, quiet=request.quiet)
                first = 0 if request.canary is None else request.canary.documents
                tried = [*_shards(plan.pending[:first], settings)]
                parts = [*tried, *_shards(plan.pending[first:], settings)]
                shards = [partial(_extract, work, each) for each in parts]
                crew = None
                if facts is not None and parts:
                    crew = ClusterCoordinator(
                        cluster_of(settings, run_id, len(parts)), facts, work, plan, spending, parts
                    )
                gate = Gate(len(tried), partial(_judge, work, request.canary, spending))
                total = len(plan.pending) if request.limit is None else min(request.limit, len(plan.pending))
                flow_run = through_prefect(
                    engine, run_id, shards, work, endpoint, gate=gate, crew=crew,
                    progress=lambda: RunProgress(work.finished, total, work.finished_pages, spending.spent_nusd / 1e9),
                )  # fmt: skip
            finally:
                shutil.rmtree(spool_folder, ignore_errors=True)
        stopped = _settle_accounts(work, plan, spending, settings.keep, request.command)
    tell_report(dataset, run_id, flow_run, engine.prefect_url)
    is_drawn = (
        settings.report and accounts.done and not isinstance(stopped, DatasetError)
    )  # which has no row of the run
    summary = {
        "run_id": run_id,
        **accounts.as_row(),
        "requests": spending.requests,
        "prompt_tokens": spending.prompt_tokens,
        "completion_tokens": spending.completion_tokens,
        "cost_usd": endpoint.prices.cost_usd(spending.spent_nusd),
        "cost_usd_cut": endpoint.prices.cost_usd(spending.cut_nusd),
        "cut_calls": spending.cut_calls,
        "cost_usd_estimated": endpoint.prices.cost_usd(spending.expected_nusd),
        "seconds": round(time.monotonic() - began, 3),
        "superseded": work.superseded,
        "drift": [each.text for each in work.breaks],
        "gone": plan.gone,
        "not_gone": plan.not_gone,
        "not_listed": list(found.troubles),
        "report": keep_report(dataset, run_id) if is_drawn else None,
    }
    return Outcome(summary, stopped)


def _opened(request: RunRequest, engine: Engine) -> Dataset:
    """The dataset, once it is clear that the run can be begun at all: before that, nothing is made on disk."""
    make_recipe(request.document_type, engine.settings)
    require_price(engine.settings, request.budget_usd)
    return open_dataset(request.out, spec_of(request.document_type))


def _confirm(engine: Engine, request: RunRequest, plan: Plan, recipe: Recipe, endpoint: Endpoint) -> None:
    """Without a budget, a run that may cost a lot asks first. Raises ConfigurationError where there is nobody to ask."""
    if request.budget_usd is not None:
        return
    pending = plan.pending if request.limit is None else plan.pending[: request.limit]
    with tempfile.TemporaryDirectory(prefix="pagemill-") as folder:
        cost = quick_cost_nusd(pending, recipe, engine.sandbox, Path(folder), endpoint.prices)
    confirm_cost(engine.settings, (cost or 0) / 1e9, f"{len(pending):,} documents will cost about", request.confirm)


def _first_line(settings: Settings, dataset: Dataset, recipe: Recipe) -> str:
    """Destination of page text and images, and the number of published rows of an older recipe."""
    where = "stay on this machine (the embedded model)" if settings.model == OFFLINE else f"go to {settings.host}"
    first = f"page text and images {where}; model {settings.model}"
    documents = dataset.rows("documents", ["recipe_id", "cost_usd"])
    older = documents.filter(pc.not_equal(documents.column("recipe_id"), recipe.recipe_id))
    if not older.num_rows:
        return first
    cost = pc.sum(older.column("cost_usd")).as_py()
    said = "" if cost is None else f", which cost about ${cost:.2f},"
    kind = recipe.document_type
    named = (
        f" --type {kind.origin}" if kind.origin not in {"", kind.name} else ""
    )  # a file may be another than the dataset knows
    return (
        f"{first}; {older.num_rows:,} published documents are of another recipe and stay as they are: `pagemill refresh "
        f"{dataset.location}{named} --sample 20` shows what would change, `--all`{said} in its place makes them anew"
    )


def _in_range(found: Discovered, request: RunRequest) -> Discovered:
    """Addresses within the range of dates and the part; a partial listing marks nothing as gone."""
    if request.since is None and request.before is None and request.part is None:
        return found
    sources = tuple(replace(source, is_complete=False) for source in found.sources)
    addresses = in_range(found.addresses, request.since, request.before)
    if request.part is not None:
        addresses = request.part.among(addresses)
    return replace(found, addresses=addresses, sources=sources)


def _facts(  # noqa: PLR0913, PLR0917 - what processes elsewhere must know
    run_id: str, request: RunRequest, dataset: Dataset, recipe: Recipe, settings: Settings, windows: Mapping[str, int],
    plan: Plan, moment: datetime.datetime,
) -> JobFacts:  # fmt: skip
    return JobFacts(
        run_id=run_id,
        version=version("pagemill"),
        out=serialize_location(dataset.location),
        lender=None if request.lender is None else serialize_location(request.lender.location),
        document_type=serialize_type(request.document_type),
        recipe_id=recipe.recipe_id,
        endpoint=settings.endpoint,
        settings=serialize_settings(settings),
        windows=windows,
        moment=moment,
        not_before=plan.not_before,
        failures_not_before=plan.failures.not_before,
        deadline=request.deadline,
    )


def _judge(work: RunState, canary: Canary | None, spending: Spending) -> None:
    if canary is not None and work.stopped is None:
        work.stopped = canary.judge(work.accounts, spending.spent_nusd / 1e9)


def _shards(addresses: Addresses, settings: Settings) -> Iterator[Addresses]:
    """The addresses in shards of at most so many documents and bytes."""
    start = size = 0
    for place, bytes_ in enumerate(addresses.sizes()):
        if place > start and (place - start >= settings.shard_size or size + bytes_ > settings.shard_bytes):
            yield addresses[start:place]
            start, size = place, 0
        size += bytes_
    if start < len(addresses):
        yield addresses[start:]


async def _extract(work: RunState, addresses: Addresses, name: str) -> None:
    await extract_shard(work, name, addresses)


def _noted(work: RunState, plan: Plan) -> list[dict[str, Any]]:
    """The rows of `sources` that the plan knew of without opening anything."""
    return [{**row, "run_id": work.run_id, "seen_at": plan.not_before} for row in plan.noted.to_pylist()]


def _settle_accounts(
    work: RunState, plan: Plan, spending: Spending, keep_days: float | None, command: str
) -> PagemillError | None:
    """Count what is left, check the sum, publish the run's row; the error that ended the run, if any."""
    accounts, dataset = work.accounts, work.dataset
    published = dataset.published_among(work.repeated) if work.repeated else set()
    for document_id in work.repeated:  # a second address of bytes that this run handled
        if document_id in published:
            accounts.already_done += 1
        else:
            accounts.skipped += 1
    known = accounts.already_done + accounts.skipped + accounts.done
    accounts.deferred = max(0, accounts.discovered - known)
    stopped = work.stopped
    try:
        accounts.check()
    except DatasetError as error:
        stopped = stopped or error
    recipe = work.tools.recipe
    try:
        quality = Quality.of(dataset, work.run_id, recipe.document_type)
        work.breaks = quality.breaks()
        logs = {"sources": [*_noted(work, plan), *work.sources], "quality": quality.rows()}
        close_run(dataset, work.run_id, recipe, accounts, spending, logs, command=command)
        ids = superseded_ids(dataset)
        if ids:
            staging = f"{work.run_id}-{SUPERSEDES:05d}"
            work.superseded = len(supersede_documents(dataset, staging, ids, pointers_of(recipe.document_type)))
        if keep_days is not None:
            before = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=keep_days)
            expire_content(dataset, f"{work.run_id}-{EXPIRES:05d}", before)
    except DatasetError as error:
        stopped = stopped or error
    return stopped
