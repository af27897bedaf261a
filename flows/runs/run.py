"""`pagemill run`: prepare (what can refuse), plan, carry out shard by shard, conclude and summarise."""

import asyncio
import datetime
import shutil
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from uuid import UUID

from flows.documents.extraction_tools import tools_for
from flows.log import say
from flows.model.budget import Spending
from flows.model.single_flight import Answers
from flows.reports.prefect_artifacts import tell_report
from flows.runs.accounting import Accounts, open_run
from flows.runs.canary import Canary
from flows.runs.conclude import settle_accounts, summarise
from flows.runs.dask.coordinator import ClusterCoordinator, cluster_of
from flows.runs.dask.messages import JobFacts, serialize_location, serialize_settings, serialize_type
from flows.runs.prefect_flow import Gate, through_prefect
from flows.runs.prepare import Prepared, first_line, plan_of, prepare
from flows.runs.request import Outcome, RunRequest
from flows.runs.resources import Engine, tell_outages
from flows.runs.shard import RunState, extract_shard
from flows.settings import Settings
from flows.sources.addresses import Addresses
from flows.sources.ignored import keep_ignored
from flows.sources.plan import Plan
from flows.storage.recover import recover
from flows.ui.progress import ProgressLine, RunProgress


def run(engine: Engine, request: RunRequest) -> Outcome:
    """Extract new documents into `request.out`. Raises ConfigurationError when the run cannot be started."""
    prepared = prepare(engine, request)
    dataset, run_id = prepared.dataset, prepared.run_id
    if not request.quiet:
        text = first_line(prepared.settings, dataset, prepared.recipe)
        say(text, "begin", run_id=run_id, model=prepared.settings.model)
    with dataset.lease(run_id):
        with dataset.locked():
            recover(dataset)
        if request.schedule is not None and (live := dataset.live_run_of(request.schedule, run_id)) is not None:
            return Outcome({}, None, live)
        moment = datetime.datetime.now(datetime.UTC)
        plan = plan_of(prepared, moment)
        keep_ignored(dataset, run_id, prepared.found.ignored)
        work, flow_run = _carry_out(prepared, plan, moment)
        stopped = settle_accounts(work, plan, prepared.spending, prepared.settings.keep, request.command)
    tell_report(dataset, run_id, flow_run, engine.reached)
    return summarise(prepared, work, plan, stopped)


def _carry_out(prepared: Prepared, plan: Plan, moment: datetime.datetime) -> tuple[RunState, UUID | None]:
    """Extract the pending addresses, shard by shard; the state after it, and the id of Prefect's flow run."""
    request, dataset, settings = prepared.request, prepared.dataset, prepared.settings
    spending, run_id, recipe = prepared.spending, prepared.run_id, prepared.recipe
    accounts = Accounts(plan.discovered, plan.already_done, plan.skipped)
    facts = None if settings.runner == "local" else _job_facts(prepared, plan, moment)
    prepared.engine.sandbox.expect(len(plan.pending))
    open_run(dataset, run_id, recipe, accounts, request.command, request.schedule)
    spool_folder = dataset.spool(run_id)
    with ProgressLine(len(plan.pending), quiet=request.quiet) as line:
        work = RunState(
            dataset,
            tools_for(settings, recipe, prepared.engine.sandbox, Answers(prepared.endpoint), run_id, dataset),
            plan.before,
            accounts,
            spool_folder,
            asyncio.Semaphore(settings.concurrency + 2 * settings.workers),
            lambda: line.update(work.finished, work.finished_pages, spending.spent_nusd / 1e9),
            request.limit,
            request.lender,
            request.deadline,
        )
        try:
            tell_outages(prepared.engine, prepared.endpoint, quiet=request.quiet)
            flow_run = _through_prefect(prepared, plan, work, facts)
        finally:
            shutil.rmtree(spool_folder, ignore_errors=True)
    return work, flow_run


def _through_prefect(prepared: Prepared, plan: Plan, work: RunState, facts: JobFacts | None) -> UUID | None:
    """The shards as Prefect tasks, those of the canary first; on a cluster where `facts` describe the run to it."""
    request, settings, spending = prepared.request, prepared.settings, prepared.spending
    first = 0 if request.canary is None else request.canary.documents
    tried = [*_shards(plan.pending[:first], settings)]
    parts = [*tried, *_shards(plan.pending[first:], settings)]
    executor = None
    if facts is not None and parts:
        cluster = cluster_of(settings, prepared.run_id, len(parts))
        executor = ClusterCoordinator(cluster, facts, work, plan, spending, parts)
    total = len(plan.pending) if request.limit is None else min(request.limit, len(plan.pending))
    return through_prefect(
        prepared.engine,
        prepared.run_id,
        [partial(_extract, work, part) for part in parts],
        work,
        prepared.endpoint,
        gate=Gate(len(tried), partial(_judge, work, request.canary, spending)),
        crew=executor,
        progress=lambda: RunProgress(work.finished, total, work.finished_pages, spending.spent_nusd / 1e9),
    )


def _job_facts(prepared: Prepared, plan: Plan, moment: datetime.datetime) -> JobFacts:
    """Facts that processes elsewhere need of the run."""
    request, dataset, settings = prepared.request, prepared.dataset, prepared.settings
    return JobFacts(
        run_id=prepared.run_id,
        version=version("pagemill"),
        out=serialize_location(dataset.location),
        lender=None if request.lender is None else serialize_location(request.lender.location),
        document_type=serialize_type(request.document_type),
        recipe_id=prepared.recipe.recipe_id,
        endpoint=settings.endpoint,
        settings=serialize_settings(settings),
        windows=prepared.windows,
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
    for index, bytes_ in enumerate(addresses.sizes()):
        if index > start and (index - start >= settings.shard_size or size + bytes_ > settings.shard_bytes):
            yield addresses[start:index]
            start, size = index, 0
        size += bytes_
    if start < len(addresses):
        yield addresses[start:]


async def _extract(work: RunState, addresses: Addresses, name: str) -> None:
    await extract_shard(work, name, addresses)
