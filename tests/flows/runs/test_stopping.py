"""A run that is cancelled, suspended or paused through Prefect: what was asked for is kept, and what follows is a rerun."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import httpx
import pymupdf
import pytest
from prefect.client.schemas.objects import State
from prefect.states import Paused, Suspended

from flows.storage.open import read_dataset
from flows.storage.verify import verify
from tests.support.archives import invoices
from tests.support.model_server import ModelServer, serving
from tests.support.night import Night, night

pytestmark = [pytest.mark.whole_machine, pytest.mark.through_prefect]

DOCUMENTS, AT_ONCE, SHARD = 36, 2, 4
ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


@dataclass(frozen=True)
class Schedule:
    """A dataset of its own on the machine that the tests of this file share."""

    machine: Night
    server: ModelServer
    folder: Path

    def begin(self, **parameters: Any) -> str:
        """Start a nightly, and come back when it has the first answers; its id."""
        before = len(self.asked("answered"))
        started = self.machine.begin(sources=[str(self.folder / "in")], out=str(self.folder / "out"), **parameters)
        self.machine.wait(lambda: len(self.asked("answered")) >= before + SHARD + 1, 60)
        return started

    def asked(self, event: str) -> list[str]:
        """The requests of this dataset's documents."""
        bodies = (json.dumps(entry["body"]["messages"]) for entry in self.server.entries(event))
        return [body for body in bodies if self.folder.name in body]

    def state(self, run: str) -> dict[str, Any]:
        return httpx.get(f"{self.machine.api}/flow_runs/{run}", auth=self.machine.auth).json()["state"]

    def until(self, run: str, *types: str) -> dict[str, Any]:
        self.machine.wait(lambda: self.state(run)["type"] in types, 60)
        return self.state(run)

    def rows(self) -> list[dict[str, int]]:
        """The rows of runs, in their order."""
        table = read_dataset(self.folder / "out").rows("runs", ["run_id", "ok", "deferred", "already_done"])
        return sorted(table.to_pylist(), key=lambda row: row["run_id"])

    def report(self, run: str) -> str:
        """The text of the report on the run's page in Prefect."""
        wanted = {"artifacts": {"flow_run_id": {"any_": [run]}, "type": {"any_": ["markdown"]}}}
        answer = httpx.post(f"{self.machine.api}/artifacts/filter", json=wanted, auth=self.machine.auth)
        return "\n".join(each["data"] for each in answer.json())

    def check_nothing_was_paid_twice(self, documents: int = DOCUMENTS) -> None:
        """What was asked was answered, and kept, whatever became of the run that asked it."""
        assert sorted(self.asked("answered")) == sorted(set(self.asked("asked")))
        assert len(self.asked("answered")) == documents
        assert verify(self.folder / "out") == []


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, prefect_database: Path) -> Iterator[tuple[Night, ModelServer]]:
    """A machine whose nights are started by hand, and the model that they ask."""
    folder = tmp_path_factory.mktemp("stopping")
    (folder / "in").mkdir()
    with serving(folder / "model-server.jsonl", "--delay", "1.0") as server:
        options = {
            **server.environment, "PAGEMILL_CONCURRENCY": str(AT_ONCE), "PAGEMILL_SHARD_SIZE": str(SHARD),
            "PAGEMILL_WORKERS": "1",
        }  # fmt: skip
        with night(folder, options, prefect_database, cron="0 0 1 1 *") as started:
            started.start()
            yield started, server


@pytest.fixture
def schedule(machine: tuple[Night, ModelServer], tmp_path: Path) -> Schedule:
    """Documents that no other test has."""
    for path in invoices(tmp_path / "in", DOCUMENTS).iterdir():
        with pymupdf.open(path) as document:
            document[0].insert_text((72, 300), f"Reference {tmp_path.name}")
            document.saveIncr()
    return Schedule(*machine, tmp_path)


def set_state(machine: Night, run: str, state: State) -> None:
    from prefect import get_client
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    async def put() -> None:
        async with get_client() as client:
            await client.set_flow_run_state(UUID(run), state)

    with temporary_settings({PREFECT_API_URL: machine.api, PREFECT_API_AUTH_STRING: machine.login}):
        anyio.run(put)


def test_a_cancelled_run_keeps_what_it_asked_for_says_what_is_left_and_the_next_one_does_it(
    schedule: Schedule, extract: Callable
) -> None:
    run = schedule.begin()
    subprocess.run(
        [sys.executable, "-m", "prefect", "flow-run", "cancel", run],
        env={**os.environ, "PREFECT_API_URL": schedule.machine.api, "PREFECT_API_AUTH_STRING": schedule.machine.login},
        check=True,
        capture_output=True,
    )
    assert schedule.until(run, *ENDED)["type"] == "CANCELLED"
    (row,) = schedule.rows()
    assert 0 < row["ok"] < DOCUMENTS
    assert row["deferred"] == DOCUMENTS - row["ok"]
    assert f"| deferred | {row['deferred']} |" in schedule.report(run)
    rest = extract(schedule.folder / "in", schedule.folder / "out", schedule.server.url, request_timeout=60.0)
    assert (rest.exit_code, rest.summary["ok"]) == (0, row["deferred"])
    schedule.check_nothing_was_paid_twice()


def test_a_suspended_run_ends_in_order_and_resumed_at_once_does_the_rest(schedule: Schedule) -> None:
    run = schedule.begin()
    set_state(schedule.machine, run, Suspended(timeout_seconds=600))
    httpx.post(
        f"{schedule.machine.api}/flow_runs/{run}/resume", auth=schedule.machine.auth
    ).raise_for_status()  # the first process is still there
    state = schedule.until(run, *ENDED)
    first, second = schedule.rows()
    assert 0 < first["ok"] < DOCUMENTS
    assert (state["type"], second["ok"]) == ("COMPLETED", DOCUMENTS - first["ok"])
    assert f"| deferred | {first['deferred']} |" in schedule.report(run)
    schedule.check_nothing_was_paid_twice()


def test_a_run_that_is_called_paused_goes_on_to_its_end(schedule: Schedule) -> None:
    run = schedule.begin(limit=3 * SHARD)
    set_state(schedule.machine, run, Paused(timeout_seconds=600))
    assert schedule.until(run, *ENDED)["type"] == "COMPLETED"
    assert [row["ok"] for row in schedule.rows()] == [3 * SHARD]
    schedule.check_nothing_was_paid_twice(3 * SHARD)
