"""`pagemill serve`: the schedules on this machine. It starts Prefect's server, deploys, starts a worker, and stops it all.

Server and worker are children that watch a pipe from this process: however it ends, they end. A run that is at work lives on
without them and finds them again at the same port when they are started anew.
"""

import asyncio
import datetime
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from pydantic import SecretStr

from flows.log import say
from flows.runs.prefect_server import ChildServer, end_with_parent, keep_loopback_direct, pruned_after
from flows.runs.prefect_settings import ignore_files_of_folder
from flows.schedules.schedule import Schedule
from flows.schedules.schedule_folder import ScheduleFolder, folder_of
from schemas.errors import ConfigurationError

STOP_SECONDS = 45.0  # for runs at work: Prefect's worker kills what has not ended 30 s after it was told to
_TELL_EVERY = 5.0  # seconds between two looks at which runs have ended
_MOST_STARTS, _SPAN = 6, 600.0  # of a child that ends of itself, within so many seconds
_LEASES = "prefect.server.concurrency.lease_storage.filesystem"  # those in memory outlive no restart of the server


def serve(schedule: Schedule, cache: Path, port: int, webhook: SecretStr | None, keep_days: float | None) -> None:
    """Run the schedule until SIGINT or SIGTERM. The history of runs is kept for `keep_days`, default 90.

    Raises ConfigurationError when the server cannot be started, and for a schedule that is served already.
    """
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    folder = folder_of(cache, schedule)
    with folder.served(schedule, port):
        _refuse(port)
        keep_loopback_direct()
        kept = {"PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": _LEASES, **pruned_after(keep_days)}
        server = ChildServer(folder.path, port, kept, folder.login())
        try:
            url = server.url()
            server.name_to_children()
            say(f"Prefect's page is at {url.removesuffix('/api')}, its login in {folder.login_file}; stop with Ctrl-C")
            with temporary_settings({PREFECT_API_URL: url, PREFECT_API_AUTH_STRING: folder.login()}):
                asyncio.run(_serve(schedule, folder, server, webhook))
        finally:
            server.stop()


def _refuse(port: int) -> None:
    """Raises ConfigurationError where another server is configured, or holds the port."""
    from prefect.settings import PREFECT_API_URL

    if url := PREFECT_API_URL.value():
        raise ConfigurationError(f"PREFECT_API_URL names a server ({url}): use `pagemill deploy` with it, or unset it")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigurationError(
                f"port {port} cannot be used ({error.strerror}); choose another with --port"
            ) from None


def deploy_to_server(schedule: Schedule, pool: str, webhook: SecretStr | None) -> list[str]:
    """Set the schedule up on the server that is configured. Raises ConfigurationError when there is none, or it is silent."""
    import httpx
    from prefect.settings import PREFECT_API_URL

    from flows.schedules.deployments import deploy

    url = PREFECT_API_URL.value()
    if not url:
        raise ConfigurationError(
            "no Prefect server is configured: set PREFECT_API_URL (http://HOST:4200/api), or use `pagemill serve`, which "
            "brings its own"
        )
    try:
        return asyncio.run(deploy(schedule, pool, webhook, None))
    except httpx.HTTPError as error:
        raise ConfigurationError(
            f"Prefect's server at {url} does not answer as one ({error}); is it running?"
        ) from error


async def _serve(schedule: Schedule, folder: ScheduleFolder, server: ChildServer, webhook: SecretStr | None) -> None:
    from flows.schedules.deployments import POOL, deploy

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    for line in await deploy(schedule, POOL, webhook, folder.path, is_paused=folder.is_paused):
        say(line)
    if folder.is_paused:
        say(f"nightly/{schedule.name} is paused; `pagemill schedules resume {schedule.name}` lets it begin by itself")
    else:
        await _catch_up(schedule)
    worker = _Worker(POOL)
    telling = asyncio.create_task(_tell_ends(stop))
    try:
        await _watch(server, worker, stop)
        await _stop_runs()
    finally:
        telling.cancel()
        worker.stop()


async def _tell_ends(stop: asyncio.Event) -> None:
    """Say how each run ends, as Prefect's page does: for who reads the log of a service."""
    from prefect import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterEndTime
    from prefect.client.schemas.sorting import FlowRunSort

    after = FlowRunFilterEndTime.model_validate({"after_": datetime.datetime.now(datetime.UTC)})
    reported: set[UUID] = set()
    while not stop.is_set():
        with suppress(Exception):  # the server is away: it is asked again
            ended = FlowRunFilter(end_time=after)
            async with get_client() as client:
                runs = await client.read_flow_runs(flow_run_filter=ended, sort=FlowRunSort.END_TIME_DESC, limit=50)
            for run in reversed(runs):
                if run.id not in reported and run.state is not None:
                    reported.add(run.id)
                    say(f"{run.name}: {run.state.name}. {run.state.message or ''}", "run", run=run.name)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _TELL_EVERY)


async def _watch(server: ChildServer, worker: "_Worker", stop: asyncio.Event) -> None:
    """Restart the server or the worker when it has ended, until `stop`. Raises ConfigurationError when that does not help."""
    starts: list[float] = []
    while not stop.is_set():
        for name, child in (("server", server), ("worker", worker)):
            if child.is_alive:
                continue
            now = time.monotonic()
            starts = [start for start in starts if now - start < _SPAN] + [now]
            if len(starts) > _MOST_STARTS:
                raise ConfigurationError(
                    f"Prefect's {name} ends again and again; look at {name} and disk, then start anew"
                )
            say(f"Prefect's {name} has ended, and is started again; runs at work go on")
            await asyncio.to_thread(child.restart)
            if child is server:
                worker.restart()  # one that has missed its server for some time lives on and does nothing
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.5)


class _Worker:
    """Prefect's worker as a process of ours."""

    def __init__(self, pool: str) -> None:
        self._pool = pool
        self._process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-P", "-m", "flows.schedules.serve", self._pool],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            umask=0o077,
            start_new_session=True,  # Ctrl-C is for us, who stop the runs first
        )

    @property
    def is_alive(self) -> bool:
        """True while it runs."""
        return self._process.poll() is None

    def restart(self) -> None:
        """Start it again."""
        self.stop()
        self._process = self._started()

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()


async def _catch_up(schedule: Schedule) -> None:
    """Start a nightly now when a tick of its clock has passed unserved; late runs of the server are removed."""
    from prefect import get_client
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
    from prefect.client.schemas.sorting import FlowRunSort
    from prefect.server.schemas.schedules import CronSchedule

    now = datetime.datetime.now(datetime.UTC)
    async with get_client() as client:
        deployment = await client.read_deployment_by_name(f"nightly/{schedule.name}")
        runs = await client.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id])),
            sort=FlowRunSort.EXPECTED_START_TIME_DESC,
            limit=200,
        )
        begun = [
            max(run.start_time, run.expected_start_time or run.start_time) for run in runs if run.start_time is not None
        ]
        for run in runs:
            if run.start_time is None and run.expected_start_time is not None and run.expected_start_time <= now:
                await client.delete_flow_run(run.id)
        if not begun:
            return
        after = max(begun) + datetime.timedelta(seconds=1)  # a run begins a moment before its tick, or long after it
        dates = await CronSchedule(cron=schedule.cron, timezone=schedule.timezone).get_dates(1, after)
        if dates and dates[0] <= now:
            await client.create_flow_run_from_deployment(deployment.id)
            say(f"nightly/{schedule.name}: the run of {dates[0]:%Y-%m-%d %H:%M} was missed, and starts now")


async def _stop_runs() -> None:
    """Cancel running flows, which then end in order, and wait for them."""
    import httpx
    from prefect import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
    from prefect.client.schemas.objects import State, StateType

    active = FlowRunFilter(
        state=FlowRunFilterState(
            type=FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING, StateType.CANCELLING])
        )
    )
    async with get_client() as client:
        try:
            runs = await client.read_flow_runs(flow_run_filter=active)
        except httpx.HTTPError:  # whoever stops a whole service tells the server, too
            say("Prefect's server has ended already; runs at work go on, and the next start finds them")
            return
        for run in runs:
            with suppress(Exception):  # it has ended meanwhile
                await client.set_flow_run_state(run.id, State(type=StateType.CANCELLING))
        if runs:
            what = "one run is" if len(runs) == 1 else f"{len(runs)} runs are"
            say(f"{what} at work or about to begin: what was asked for is kept, then it ends")
        end = asyncio.get_running_loop().time() + STOP_SECONDS
        while runs and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.5)
            with suppress(httpx.HTTPError):
                runs = await client.read_flow_runs(flow_run_filter=active)


def _work(pool: str) -> None:
    """The worker's process: it takes up runs until its parent is gone."""
    end_with_parent()
    ignore_files_of_folder()
    from prefect.workers.process import ProcessWorker

    asyncio.run(ProcessWorker(work_pool_name=pool, name="pagemill serve").start())


if __name__ == "__main__":
    _work(sys.argv[1])
