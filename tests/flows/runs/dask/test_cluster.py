"""A run whose shards go to the processes of a Dask cluster: what it publishes, spends and survives is what a local run does.

`PAGEMILL_TEST_DOCUMENTS=300` sends so many documents through it.
"""

import collections
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from pydantic import SecretStr

from flows.runs.request import RunRequest
from flows.runs.resources import Engine
from flows.runs.run import run
from flows.settings import load_settings
from flows.storage.verify import verify
from flows.type_loader import load_type
from schemas.errors import BudgetExceededError
from tests.conftest import ROOT, start
from tests.support.alike import contents
from tests.support.archives import COPIES, DOCUMENTS, archive, invoices
from tests.support.login import AUTH
from tests.support.outcomes import asked, check_sum, rows
from tests.support.painted import Studio, answer, name_of, studio
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.whole_machine, pytest.mark.through_prefect]


def test_a_run_that_is_told_to_stop_keeps_what_was_answered_and_leaves_no_process(
    tmp_path: Path, model_server: Callable, offline_engine: Engine
) -> None:
    source = invoices(tmp_path / "in", 12)
    with model_server("--hang-after", "6") as server:
        options = {"PAGEMILL_RUNNER": "dask", "PAGEMILL_DASK_WORKERS": "2", "PAGEMILL_CONCURRENCY": "4"}
        options |= {"PAGEMILL_GRACE": "1", "PREFECT_API_URL": offline_engine.server.url(), **server.environment}
        running = start(
            "run", source, "--type", "invoice", "--out", tmp_path / "out", "--shard-size", "6", "--json", **options
        )
        # Two calls of each process hang then, or of the slower one, where the other has done its shard before.
        wait_until(lambda: server.count("answered") >= 6 and server.count("asked") >= 8)
        processes = psutil.Process(running.pid).children(recursive=True)
        assert len(processes) >= 4  # two of the cluster, each with one that splits
        for each in [*processes, psutil.Process(running.pid)]:  # as an init system tells a whole group
            with suppress(psutil.Error):
                each.send_signal(signal.SIGTERM)
        out, err = running.communicate(timeout=60)
        assert running.returncode == 1, err
        assert "stopped; what was answered is kept" in err
        assert all("page" in line or "stopped" in line for line in err.splitlines()), err  # nothing of Dask's
        told = json.loads(out)
        assert (told["ok"], told["deferred"]) == (6, 6), told
        check_sum(told)
        _, alive = psutil.wait_procs(processes, timeout=10)
        assert alive == []
    assert verify(tmp_path / "out") == []


@dataclass
class Machines:
    """A Dask scheduler and two processes that are there before the run, as on other machines."""

    address: str
    worker: psutil.Process

    def processes(self) -> list[psutil.Process]:
        """Those that carry shards out, oldest first."""
        found = [each for each in self.worker.children() if "spawn_main" in " ".join(each.cmdline())]
        return sorted(found, key=psutil.Process.create_time)

    def options(self, **others: Any) -> dict[str, Any]:
        return {"runner": "dask", "dask_address": self.address, "concurrency": 4, **others}


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    from distributed import Client

    folder = tmp_path_factory.mktemp("dask")
    file = folder / "scheduler.json"
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "PAGEMILL_API_KEY": "canary-of-the-processes",
        "DASK_LOGGING__DISTRIBUTED": "critical", "DASK_DISTRIBUTED__WORKER__DAEMON": "False",
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
    }  # fmt: skip
    here = ("--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(file))
    commands = [
        ("scheduler", "--port", "0", "--dashboard-address", "127.0.0.1:0", *here),
        ("worker", "--nworkers", "2", "--nthreads", "1", "--local-directory", str(folder / "dask"), *here),
    ]
    started = [subprocess.Popen([sys.executable, "-m", "dask", *each], env=environment) for each in commands]
    wait_until(file.exists)
    address = json.loads(file.read_text())["address"]
    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
    yield Machines(address, psutil.Process(started[1].pid))
    for each in started[::-1]:
        children = psutil.Process(each.pid).children(recursive=True)
        each.kill()
        each.wait()
        _, alive = psutil.wait_procs(children, timeout=20)
        assert alive == []


def test_two_processes_publish_what_a_local_run_does_and_ask_for_each_document_once(
    tmp_path: Path, model_server: Callable, extract: Callable, offline_engine: Engine, machines: Machines
) -> None:
    source = archive(tmp_path / "in", DOCUMENTS)
    with model_server() as server:
        settings = load_settings(base_url=server.url, api_key="key", shard_size=6, **machines.options())
        engine = replace(offline_engine, settings=settings, base_url=server.url, api_key="key")
        done = run(engine, RunRequest([str(source)], load_type("invoice"), tmp_path / "dask"))
        assert done.exit_code == 1, done  # two documents cannot be read
        assert set(asked([each["body"] for each in server.entries("asked")]).values()) == {1}
    with model_server() as server:
        local = extract(source, tmp_path / "local", server.url, shard_size=6, request_timeout=60.0)
    names = ("discovered", "already_done", "skipped", "ok", "partial", "failed", "deferred", "requests", "cost_usd")
    assert [done.summary[name] for name in names] == [local.summary[name] for name in names]
    assert done.summary["already_done"] == 2
    check_sum(done.summary)
    here, there = (contents(tmp_path / out, COPIES) for out in ("local", "dask"))
    differing = [(table, set(here[table]) ^ set(there[table])) for table in here if here[table] != there[table]]
    assert not differing, differing
    assert verify(tmp_path / "dask") == []


@pytest.fixture
def place(tmp_path: Path, offline_engine: Engine) -> Iterator[Studio]:
    with studio(tmp_path, offline_engine) as opened:
        yield opened


def test_a_nightly_has_its_shards_on_dask_as_tasks_of_its_own_and_keeps_to_a_limit_of_prefects(
    tmp_path: Path, machines: Machines, model_server: Callable, offline_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.nightly import nightly

    api = offline_engine.server.url()
    limit = {"name": "over-machines", "limit": 1000, "slot_decay_per_second": 100}
    httpx.post(f"{api}/v2/concurrency_limits/", json=limit, timeout=60, auth=AUTH).raise_for_status()
    with model_server() as server, temporary_settings({PREFECT_API_URL: api}):
        told = {"PAGEMILL_RUNNER": "dask", "PAGEMILL_DASK_ADDRESS": machines.address, "PAGEMILL_SHARD_SIZE": "2"}
        told |= {"PAGEMILL_GLOBAL_LIMIT": "over-machines", "PREFECT_API_URL": api, **server.environment}
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        state = nightly([str(invoices(tmp_path / "in", 4))], "invoice", str(tmp_path / "out"), return_state=True)
    assert (state.type.value, "4 ok" in state.message) == ("COMPLETED", True), state
    run_id = rows(tmp_path / "out", "runs", "run_id")[0][0]
    flow_run = str(state.state_details.flow_run_id)
    tasks = httpx.post(
        f"{api}/task_runs/filter", json={"flow_runs": {"id": {"any_": [flow_run]}}}, timeout=60, auth=AUTH
    ).json()
    assert sorted(each["name"] for each in tasks) == [f"{run_id}-00000", f"{run_id}-00001"]


def test_a_budget_holds_over_two_processes_and_no_key_goes_to_them(
    place: Studio, machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed.comm import tcp

    sent: list[bytes] = []
    frames_of = tcp.to_frames

    async def recorded(*arguments: Any, **named: Any) -> Any:
        frames = await frames_of(*arguments, **named)
        sent.extend(map(bytes, frames))
        return frames

    monkeypatch.setattr(tcp, "to_frames", recorded)
    place.write(*(f"a{number}" for number in range(30)))
    engine = place.engine(**machines.options(max_output=2_000))
    key = "canary-of-the-run"
    engine = replace(engine, settings=engine.settings.model_copy(update={"api_key": SecretStr(key)}), api_key=key)
    cap = 0.02  # USD; a call costs 0.00101, and may cost twice as much
    done = run(engine, RunRequest([str(place.root / "in")], place.kind, place.out, cap, quiet=True))
    assert isinstance(done.stopped, BudgetExceededError), done.stopped
    next_call = float(re.findall(r"may cost \$([\d.]+)", str(done.stopped))[0])
    assert cap - next_call < done.summary["cost_usd"] <= cap
    assert len(place.model.bodies) == done.summary["ok"]
    check_sum(done.summary)
    assert any(b"a0.txt" in each for each in sent)
    assert not any(b"canary" in each for each in sent)


def test_a_process_that_is_killed_costs_its_shard_and_is_taken_up_by_another(
    place: Studio, machines: Machines, capsys: pytest.CaptureFixture[str]
) -> None:
    place.write(*(f"a{number}" for number in range(24)))
    place.model.delay = 0.4
    killing = threading.Thread(target=kill_one, args=(machines, place.out))
    killing.start()
    settings = place.engine(**machines.options(shard_size=6))
    done = run(settings, RunRequest([str(place.root / "in")], place.kind, place.out, quiet=True))
    killing.join()
    assert (done.exit_code, done.summary["ok"]) == (0, 24), done
    assert "its process had died, and another has taken it up" in capsys.readouterr().err
    times = collections.Counter(map(name_of, place.model.bodies))
    assert len(times) == 24
    assert times.total() - 24 <= 2  # what was in flight there
    assert rows(place.out, "documents", "count(*), count(distinct document_id)") == [(24, 24)]
    assert verify(place.out) == []


def test_documents_that_kill_every_process_fail_and_the_run_goes_on(place: Studio, machines: Machines) -> None:
    place.write(*(f"a{number}" for number in range(8)), "deadly")

    def tells(body: dict) -> dict:
        name = name_of(body)
        if name == "deadly":
            wait_until(lambda: rows(place.out, "documents", "count(*)") == [(6,)])
            for each in machines.processes():
                each.kill()
        return answer(name, 1)

    place.model.tells = tells
    settings = place.engine(**machines.options(shard_size=3))
    done = run(settings, RunRequest([str(place.root / "in")], place.kind, place.out, quiet=True))
    assert (done.exit_code, done.summary["ok"], done.summary["failed"]) == (1, 6, 3), done
    assert {each for (each,) in rows(place.out, "failures", "error")} == {"ProcessDiedError"}
    check_sum(done.summary)
    assert verify(place.out) == []


def kill_one(machines: Machines, out: Path) -> None:
    """Kill a process that is at work on a shard: one that has kept an answer of it, and so has its journal open."""

    def at_work() -> list[psutil.Process]:
        journal = str(out / "_work" / "journal")
        return [
            each for each in machines.processes() if any(file.path.startswith(journal) for file in each.open_files())
        ]

    wait_until(at_work)[0].kill()
