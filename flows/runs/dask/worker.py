"""Shards carried out in a process of a cluster, in the name of a run that lives elsewhere.

What a run needs (split processes, endpoint, answers, the embedded model) is made with the first shard of it and kept for the
others; it all lives on one event loop in a thread of its own, since a shard is called for from whichever thread is free. The
process holds no lease: it looks every few seconds whether the run's still lives, and stops when it does not.
"""

import asyncio
import multiprocessing
import pickle
import shutil
import threading
from collections.abc import Coroutine
from contextlib import AsyncExitStack, ExitStack, suppress
from importlib.metadata import version
from typing import Any

import pyarrow.compute as pc

from flows.documents.extraction_tools import tools_for
from flows.documents.recipe import make_recipe
from flows.documents.sandbox import Sandbox
from flows.durable_files import make_private
from flows.log import LOG
from flows.model.budget import Spending
from flows.model.connect import model_address
from flows.model.endpoint import Endpoint
from flows.model.endpoint_memory import memory_of
from flows.model.outage_notice import OutageNotice
from flows.model.single_flight import Answers
from flows.runs.accounting import Accounts
from flows.runs.dask.messages import JobFacts, ShardJob, ShardResult, type_told
from flows.runs.earlier_shard_attempt import earlier_attempt_of
from flows.runs.shard import RunState, extract_shard
from flows.settings import Settings, load_settings, require_model
from flows.sources.failures import FAILURE_COLUMNS, Failures, read_retries
from flows.sources.plan import Before
from flows.storage.backends.disk import DiskStore
from flows.storage.dataset import Dataset
from flows.storage.open import read_dataset
from schemas.errors import (
    BudgetExceededError,
    ConfigurationError,
    ModelUnavailableError,
    PagemillError,
    RunStoppedError,
)

LOOK_EVERY = 5.0  # seconds between two looks at the run's lease


def carry_out_shard(message: bytes) -> bytes:
    """Carry out the shard of `message` (a pickled ShardJob); the pickled ShardResult."""
    job = pickle.loads(message)  # noqa: S301 - the run wrote it
    assert isinstance(job, ShardJob)
    return pickle.dumps(_PROCESS.call(_PROCESS.carry_out(job)))


def stop(run_id: str, reason: PagemillError, grace: float | None) -> None:
    """Let no further call of a run begin in this process. Calls in flight have `grace` seconds; None: as long as they take."""
    _PROCESS.stop(run_id, reason, grace)


def end() -> None:
    """Release the resources of a run: its split processes, its connections."""
    _PROCESS.call(_PROCESS.end())


class _Bench:
    """Resources kept for one run, as long as shards of it come."""

    def __init__(self, run: JobFacts, stack: ExitStack) -> None:
        if run.version != version("pagemill"):
            raise ConfigurationError(
                f"a process of the cluster has Pagemill {version('pagemill')}, the run {run.version}; install the same on "
                "all machines"
            )
        if multiprocessing.current_process().daemon:
            raise ConfigurationError(
                "a process of the cluster may start none of its own, as splitting needs; start Dask's workers with "
                "DASK_DISTRIBUTED__WORKER__DAEMON=False in their environment"
            )
        LOG.use(run.settings["log_format"])
        settings = _settings(run)
        windows = dict(run.windows)
        recipe = make_recipe(type_told(run.document_type), settings, windows)
        if recipe.recipe_id != run.recipe_id:
            raise ConfigurationError(
                "a process of the cluster comes to another recipe than the run; give its machine the same document type, "
                "settings (PAGEMILL_*) and passwords file"
            )
        self.run = run
        self.dataset = read_dataset(run.out)
        self.lender = None if run.lender is None else read_dataset(run.lender)
        base_url, key = stack.enter_context(model_address(settings))
        sandbox = stack.enter_context(Sandbox(settings.workers, settings.split_seconds, settings.split_memory))
        self.endpoint = Endpoint(settings, base_url, key, Spending(), memory_of(self.dataset, settings))
        self.endpoint.pressure.on_outage = OutageNotice(settings.host, settings.patience, quiet=False)
        self.tools = tools_for(settings, recipe, sandbox, Answers(self.endpoint), run.run_id, self.dataset)
        self.in_flight = asyncio.Semaphore(settings.concurrency + 2 * settings.workers)
        self.failures = _failures(self.dataset, run)
        self.forgotten = frozenset(self.dataset.forgotten_ids())
        self.work: RunState | None = None
        self.reason: PagemillError | None = None

    def stop(self, reason: PagemillError, grace: float | None) -> None:
        """Begin nothing more."""
        self.reason = self.reason or reason
        self.endpoint.stop(reason)
        if self.work is not None:
            self.work.stopped = self.work.stopped or reason
        if grace is not None:
            asyncio.get_running_loop().call_later(grace, self.endpoint.interrupt.cut, reason)

    async def watch(self) -> None:
        """Stop when the run has ended, and cut what is in flight: nobody waits for it any more."""
        is_live = True
        while is_live:
            await asyncio.sleep(LOOK_EVERY)
            with suppress(OSError):  # a store that does not answer now says nothing of the run
                is_live = await asyncio.to_thread(self.dataset.store.is_live, self.run.run_id)
        self.stop(
            RunStoppedError(f"run {self.run.run_id} has ended without this process; nothing more is written"), 0.0
        )


class _Process:
    """State of this process: its loop, the resources of a run, and runs that were stopped before a shard of theirs came."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._mutex = threading.Lock()
        self._one_at_a_time = asyncio.Lock()
        self._bench: _Bench | None = None
        self._stack = AsyncExitStack()
        self._stopped: dict[str, PagemillError] = {}

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        """The result of `work` on the loop, from another thread."""
        return asyncio.run_coroutine_threadsafe(work, self._running()).result()

    def stop(self, run_id: str, reason: PagemillError, grace: float | None) -> None:
        """From any thread."""
        self._running().call_soon_threadsafe(self._stop, run_id, reason, grace)

    async def carry_out(self, job: ShardJob) -> ShardResult:
        """One shard at a time: the budget of a shard is that of its calls."""
        async with self._one_at_a_time:
            try:
                bench = await self._bench_for(job.run)
                return await _carry_out(bench, job)
            except PagemillError as error:
                return ShardResult(Accounts(), Spending().spent, left=job.addresses, stopped=error)

    async def end(self) -> None:
        """Give back what is kept."""
        self._bench = None
        await self._stack.aclose()

    async def _bench_for(self, run: JobFacts) -> _Bench:
        if self._bench is not None and self._bench.run.run_id == run.run_id:
            return self._bench
        await self.end()
        stack = ExitStack()
        self._stack.push_async_callback(asyncio.to_thread, stack.close)
        bench = await asyncio.to_thread(_Bench, run, stack)
        self._stack.push_async_callback(bench.endpoint.close)
        watching = asyncio.create_task(bench.watch())
        self._stack.callback(watching.cancel)
        self._bench = bench
        if run.run_id in self._stopped:
            bench.stop(self._stopped[run.run_id], None)
        return bench

    def _stop(self, run_id: str, reason: PagemillError, grace: float | None) -> None:
        self._stopped[run_id] = reason
        if self._bench is not None and self._bench.run.run_id == run_id:
            self._bench.stop(reason, grace)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._mutex:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="shards", daemon=True).start()
            return self._loop


_PROCESS = _Process()


async def _carry_out(bench: _Bench, job: ShardJob) -> ShardResult:
    """Carry out a shard with its shares of money and of the limit, after the leftovers of earlier attempts."""
    dataset, accounts, spending = bench.dataset, Accounts(), Spending(job.budget_nusd)
    bench.endpoint.spending = spending
    if not await asyncio.to_thread(dataset.store.is_live, job.run.run_id):
        raise RunStoppedError(f"run {job.run.run_id} has ended; nothing is written in its name")
    past = await asyncio.to_thread(earlier_attempt_of, dataset, job.name, job.former, spending)
    folder = dataset.spool(bench.run.run_id) / job.name  # of this shard alone: another may have the same bytes
    make_private(folder)
    run = bench.run
    before = Before(job.known, bench.failures, bench.forgotten, run.not_before)
    work = RunState(
        dataset, bench.tools, before, accounts, folder, bench.in_flight, lambda: None,
        limit=job.limit, lender=bench.lender, deadline=run.deadline, past=past, stopped=bench.reason,
    )  # fmt: skip
    bench.work = work
    try:
        await extract_shard(work, job.name, job.addresses)
    finally:
        bench.work = None
        whole = folder if isinstance(dataset.store, DiskStore) else folder.parent  # beside a dataset it is the run's
        shutil.rmtree(whole, ignore_errors=True)
    is_out_of_money = isinstance(work.stopped, BudgetExceededError)
    return ShardResult(
        accounts=accounts,
        spent=spending.spent,
        handled=frozenset(work.handled),
        repeated=tuple(work.repeated),
        sources=tuple(work.sources),
        left=tuple(work.left),
        finished=work.finished,
        finished_pages=work.finished_pages,
        stopped=work.stopped,
        needs_nusd=spending.refused_nusd if is_out_of_money else 0,
        was_tried=past.was_tried,
    )


def _settings(run: JobFacts) -> Settings:
    """The run's settings with this machine's keys. Raises ModelUnavailableError where one is missing."""
    own = load_settings()
    settings = own.model_copy(update=run.settings)  # as they were validated; what is not told is this machine's own
    if settings.endpoint != run.endpoint:
        raise ConfigurationError(
            f"a process of the cluster would ask {settings.endpoint}, the run {run.endpoint}; set PAGEMILL_BASE_URL alike"
        )
    try:
        require_model(settings)
    except ConfigurationError as error:
        raise ModelUnavailableError(f"a process of the cluster has {error}", refused=True) from None
    return settings


def _failures(dataset: Dataset, run: JobFacts) -> Failures:
    """The failures as the run's plan has them: those from before it."""
    rows = dataset.rows("failures", FAILURE_COLUMNS)
    rows = rows.filter(pc.not_equal(rows.column("run_id"), run.run_id))
    failures = Failures(rows, run.recipe_id, run.moment, read_retries(dataset))
    failures.not_before = run.failures_not_before
    return failures
