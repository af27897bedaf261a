"""`pagemill deploy` on a server and a worker that are started as Prefect's own documentation has it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from flows.storage.verify import verify
from tests.conftest import ROOT, start
from tests.support.archives import invoices
from tests.support.database import placed

pytestmark = [pytest.mark.whole_machine, pytest.mark.through_prefect]


@contextmanager
def prefect(*words: str, **environment: str) -> Iterator[None]:
    """A command of Prefect's own that goes on until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "prefect", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:  # a worker's run would live on without it
        for each in (*psutil.Process(process.pid).children(recursive=True), process):
            each.kill()
        process.wait()


def wait(is_so: Callable[[], object], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.2)


def is_healthy(api: str) -> bool:
    try:
        return httpx.get(f"{api}/health").is_success
    except httpx.HTTPError:
        return False


@contextmanager
def deployed(folder: Path, database: Path) -> Iterator[str]:
    """A Prefect server, a schedule of `folder`/in, and a process worker; the server's API."""
    home = placed(database, folder / "cache") / "prefect"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    api = f"http://127.0.0.1:{port}/api"
    environment = {
        "PREFECT_HOME": str(home), "PREFECT_API_URL": api, "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5", "PREFECT_WORKER_QUERY_SECONDS": "2",
        "PAGEMILL_MODEL": "offline", "PAGEMILL_REPORT": "true",
    }  # fmt: skip
    with prefect("server", "start", "--host", "127.0.0.1", "--port", str(port), **environment):
        wait(lambda: is_healthy(api), 90)
        command = ("deploy", folder / "in", "--type", "invoice", "--out", folder / "out", "--cron", "* * * * * */15")
        process = start(*command, cwd=folder, **environment)
        _, err = process.communicate(timeout=90)
        assert process.returncode == 0, err
        with prefect("worker", "start", "--pool", "pagemill", "--type", "process", **environment):
            yield api


def completed(api: str) -> list[str]:
    """What the runs that have completed say, oldest first."""
    wanted = {"sort": "START_TIME_ASC", "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
    return [run["state"]["message"] for run in httpx.post(f"{api}/flow_runs/filter", json=wanted).json()]


def test_a_deployed_schedule_fires_publishes_and_then_finds_nothing_to_do(
    tmp_path: Path, prefect_database: Path
) -> None:
    invoices(tmp_path / "in", 3)
    with deployed(tmp_path, prefect_database) as api:
        for text in ("3 discovered = 0 already done + 0 skipped + 3 ok", "3 discovered = 3 already done"):
            wait(lambda text=text: any(text in message for message in completed(api)), 240)
    assert verify(tmp_path / "out") == []
