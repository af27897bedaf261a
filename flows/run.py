"""A run as a Prefect flow whose task is a shard: plan, extract shard by shard, account for every address.

`engine` holds what several runs of one process share: the Prefect server (our own child where none is configured), the
split processes and the embedded model. Nothing secret, and no file's name, is a parameter of a flow or a task.
"""

import asyncio
import datetime
import logging
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from extractors.split.formats import FORMATS
from flows.accounts import Accounts
from flows.addresses import Addresses
from flows.discover import discover
from flows.estimate import quick_cost_nusd
from flows.extract import Tools
from flows.model.address import model_address
from flows.model.answers import Answers
from flows.model.endpoint import Endpoint
from flows.model.listing import served_windows
from flows.model.memory import EndpointMemory
from flows.model.spending import Spending
from flows.outage import OutageNotice
from flows.plan import Plan, make_plan
from flows.progress import ProgressLine, say
from flows.recipe import Recipe, make_recipe
from flows.sandbox import Sandbox
from flows.server import ChildServer, prefect_server
from flows.settings import Settings, require_model
from flows.shard import Work, extract_shard
from flows.storage.dataset import Dataset, DatasetSpec, open_dataset
from flows.storage.disk import DiskStore
from flows.storage.publish import end_run, publish
from flows.storage.recover import recover
from flows.storage.store import Out
from schemas.document_type import DocumentType
from schemas.errors import (
    BudgetExceededError,
    ConfigurationError,
    DatasetError,
    ModelUnavailableError,
    PagemillError,
    RunStoppedError,
)
from schemas.models import OFFLINE
from schemas.tables import LOG_TABLES, all_tables, record_tables

_TOLD_TO_STOP = "stopped; what was answered is kept, run the same command again to go on"
SHARDS_IN_FLIGHT = 2  # so that the tail of one never leaves the endpoint idle


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What the user asked for."""

    sources: Sequence[str]
    document_type: DocumentType
    out: Out
    budget_usd: float | None = None
    limit: int | None = None
    allow_empty: bool = False
    rehash: bool = False  # open every address, also those that look unchanged
    quiet: bool = False
    confirm: Callable[[str], bool] | None = None  # asks a person; null where there is none


@dataclass(slots=True)
class Outcome:
    """How a run ended: the accounting as `--json` has it, and what stopped it, if anything did."""

    summary: dict[str, Any]
    stopped: PagemillError | None

    @property
    def exit_code(self) -> int:
        """0 done, 1 a failure or stopped on the way, 3 the budget, 2 refused by the endpoint."""
        if isinstance(self.stopped, ModelUnavailableError) and self.stopped.refused:
            return 2
        if isinstance(self.stopped, BudgetExceededError):
            return 3
        return 1 if self.stopped is not None or self.summary["failed"] else 0


@dataclass(slots=True)
class Engine:
    """What several runs of one process share."""

    settings: Settings
    server: ChildServer | None
    sandbox: Sandbox
    base_url: str
    api_key: str | None
    prefect_url: str | None = field(default=None)


@contextmanager
def engine(settings: Settings) -> Iterator[Engine]:
    """Start what runs need; Prefect's server comes up while the first run is planned."""
    with (
        prefect_server(settings.cache_dir / "prefect") as server,
        model_address(settings) as (base_url, api_key),
        Sandbox(settings.workers, settings.split_seconds, settings.split_memory) as sandbox,
    ):
        try:
            yield Engine(settings, server, sandbox, base_url, api_key)
        finally:
            if server is not None:
                from prefect.events.worker import EventsWorker

                logging.getLogger("EventsWorker").setLevel(logging.CRITICAL)  # it counts aloud what it still sends
                EventsWorker.drain_all(timeout=5)  # before the server that they go to ends


def run(engine: Engine, request: RunRequest) -> Outcome:
    """Extract what is new into `request.out`. Raises ConfigurationError when nothing can be started."""
    settings = engine.settings
    require_model(settings)
    began = time.monotonic()
    found = discover(request.sources, request.out, FORMATS, allow_empty=request.allow_empty)
    spending = Spending(None if request.budget_usd is None else round(request.budget_usd * 1e9))
    dataset = _opened(request, engine, spending)
    memory = EndpointMemory(*_memory_files(dataset, settings), settings.endpoint)
    windows = asyncio.run(served_windows(settings, engine.base_url, engine.api_key, memory))
    recipe = make_recipe(request.document_type, settings, windows)
    endpoint = Endpoint(settings, engine.base_url, engine.api_key, spending, memory)
    run_id = f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    if not request.quiet:
        say(_first_line(settings, dataset, recipe))
    with dataset.lease(run_id):
        with dataset.locked():
            recover(dataset)
        plan = make_plan(dataset, found, recipe.recipe_id, rehash=request.rehash)
        accounts = Accounts(plan.discovered, plan.already_done, plan.skipped)
        _confirm(engine, request, plan, recipe, endpoint)
        facts = {**accounts.as_row(), "run_id": run_id, "started_at": accounts.started_at.isoformat()}
        dataset.note_run(run_id, {**facts, "recipe_id": recipe.recipe_id, "version": version("pagemill")})
        spool_folder = dataset.spool(run_id)
        tools = Tools(recipe, engine.sandbox, Answers(endpoint), run_id)
        with ProgressLine(len(plan.pending), quiet=request.quiet) as line:
            work = Work(
                dataset, tools, plan, accounts, spool_folder,
                asyncio.Semaphore(settings.concurrency + 2 * settings.workers),
                lambda: line.update(work.finished, work.finished_pages, spending.spent_nusd / 1e9),
                request.limit,
            )  # fmt: skip
            try:
                _through_prefect(engine, work, endpoint, quiet=request.quiet)
            finally:
                shutil.rmtree(spool_folder, ignore_errors=True)
        _keep_recipe(dataset, recipe, run_id, accounts)
        stopped = _settle_accounts(work, spending)
    summary = {
        "run_id": run_id,
        **accounts.as_row(),
        "requests": spending.requests,
        "prompt_tokens": spending.prompt_tokens,
        "completion_tokens": spending.completion_tokens,
        "cost_usd": spending.spent_nusd / 1e9 if endpoint.has_price else None,
        "cost_usd_cut": spending.cut_nusd / 1e9 if endpoint.has_price else None,
        "cut_calls": spending.cut_calls,
        "cost_usd_estimated": spending.expected_nusd / 1e9 if endpoint.has_price else None,
        "seconds": round(time.monotonic() - began, 3),
        "gone": plan.gone,
        "not_gone": plan.not_gone,
        "not_listed": list(found.troubles),
    }
    return Outcome(summary, stopped)


def _opened(request: RunRequest, engine: Engine, spending: Spending) -> Dataset:
    """The dataset, once it is clear that the run can be begun at all: before that, nothing is made on disk."""
    make_recipe(request.document_type, engine.settings)
    if request.budget_usd is not None and not Endpoint(engine.settings, engine.base_url, None, spending).has_price:
        raise ConfigurationError(
            f"--budget needs the price of {' and '.join(engine.settings.models)}, which is not listed; set PAGEMILL_PRICE_IN "
            "and PAGEMILL_PRICE_OUT (USD per million tokens)"
        )
    return open_dataset(request.out, _spec(request.document_type))


def _memory_files(dataset: Dataset, settings: Settings) -> tuple[Path, Path]:
    """The file of what is learned of endpoints, and its lock: beside a dataset on disk, else in the user's cache."""
    if isinstance(dataset.store, DiskStore):
        work = dataset.store.root / "_work"
        return work / "endpoints.json", work / "lock"
    settings.cache_dir.mkdir(parents=True, exist_ok=True)
    return settings.cache_dir / "endpoints.json", settings.cache_dir / "endpoints.lock"


def _confirm(engine: Engine, request: RunRequest, plan: Plan, recipe: Recipe, endpoint: Endpoint) -> None:
    """Without a budget, a run that may cost a lot asks first. Raises ConfigurationError where there is nobody to ask."""
    above = engine.settings.confirm_above
    if request.budget_usd is not None:
        return
    pending = plan.pending if request.limit is None else plan.pending[: request.limit]
    with tempfile.TemporaryDirectory(prefix="pagemill-") as folder:
        cost = quick_cost_nusd(pending, recipe, engine.sandbox, Path(folder), endpoint)
    if cost is None or cost / 1e9 <= above:
        return
    text = (
        f"{len(pending):,} documents will cost about ${cost / 1e9:.2f}, more than PAGEMILL_CONFIRM_ABOVE (${above:.2f})"
    )
    if request.confirm is None:
        raise ConfigurationError(f"{text}; cap it with --budget, or raise PAGEMILL_CONFIRM_ABOVE. Nothing was sent")
    if not request.confirm(text):
        raise ConfigurationError("not confirmed; nothing was sent")


def _spec(document_type: DocumentType) -> DatasetSpec:
    names = tuple(table.name for table in record_tables(document_type))
    return DatasetSpec(document_type.name, document_type.schema, all_tables(document_type), names)


def _first_line(settings: Settings, dataset: Dataset, recipe: Recipe) -> str:
    """Where page text and images go, and how many published rows are of an older recipe."""
    where = "stay on this machine (the embedded model)" if settings.model == OFFLINE else f"go to {settings.host}"
    recipes = dataset.rows("documents", ["recipe_id"]).column(0).to_pylist()
    older = sum(each != recipe.recipe_id for each in recipes)
    old = f"; {older:,} published documents are of another recipe and stay as they are" if older else ""
    return f"page text and images {where}; model {settings.model}{old}"


def _shards(plan: Plan, settings: Settings) -> Iterator[Addresses]:
    """The pending addresses in shards of at most so many documents and bytes."""
    start = size = 0
    for place, bytes_ in enumerate(plan.pending.sizes()):
        if place > start and (place - start >= settings.shard_size or size + bytes_ > settings.shard_bytes):
            yield plan.pending[start:place]
            start, size = place, 0
        size += bytes_
    if start < len(plan.pending):
        yield plan.pending[start:]


def _through_prefect(engine: Engine, work: Work, endpoint: Endpoint, *, quiet: bool) -> None:
    """Run the shards as tasks of a flow. What Prefect itself fails at stops the run; documents are not its business."""
    from prefect import flow, task
    from prefect.cache_policies import NO_CACHE
    from prefect.exceptions import TerminationSignal
    from prefect.settings import PREFECT_API_URL, temporary_settings

    shards = list(_shards(work.plan, engine.settings))

    @task(name="shard", task_run_name="{name}", cache_policy=NO_CACHE)
    async def shard(name: str, place: int) -> None:
        await extract_shard(work, name, shards[place])

    @flow(name="extract", flow_run_name="{run_id}", validate_parameters=False)
    async def extract(run_id: str) -> None:
        two = asyncio.Semaphore(SHARDS_IN_FLIGHT)
        _stop_on_signals(work, endpoint)
        endpoint.pressure.on_outage = OutageNotice(engine.settings.host, engine.settings.patience, quiet=quiet)

        async def one(place: int) -> None:
            async with two:
                if work.stopped is None and not work.is_full:
                    await shard(f"{run_id}-{place:05d}", place)

        try:
            await asyncio.gather(*(one(place) for place in range(len(shards))))
        finally:
            await endpoint.close()
        if work.stopped is not None:
            raise work.stopped

    if engine.server is not None and engine.prefect_url is None:
        engine.prefect_url = engine.server.url()
    overrides = {PREFECT_API_URL: engine.prefect_url} if engine.prefect_url else {}
    with temporary_settings(overrides):
        try:
            asyncio.run(extract(work.run_id))
        except PagemillError as error:
            if error is not work.stopped and str(error) != str(work.stopped):
                raise
        except (KeyboardInterrupt, TerminationSignal):
            work.stopped = RunStoppedError(_TOLD_TO_STOP)


def _stop_on_signals(work: Work, endpoint: Endpoint) -> None:
    """The first signal lets calls in flight finish and publishes what is done; a second one ends the run at once."""
    loop = asyncio.get_running_loop()

    def stop(number: signal.Signals) -> None:
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)
        reason = RunStoppedError(_TOLD_TO_STOP)
        work.stopped = work.stopped or reason
        endpoint.stop(reason)

    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(ValueError, NotImplementedError):  # not in the main thread: whoever runs us there stops us
            loop.add_signal_handler(number, stop, number)


def _keep_recipe(dataset: Dataset, recipe: Recipe, run_id: str, accounts: Accounts) -> None:
    """A row of `recipes` when this run is the first to publish with it."""
    known = dataset.rows("recipes", ["recipe_id"]).column(0).to_pylist()
    if accounts.done and recipe.recipe_id not in known:
        batch = pa.RecordBatch.from_pylist([recipe.row()], schema=LOG_TABLES["recipes"])
        publish(dataset, run_id, {"recipes": [batch]})


def _noted(work: Work) -> list[dict[str, Any]]:
    """The rows of `sources` that the plan knew of without opening anything."""
    plan = work.plan
    return [{**row, "run_id": work.run_id, "seen_at": plan.not_before} for row in plan.noted.to_pylist()]


def _settle_accounts(work: Work, spending: Spending) -> PagemillError | None:
    """Count what is left, check the sum, publish the run's row; the error that ended the run, if any."""
    accounts, dataset = work.accounts, work.dataset
    published = dataset.published_ids()
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
    row = {
        "run_id": work.run_id,
        "started_at": accounts.started_at,
        "finished_at": datetime.datetime.now(datetime.UTC),
        **accounts.as_row(),
        "cost_usd": spending.spent_nusd / 1e9,
        "recipe_id": work.tools.recipe.recipe_id,
        "version": version("pagemill"),
        "requests": spending.requests,
        "prompt_tokens": spending.prompt_tokens,
        "completion_tokens": spending.completion_tokens,
    }
    try:
        end_run(dataset, work.run_id, row, [*_noted(work), *work.sources])
    except DatasetError as error:
        stopped = stopped or error
    return stopped
