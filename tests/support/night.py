"""`pagemill serve` as a process whose nights are seconds apart, its parts by pid, and what its server says of the runs."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.support.database import placed

OFTEN = "* * * * * */15"  # the last field is seconds
ROOT = Path(__file__).resolve().parent.parent.parent
_ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5"}  # of a minute else


@dataclass
class Night:
    """A machine on which nights are seconds apart."""

    folder: Path
    environment: dict[str, str]
    port: int
    process: subprocess.Popen[bytes] | None = None
    cron: str = OFTEN
    cache: Path | None = None  # of other machines, too
    name: str = "out"

    def start(self) -> None:
        """Start the schedules, and come back when they are deployed."""
        told = (self.folder / f"serve-{self.name}.txt").open("ab")
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "flows.cli", "serve", str(self.folder / "in"), "--type", "invoice",
                "--out", str(self.folder / "out"), "--cron", self.cron, "--port", str(self.port), "--name", self.name,
            ],
            cwd=self.folder,
            env={**os.environ, **_ENVIRONMENT, "PAGEMILL_CACHE_DIR": str(self.cache_folder), **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=told,
        )  # fmt: skip
        self.wait(lambda: "is called Crashed" in self.said and len(self.parts("worker")) == 1, 120)

    @property
    def api(self) -> str:
        """The URL of its server's API."""
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def cache_folder(self) -> Path:
        """The folder of PAGEMILL_CACHE_DIR."""
        return self.cache or self.folder / "cache"

    @property
    def login(self) -> str:
        """The same in one word."""
        assert self.auth is not None
        return ":".join(self.auth)

    @property
    def auth(self) -> tuple[str, str] | None:
        """The login of its server, as the file for its user has it."""
        files = [*self.cache_folder.glob(f"serve/{self.name}-*/login.txt")]
        name, _, word = files[0].read_text().strip().partition(":") if files else ("", "", "")
        return (name, word) if files else None

    @property
    def said(self) -> str:
        """What it has said since it was last started."""
        return (
            (self.folder / f"serve-{self.name}.txt").read_text(errors="replace").rpartition("Prefect's page is at")[2]
        )

    def parts(self, which: str) -> list[psutil.Process]:
        """The processes of a kind: the server, the worker, or the flows that are at work."""
        pattern = {
            "server": rf"flows\.runs\.prefect_server {self.port}",
            "worker": r"flows\.schedules\.serve ",
            "flow": r"prefect\.(flow_)?engine",
        }[which]
        found = []
        for each in psutil.process_iter():
            with suppress(psutil.Error):
                ours = each.environ().get("PAGEMILL_CACHE_DIR") == str(self.cache_folder)
                if self.cache is not None and which != "server":
                    ours = each.environ().get("PREFECT_API_URL") == self.api
                if ours and re.search(pattern, " ".join(each.cmdline())):
                    found.append(each)
        return found

    def kill(self, *parts: str) -> None:
        """SIGKILL to parts of it; `serve` is the command itself."""
        for part in parts:
            if part == "serve":
                assert self.process is not None
                self.process.kill()
                self.process.wait()
                continue
            for each in self.parts(part):
                with suppress(psutil.Error):
                    each.kill()

    def stand_still(self, seconds: float, *parts: str) -> None:
        """SIGSTOP to parts of it, and SIGCONT after so long."""
        stopped = [each for part in parts for each in self.parts(part)]
        for each in stopped:
            each.suspend()
        time.sleep(seconds)
        for each in stopped:
            each.resume()

    def begin(self, **parameters: object) -> str:
        """Start a nightly now, with these parameters instead of the schedule's; its id."""
        deployment = httpx.get(f"{self.api}/deployments/name/nightly/{self.name}", auth=self.auth).json()
        asked = {"state": {"type": "SCHEDULED"}, "parameters": parameters}
        made = httpx.post(
            f"{self.api}/deployments/{deployment['id']}/create_flow_run", json=asked, auth=self.auth
        ).raise_for_status()
        return str(made.json()["id"])

    def stop(self, seconds: float = 90) -> int:
        """Tell it to stop; its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=seconds)

    def runs(self) -> list[dict]:
        """The runs that have begun, oldest first."""
        with suppress(httpx.HTTPError):
            answer = httpx.post(
                f"{self.api}/flow_runs/filter",
                json={"sort": "START_TIME_ASC", "limit": 200},
                timeout=30,
                auth=self.auth,
            )
            return [run for run in answer.json() if run["start_time"] is not None]
        return []

    def wait(self, is_so: object, seconds: float) -> None:
        """Wait until `is_so()`."""
        end = time.monotonic() + seconds
        while not is_so():  # type: ignore[operator]
            assert time.monotonic() < end, f"{self.said}\n{[(run['name'], run['state_name']) for run in self.runs()]}"
            time.sleep(0.2)


@contextmanager
def night(
    folder: Path, environment: dict[str, str], database: Path | None = None, cron: str = OFTEN, **more: Any
) -> Iterator[Night]:
    """A machine, whose processes are all gone at the end; without a `database`, Prefect was never started on it."""
    if database is not None:
        placed(database, folder / "cache")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    machine = Night(folder, environment, port, cron=cron, **more)
    try:
        yield machine
    finally:
        if machine.process is not None:
            machine.kill("serve")
        machine.kill("server", "worker", "flow")
