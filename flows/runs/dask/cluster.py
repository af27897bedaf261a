"""Shards on the processes of a Dask cluster, through Prefect's DaskTaskRunner. Dask is imported here and nowhere else.

A shard is a Prefect task whose only parameter besides its name are bytes that neither Prefect nor Dask looks into. Dask runs
it again when its process dies; what the dead one has left makes that safe (flows/runs/earlier_shard_attempt.py).
"""

import asyncio
import logging
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

import dask
from distributed import KilledWorker, Worker, WorkerPlugin

from flows.durable_files import make_private
from flows.runs.dask import worker as carrier
from flows.runs.prefect_settings import ignore_files_of_folder
from flows.settings import Settings
from schemas.errors import ConfigurationError, PagemillError, ProcessDiedError, RunStoppedError

ignore_files_of_folder()  # a process of the cluster begins with this module, in whatever folder
from prefect import flow, task  # noqa: E402
from prefect.cache_policies import NO_CACHE  # noqa: E402
from prefect.context import FlowRunContext  # noqa: E402
from prefect_dask.task_runners import DaskTaskRunner  # noqa: E402

_FOUND_SECONDS = 30.0  # for the first process of a cluster that is there to be found
# What a cluster of ours is made with: no line of its own (its end is not quiet), and processes that may start others.
_DASK = {"distributed.worker.daemon": False, "logging.distributed": "critical"}


@task(name="shard", task_run_name="{name}", cache_policy=NO_CACHE)
def _shard(name: str, message: bytes) -> bytes:
    """Runs in a process of the cluster."""
    del name  # which Prefect shows
    return carrier.carry_out_shard(message)


@flow(name="extract")
def _told() -> None:
    """Stand-in for the flow of a shard on the processes: its own function leads to everything that the run holds."""


class _Quiet(WorkerPlugin):
    """Of a process on this machine: signals of the terminal are for the run, which ends its processes itself."""

    name = "pagemill"

    def setup(self, worker: Worker) -> None:
        """In the process's main thread, when it begins."""
        del worker
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(ValueError):
                signal.signal(number, signal.SIG_IGN)

    def teardown(self, worker: Worker) -> None:
        """When it ends."""
        del worker
        carrier.end()


class DaskCluster:
    """The cluster that the settings name, or one of this machine's processes for at most `shards` shards at a time."""

    def __init__(self, settings: Settings, run_id: str, shards: int) -> None:
        self.size = self.on_one_machine = min(settings.dask_workers, settings.concurrency, max(1, shards))
        self._settings = settings
        self._run_id = run_id
        self._open = ExitStack()
        self._runner: Any = None
        self._threads = ThreadPoolExecutor(1)

    async def begin(self) -> None:
        """Connect to the cluster, or make one. Raises ConfigurationError where there is none."""
        await asyncio.to_thread(self._begin)
        self._threads = ThreadPoolExecutor(self.size + 1, thread_name_prefix="shards")  # one to tell them to stop

    def _begin(self) -> None:
        address = self._settings.dask_address or None
        try:
            if address is not None:
                self._runner = self._open.enter_context(DaskTaskRunner(address=address))
                self._count()
                return
            self._open.enter_context(dask.config.set(_DASK))
            made = {  # `security`: TLS certificates of this cluster alone, or each local process could send it code
                "n_workers": self.size, "threads_per_worker": 1, "processes": True, "dashboard_address": "127.0.0.1:0",
                "host": "127.0.0.1", "security": True, "memory_limit": 0, "silence_logs": logging.CRITICAL,
                "local_directory": str(make_private(self._settings.cache_dir / "dask")),
            }  # fmt: skip
            self._runner = self._open.enter_context(DaskTaskRunner(cluster_kwargs=made))
            self._runner.client.register_plugin(_Quiet())
        except (OSError, TimeoutError, ValueError) as error:
            where = "a Dask cluster on this machine" if address is None else f"the Dask scheduler at {address}"
            raise ConfigurationError(
                f"{where} cannot be used ({error}); check PAGEMILL_DASK_ADDRESS, or run with PAGEMILL_RUNNER=local"
            ) from error

    def _count(self) -> None:
        """Number of processes of a cluster that was there before."""
        client = self._runner.client
        client.wait_for_workers(1, timeout=_FOUND_SECONDS)
        hosts = Counter(value["host"] for value in client.scheduler_info(n_workers=-1)["workers"].values())
        self.size = min(hosts.total(), self._settings.concurrency)
        self.on_one_machine = max(hosts.values())

    async def carry_out(self, name: str, message: bytes) -> bytes:
        """A pickled ShardJob to a pickled ShardResult, in one of the processes.

        Raises ProcessDiedError when each one that tried has died, RunStoppedError when the cluster has ended.
        """
        context = FlowRunContext.get()
        assert context is not None
        with context.model_copy(update={"flow": _told, "parameters": {}}):
            future = self._runner.submit(_shard, {"name": name, "message": message})
        try:
            result = await asyncio.get_running_loop().run_in_executor(self._threads, future.result)
        except KilledWorker as error:
            raise ProcessDiedError(
                f"shard {name}: {error.allowed_failures + 1} processes died over it, one after the other (killed, or out of "
                "memory?); its documents have failed and are due again another night: look at the machine's log, or take "
                "fewer documents a shard (PAGEMILL_SHARD_SIZE)"
            ) from None
        except (asyncio.CancelledError, PagemillError):
            raise
        except Exception as error:  # Prefect's and Dask's own have no root in common
            raise RunStoppedError(
                f"shard {name}: its process did not come to an end ({type(error).__name__}: {error}); what was answered is "
                "kept, run the same command again to go on"
            ) from error
        assert isinstance(result, bytes)
        return result

    def stop(self, reason: PagemillError, grace: float | None) -> None:
        """Tell every process; one that has gone meanwhile needs no telling."""
        if self._runner is None:
            return  # none is there yet, and none will be given work
        broadcast = partial(self._runner.client.run, carrier.stop, self._run_id, reason, grace, on_error="ignore")
        self._threads.submit(broadcast)

    async def end(self) -> None:
        """End the processes that were made, or the connection."""
        await asyncio.to_thread(self._open.close)
        self._threads.shutdown(wait=False, cancel_futures=True)
