"""Coordinator of shards on a cluster: jobs, money and limits given out, results taken in.

The processes of a cluster share what a run may spend. Each shard takes a share of what is left along and gives back what it did
not need; what it could not do for want of money, or of the run's limit of documents, is done by a later shard while there is
some left. The run's accounts are kept here, from what each shard tells of itself when it ends.
"""

import asyncio
import pickle
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol

from extractors.tabulate.tabulate import rows
from flows.log import say
from flows.model.budget import Spending, Spent
from flows.runs.accounting import Accounts
from flows.runs.dask.messages import JobFacts, ShardJob, ShardResult, serialize_type
from flows.runs.earlier_shard_attempt import earlier_attempt_of
from flows.runs.shard import RunState, count_statuses
from flows.settings import Settings
from flows.sources.addresses import Address, Addresses
from flows.sources.failures import failure_row
from flows.sources.plan import Plan
from flows.storage.publish import publish
from flows.storage.run_ids import shard_name
from schemas.document_type import DocumentType
from schemas.errors import BudgetExceededError, ConfigurationError, PagemillError, ProcessDiedError


class Cluster(Protocol):
    """Processes elsewhere: how many carry out a shard at the same time, and at most how many of them on one machine."""

    size: int
    on_one_machine: int

    async def begin(self) -> None:
        """Find or make them. Raises ConfigurationError when that cannot be."""

    async def carry_out(self, name: str, message: bytes) -> bytes:
        """A pickled ShardJob to a pickled ShardResult. Raises ProcessDiedError when each process that tried has died."""

    def stop(self, reason: PagemillError, grace: float | None) -> None:
        """Let no further call begin in any of them."""

    async def end(self) -> None:
        """End what was made."""


def require_cluster(settings: Settings, document_type: DocumentType) -> None:
    """Raises ConfigurationError where the settings name a cluster that shards cannot be carried out on from here."""
    if settings.runner == "local":
        return
    if find_spec("prefect_dask") is None:
        raise ConfigurationError(
            "PAGEMILL_RUNNER=dask needs Dask: install it with `pip install 'pagemill[dask]'`, or run with PAGEMILL_RUNNER=local"
        )
    serialize_type(document_type)


def cluster_of(settings: Settings, run_id: str, shards: int) -> Cluster:
    """The processes that the settings name, for at most so many shards at a time."""
    from flows.runs.dask.cluster import DaskCluster

    return DaskCluster(settings, run_id, shards)


@dataclass(slots=True)
class _Waiting:
    """Shard to carry out. `needs_nusd` is the largest cost of its next call, where one was refused for want of money."""

    addresses: Sequence[Address]
    index: int
    needs_nusd: int = 0
    former: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Share:
    """Share of money and of the limit that a shard has taken along."""

    nusd: int = 0
    documents: int = 0


class ClusterCoordinator:
    """The processes of a cluster. `shards` are the addresses of each; `work` keeps the accounts and is never worked with."""

    def __init__(
        self,
        cluster: Cluster,
        facts: JobFacts,
        work: RunState,
        plan: Plan,
        spending: Spending,
        shards: Sequence[Addresses],
    ) -> None:
        self._cluster = cluster
        self._facts = facts
        self._work = work
        self._plan = plan
        self._spending = spending
        self._shards = shards
        self._next_place = len(shards)
        self._out: dict[asyncio.Task[ShardResult], tuple[_Waiting, _Share]] = {}
        self._waiting: deque[_Waiting] = deque()
        self._is_told = False

    async def begin(self) -> None:
        """Find the processes. Where there are none, that is what stops the work."""
        try:
            await self._cluster.begin()
            self._facts = self._facts.divided(self._cluster.size, self._cluster.on_one_machine)
        except PagemillError as error:
            self._work.stopped = self._work.stopped or error

    async def carry_out(self, first: int, last: int) -> None:
        """As many at a time as there are processes."""
        self._waiting.extend(_Waiting(self._shards[index], index) for index in range(first, last))
        while True:
            while len(self._out) < self._cluster.size and (taken := self._taken()) is not None:
                waiting, share = taken
                self._out[asyncio.create_task(self._one(waiting, share))] = taken
            if not self._out:
                return
            done, _ = await asyncio.wait(self._out, return_when=asyncio.FIRST_COMPLETED)
            for entry in done:
                waiting, _ = self._out.pop(entry)
                self._enter(waiting, entry.result())

    def stop(self, reason: PagemillError, grace: float | None) -> None:
        """Tell the processes; what was begun ends, and is entered."""
        self._is_told = True
        self._cluster.stop(reason, grace)

    async def end(self) -> None:
        """End what was made, whatever is still at work there."""
        for entry in self._out:
            entry.cancel()
        await self._cluster.end()

    def _taken(self) -> tuple[_Waiting, _Share] | None:
        """Next shard and its share; None when there is none now, for want of shards, of money or of documents."""
        work = self._work
        if work.stopped is not None or work.is_late or not self._waiting:
            return None
        documents = nusd = 0
        if work.limit is not None:
            documents = work.limit - len(work.handled) - sum(share.documents for _, share in self._out.values())
            if documents <= 0:
                return None
        if self._spending.cap_nusd is not None:
            lent = sum(share.nusd for _, share in self._out.values())
            left = self._spending.cap_nusd - self._spending.spent_nusd - lent
            needs = self._waiting[0].needs_nusd
            if left < needs:
                if not self._out:
                    work.stopped = BudgetExceededError(
                        f"${left / 1e9:.4f} of the budget of ${self._spending.cap_nusd / 1e9:g} is left, and the next call "
                        f"may cost ${needs / 1e9:.4f}; raise --budget to go on"
                    )
                return None
            nusd = max(needs, left // (self._cluster.size - len(self._out)))
        waiting = self._waiting.popleft()
        return waiting, _Share(nusd, min(documents, len(waiting.addresses)))

    async def _one(self, waiting: _Waiting, share: _Share) -> ShardResult:
        work = self._work
        name = shard_name(work.run_id, waiting.index)
        addresses = tuple(waiting.addresses)
        job = ShardJob(
            run=self._facts,
            name=name,
            addresses=addresses,
            known=self._plan.known.among([address.uri for address in addresses]),
            budget_nusd=None if self._spending.cap_nusd is None else share.nusd,
            limit=None if work.limit is None else share.documents,
            former=waiting.former,
        )
        try:
            try:
                result = pickle.loads(await self._cluster.carry_out(name, pickle.dumps(job)))  # noqa: S301 - our own
            except ProcessDiedError as error:
                if work.stopped is not None:  # whoever stops a run ends the processes of its cluster, too
                    return ShardResult(Accounts(), Spent(), left=addresses, stopped=work.stopped)
                result = await asyncio.to_thread(self._failed, job, error)
        except PagemillError as error:
            return ShardResult(Accounts(), Spent(), left=addresses, stopped=error)
        assert isinstance(result, ShardResult)
        return result

    def _enter(self, waiting: _Waiting, result: ShardResult) -> None:
        """Add the counts of a finished shard, and queue its remaining addresses again where that can help."""
        work = self._work
        work.accounts.enter(result.accounts)
        self._spending.enter(result.spent)
        work.handled |= result.handled
        work.repeated += result.repeated
        work.sources += map(dict, result.sources)
        work.finished += result.finished
        work.finished_pages += result.finished_pages
        work.on_progress()
        name = shard_name(work.run_id, waiting.index)
        if result.was_tried:
            say(f"shard {name}: its process had died, and another has taken it up; what was answered was used")
        is_short = isinstance(result.stopped, BudgetExceededError) and result.needs_nusd > 0
        if result.stopped is not None and not is_short:
            work.stopped = work.stopped or result.stopped
            if not self._is_told:
                self.stop(work.stopped, None)
        elif result.left and work.stopped is None:
            again = _Waiting(result.left, self._next_place, result.needs_nusd, (*waiting.former, name))
            self._next_place += 1
            self._waiting.appendleft(again) if is_short else self._waiting.append(again)

    def _failed(self, job: ShardJob, error: ProcessDiedError) -> ShardResult:
        """The shard that no process survives: its documents fail, the answers that it was given are kept."""
        work, spending, failures = self._work, Spending(), self._plan.failures
        past = earlier_attempt_of(work.dataset, job.name, job.former, spending)
        there = [address.uri for address in job.addresses if address.uri not in past.addresses]
        failed = [
            failure_row(
                error, uri, None, work.run_id, job.run.recipe_id, failures.attempts(None, uri) + 1, failures.not_before
            )
            for uri in there
        ]
        batches = {"failures": failed, **({"calls": [rows("calls", past.journaled)]} if past.journaled else {})}
        publish(work.dataset, job.name, batches, beside=True)
        say(str(error))
        accounts = Accounts(failed=len(there))
        count_statuses(accounts, list(past.published.values()))
        return ShardResult(accounts, spending.spent, frozenset(past.published), finished=len(job.addresses))
