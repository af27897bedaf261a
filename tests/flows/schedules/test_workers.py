"""Several Prefect workers of one pool on one dataset on an object store: each runs a part of one backfill.

`PAGEMILL_TEST_DOCUMENTS=300` sends so many documents through them.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import psutil
import pytest

from flows.schedules.schedule import schedule_of
from flows.storage.open import read_dataset
from flows.storage.verify import verify
from tests.conftest import ROOT
from tests.flows.storage.places import bucket
from tests.support.alike import contents
from tests.support.archives import COPIES, DOCUMENTS, archive
from tests.support.login import AUTH
from tests.support.outcomes import asked

pytestmark = [pytest.mark.whole_machine, pytest.mark.through_prefect]


@contextmanager
def workers(pool: str, count: int, **environment: str) -> Iterator[None]:
    """So many workers, each of which runs one flow at a time; gone with whatever they have started at the end."""
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--type", "process", "--limit", "1"]
    told = {**os.environ, "PYTHONPATH": str(ROOT), "PREFECT_WORKER_QUERY_SECONDS": "1", **environment}
    started = [subprocess.Popen(command, env=told, stdout=subprocess.DEVNULL) for _ in range(count)]
    try:
        yield
    finally:
        for each in started:
            children = psutil.Process(each.pid).children(recursive=True)
            each.send_signal(signal.SIGKILL)
            each.wait()
            for child in children:
                child.kill()


def test_two_workers_of_one_pool_share_a_backfill_on_an_object_store(
    tmp_path: Path, model_server: Callable, extract: Callable, offline_engine: Any, s3_server: str
) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.schedules.deployments import deploy

    api = offline_engine.server.url()
    source, out = archive(tmp_path / "in", DOCUMENTS), bucket(s3_server)
    schedule = schedule_of([str(source)], "invoice", out, "0 2 1 1 *", "UTC", {}, "http://x")
    with model_server("--delay", "0.2") as server:
        environment = {**server.environment, "PREFECT_API_URL": api, "PAGEMILL_CONCURRENCY": "2"}
        environment |= {"PAGEMILL_SHARD_SIZE": "6", "PAGEMILL_WORKERS": "1"}
        with temporary_settings({PREFECT_API_URL: api}):
            anyio.run(deploy, schedule, "workers", None, None)
        deployment = httpx.get(f"{api}/deployments/name/backfill/{schedule.name}", timeout=60, auth=AUTH).json()["id"]
        by_hand = ("deployment", "run", f"backfill/{schedule.name}", "--param", "part=1/2", "--param", "canary=0")
        subprocess.run([sys.executable, "-m", "prefect", *by_hand], env={**os.environ, **environment}, check=True)
        body = {"state": {"type": "SCHEDULED"}, "parameters": {**schedule.parameters, "part": "2/2", "canary": 0}}
        httpx.post(
            f"{api}/deployments/{deployment}/create_flow_run", json=body, timeout=60, auth=AUTH
        ).raise_for_status()
        with workers("workers", 2, **environment):
            end = time.monotonic() + 200 + 2 * DOCUMENTS  # seconds
            found: list[dict] = []
            while not found or any(each["state_type"] not in {"COMPLETED", "FAILED", "CRASHED"} for each in found):
                assert time.monotonic() < end, found
                time.sleep(0.5)
                chosen = {"deployments": {"id": {"any_": [deployment]}}}
                found = httpx.post(f"{api}/flow_runs/filter", json=chosen, timeout=60, auth=AUTH).json()
        assert sorted(each["parameters"]["part"] for each in found) == ["1/2", "2/2"]
        assert {each["state"]["name"] for each in found} <= {"Completed", "CompletedWithFailures"}, found
        assert max(each["start_time"] for each in found) < min(each["end_time"] for each in found)  # side by side
        assert set(asked([each["body"] for each in server.entries("asked")]).values()) == {1}
    with model_server() as server:
        local = extract(source, tmp_path / "local", server.url, request_timeout=60.0).summary
    said = read_dataset(out).rows("runs", ["discovered", "ok", "failed", "deferred"]).to_pylist()
    assert len(said) == 2
    assert sum(each["discovered"] for each in said) == local["discovered"] == DOCUMENTS
    assert [sum(each[name] for each in said) for name in ("ok", "failed")] == [local["ok"], 2]
    assert sum(each["deferred"] for each in said) <= 2  # copies of what the other part was at work on
    here, there = contents(tmp_path / "local", COPIES), contents(out, COPIES)
    differing = [(table, set(here[table]) ^ set(there[table])) for table in here if here[table] != there[table]]
    assert not differing, differing
    assert verify(out) == []
