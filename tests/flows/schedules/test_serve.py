"""`pagemill serve` on a machine on which nights are seconds apart: it works by itself, and whatever is killed, the work is done.

`PAGEMILL_TEST_KILLS=3` does each harm so often; the suite kills the process of a flow once.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.schedules.deployments import SILENCE
from flows.storage.open import read_dataset
from flows.storage.verify import verify
from tests.support.archives import invoices
from tests.support.night import Night, night

pytestmark = [pytest.mark.whole_machine, pytest.mark.through_prefect]

KILLS = int(os.environ.get("PAGEMILL_TEST_KILLS", "0"))


@dataclass(frozen=True)
class Harm:
    """What becomes of a machine whose run is at work: parts are killed, or stand still, and come back after some seconds."""

    name: str
    parts: tuple[str, ...]
    seconds: float = 0.0
    stands_still: bool = False

    def do(self, machine: Night) -> None:
        """Do it, and see that the schedules are at work again."""
        if self.stands_still:
            machine.stand_still(self.seconds, *self.parts)
            return
        machine.kill(*self.parts)
        if "serve" in self.parts:
            time.sleep(self.seconds)
            machine.start()


HARMS = (
    Harm("flow", ("flow",)),
    Harm("worker", ("worker",)),
    Harm("server", ("server",)),  # which is restarted under its run
    Harm("worker-flow", ("worker", "flow")),
    Harm("serve", ("serve",)),  # its server and worker end with it, the run does not
    Harm("reboot", ("serve", "server", "worker", "flow")),
    Harm("away", ("serve",), 90),  # nobody listens at the server's port
    Harm("silent", ("server",), 90, stands_still=True),  # it takes connections and answers none
)
DONE = [each for each in HARMS for _ in range(KILLS)] or [HARMS[0]]


def published(folder: Path) -> int:
    return read_dataset(folder / "out").rows("documents", ["document_id"]).num_rows if (folder / "out").is_dir() else 0


@pytest.mark.parametrize("harm", DONE, ids=lambda harm: harm.name)
def test_whatever_is_killed_the_next_night_completes_the_work(
    tmp_path: Path, model_server: Callable, harm: Harm
) -> None:
    invoices(tmp_path / "in", 24)
    with model_server("--delay", "1.0") as server:
        options = {
            **server.environment,
            "PAGEMILL_CONCURRENCY": "2",
            "PAGEMILL_SHARD_SIZE": "4",
            "PAGEMILL_WORKERS": "1",
        }
        with night(tmp_path, options) as machine:  # a fresh one: Prefect has never been started here
            machine.start()
            machine.wait(lambda: server.count("answered") >= 6, 150)  # the schedule has fired by itself
            at_work = machine.runs()[0]["id"]
            harm.do(machine)
            machine.wait(lambda: published(tmp_path) == 24, 240)
            machine.wait(lambda: all_ended(machine), SILENCE + 150)  # no run is left Running by whoever died
            machine.wait(
                lambda: any("24 already done" in said(run) for run in machine.runs()), 150
            )  # nothing is blocked
            if "flow" not in harm.parts:
                (first,) = [run for run in machine.runs() if run["id"] == at_work]
                assert (first["state_type"], "24 ok" in said(first)) == ("COMPLETED", True)  # it went on to its end
            assert machine.stop() == 0
        paid = [json.dumps(entry["body"]["messages"]) for entry in server.entries("answered")]
    assert len(paid) - len(set(paid)) <= (2 if "flow" in harm.parts else 0)  # at most what was in flight
    assert verify(tmp_path / "out") == []


def said(run: dict) -> str:
    return run["state"]["message"] or ""


def all_ended(machine: Night) -> bool:
    runs = machine.runs()
    return bool(runs) and all(run["state_type"] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"} for run in runs)


def test_a_machine_that_is_told_to_stop_stops_its_run_in_order_and_makes_up_for_a_night_that_it_missed(
    tmp_path: Path, model_server: Callable, prefect_database: Path
) -> None:
    invoices(tmp_path / "in", 8)
    with model_server("--hang-after", "4") as server:
        options = {**server.environment, "PAGEMILL_CONCURRENCY": "2", "PAGEMILL_GRACE": "1"}
        with night(tmp_path, options, prefect_database, cron="0 0 1 1 *") as machine:
            machine.start()
            machine.begin()
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
        later.wait(lambda: published(tmp_path) == 8, 180)
        later.wait(
            lambda: ": Completed. " in later.said and "+ 4 ok" in later.said, 30
        )  # what the log of a service shows
        assert later.stop() == 0
