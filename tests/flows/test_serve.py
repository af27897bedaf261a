"""`pagemill serve` on a machine on which nights are seconds apart: it works by itself, and whatever is killed, the work is done.

`PAGEMILL_TEST_KILLS=3` kills each part so often; the suite kills the process of a flow once.
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from flows.deployments import SILENCE
from flows.storage.dataset import read_dataset
from flows.verify import verify
from tests.flows.test_run import invoices
from tests.support.night import Night, night

KILLS = int(os.environ.get("PAGEMILL_TEST_KILLS", "0"))
EVERY_PART = [("flow",), ("worker",), ("server",), ("worker", "flow"), ("serve", "server", "worker", "flow")]
VICTIMS = [each for each in EVERY_PART for _ in range(KILLS)] or [("flow",)]


def published(folder: Path) -> int:
    return read_dataset(folder / "out").rows("documents", ["document_id"]).num_rows if (folder / "out").is_dir() else 0


@pytest.mark.parametrize("parts", VICTIMS, ids="-".join)
def test_whatever_is_killed_the_next_night_completes_the_work(
    tmp_path: Path, model_server: Callable, parts: tuple[str, ...]
) -> None:
    invoices(tmp_path / "in", 24)
    with model_server("--delay", "1.0") as server:
        options = {
            **server.environment,
            "PAGEMILL_CONCURRENCY": "2",
            "PAGEMILL_SHARD_SIZE": "4",
            "PAGEMILL_WORKERS": "1",
        }
        with night(tmp_path, options) as machine:
            machine.start()
            machine.wait(lambda: server.count("answered") >= 6, 150)  # the schedule has fired by itself
            machine.kill(*parts)
            if "serve" in parts:
                machine.start()
            machine.wait(lambda: published(tmp_path) == 24, 240)
            machine.wait(lambda: all_ended(machine), SILENCE + 150)  # no run is left Running by whoever died
            machine.wait(
                lambda: any("24 already done" in said(run) for run in machine.runs()), 150
            )  # nothing is blocked
            assert machine.stop() == 0
        paid = [json.dumps(entry["body"]["messages"]) for entry in server.entries("answered")]
    assert len(paid) - len(set(paid)) <= 2  # at most what was in flight
    assert verify(tmp_path / "out") == []


def said(run: dict) -> str:
    return run["state"]["message"] or ""


def all_ended(machine: Night) -> bool:
    runs = machine.runs()
    return bool(runs) and all(run["state_type"] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"} for run in runs)


def test_a_machine_that_is_told_to_stop_stops_its_run_in_order_and_makes_up_for_a_night_that_it_missed(
    tmp_path: Path, model_server: Callable
) -> None:
    invoices(tmp_path / "in", 8)
    with model_server("--hang-after", "4") as server:
        options = {**server.environment, "PAGEMILL_CONCURRENCY": "2", "PAGEMILL_GRACE": "1"}
        with night(tmp_path, options, cron="0 0 1 1 *") as machine:
            machine.start()
            start_by_hand(machine)
            begun = time.time()
            machine.wait(lambda: server.count("asked") == 6, 60)
            assert machine.stop() == 0
            assert not any(machine.parts(part) for part in ("server", "worker", "flow"))
        row = read_dataset(tmp_path / "out").rows("runs", ["ok", "deferred", "command"]).to_pylist()
        assert row == [{"ok": 4, "deferred": 4, "command": "nightly"}]
        assert verify(tmp_path / "out") == []
    machine.environment["PAGEMILL_MODEL"] = "offline"
    with night(tmp_path, machine.environment) as later:
        time.sleep(
            max(0.0, begun + 20 - time.time())
        )  # until a tick that was missed: a run's expected start is rounded up
        later.start()
        assert "was missed, and starts now" in later.said
        later.wait(lambda: published(tmp_path) == 8, 60)
        assert later.stop() == 0


def start_by_hand(machine: Night) -> None:
    api = f"http://127.0.0.1:{machine.port}/api"
    deployment = httpx.get(f"{api}/deployments/name/nightly/out").json()
    httpx.post(
        f"{api}/deployments/{deployment['id']}/create_flow_run", json={"state": {"type": "SCHEDULED"}}
    ).raise_for_status()
