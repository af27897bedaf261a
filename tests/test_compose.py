"""The Dockerfile and compose.yaml as far as they can be seen without Docker: what they name is there, and their commands run.

The commands of server, deploy and worker are run as processes, with the environment that compose.yaml gives them, on PostgreSQL.
"""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil
import pytest
import yaml

from flows.storage.verify import verify
from tests.conftest import ROOT, SAMPLES, start
from tests.support.outcomes import rows
from tests.support.postgres import postgres

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
TEXTS = {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in ("compose.yaml", "Dockerfile", ".env.example", "pagemill.env.example")
}


def test_every_service_names_what_is_there() -> None:
    assert set(SERVICES) == {"postgres", "server", "deploy", "worker"}
    for name, service in SERVICES.items():
        assert re.fullmatch(r"\w+:\d+(\.\d+)+(-\w+)?", service["image"]), name
        assert set(service.get("depends_on", ())) <= set(SERVICES)
        for other, how in service.get("depends_on", {}).items():
            is_checked = how["condition"] != "service_healthy" or "healthcheck" in SERVICES[other]
            assert is_checked, (name, other)
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or source.startswith("${"), volume
        assert "healthcheck" in service or name == "deploy"
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert SERVICES["worker"]["image"] == f"pagemill:{version[1]}"


def test_the_image_holds_what_the_commands_need_and_nothing_secret() -> None:
    lines = TEXTS["Dockerfile"].replace("\\\n", " ").splitlines()
    copied = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    assert copied
    assert all((ROOT / word).exists() for word in copied)
    assert {"schemas", "extractors", "flows", "constraints.txt", "pyproject.toml"} <= set(copied)
    assert [line.split()[1] for line in lines if line.startswith("USER ")] == ["pagemill"]
    assert re.search(r"^FROM python:3\.11\.\d+-", TEXTS["Dockerfile"], re.MULTILINE)
    assert "PIP_CONSTRAINT=" in TEXTS["Dockerfile"]
    extras = re.search(r"'\.\[(.+)\]'", TEXTS["Dockerfile"])
    assert set(extras[1].split(",")) <= set(
        re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    )
    for kept in (".dockerignore", ".gitignore"):
        assert {".env", "pagemill.env"} <= set((ROOT / kept).read_text().split())
    assert ":latest" not in "".join(TEXTS.values())


def test_what_compose_needs_is_in_the_example_and_only_there() -> None:
    needed = set(re.findall(r"\$\{(\w+)", TEXTS["compose.yaml"]))
    shown = dict(line.split("=", 1) for line in TEXTS[".env.example"].splitlines() if line and line[0] != "#")
    assert needed <= set(shown)
    for name, service in SERVICES.items():
        for key, value in service.get("environment", {}).items():
            assert "PASSWORD" not in key or value.startswith("${"), name
            assert "KEY" not in key, name


def test_the_password_of_the_database_goes_to_the_database_and_its_server_alone() -> None:
    for name, each in SERVICES.items():
        given = {str(word) for word in each.get("environment", {}).values()} | set(map(str, each.get("command", ())))
        holds = any("POSTGRES_PASSWORD" in word for word in given)
        assert holds == (name in {"postgres", "server"}), name
        assert each.get("env_file", []) == (["pagemill.env"] if name in {"deploy", "worker"} else []), name
    keys = [line.partition("=")[0] for line in TEXTS["pagemill.env.example"].splitlines() if line and line[0] != "#"]
    assert keys
    assert all(key.startswith("PAGEMILL_") for key in keys)
    assert "PAGEMILL" not in re.sub(r"#.*", "", TEXTS[".env.example"])


@contextmanager
def service(name: str, given: dict[str, str], told: Callable[[str], str]) -> Iterator[subprocess.Popen[Any]]:
    """A service's command, with its environment, as a process; `told` says where its places are here."""
    described = SERVICES[name]
    own = {key: told(value) for key, value in described["environment"].items()}
    command = [sys.executable, "-m", *[told(word) for word in described["command"]]]
    command[2] = {"pagemill": "flows.cli"}.get(command[2], command[2])
    running = subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": str(ROOT), **given, **own}, stdout=subprocess.DEVNULL
    )
    try:
        yield running
    finally:
        if running.poll() is None:
            children = psutil.Process(running.pid).children(recursive=True)
            running.send_signal(signal.SIGKILL)
            running.wait()
            for each in children:
                each.kill()


def answers(url: str, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            assert httpx.get(url).status_code == 200
        except (httpx.HTTPError, AssertionError):
            assert time.monotonic() < end, url
            time.sleep(0.2)
        else:
            return


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgres() as url:
        yield url


def flow_runs(database: str) -> list[tuple[str, str]]:
    async def asked() -> list[tuple[str, str]]:
        connection = await asyncpg.connect(database.replace("+asyncpg", ""))
        try:
            found = await connection.fetch("select name, state_type::text from flow_run where start_time is not null")
        finally:
            await connection.close()
        return [tuple(each) for each in found]

    return asyncio.run(asked())


@pytest.mark.whole_machine
@pytest.mark.through_prefect
def test_a_run_brings_its_own_server_up_on_postgresql(tmp_path: Path, database: str) -> None:
    words = ("run", SAMPLES / "invoices", "--type", "invoice", "--out", tmp_path / "out", "--model", "offline")
    running = start(*words, PREFECT_SERVER_DATABASE_CONNECTION_URL=database)
    _, err = running.communicate(timeout=180)
    assert running.returncode == 0, err
    run_id = rows(tmp_path / "out", "runs", "run_id")[0][0]
    assert flow_runs(database) == [(run_id, "COMPLETED")]


@pytest.mark.whole_machine
@pytest.mark.through_prefect
def test_the_commands_of_server_deploy_and_worker_run_together_on_postgresql(tmp_path: Path, database: str) -> None:
    ports = []
    for _ in range(2):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    places = {
        r"^postgresql\+asyncpg://prefect:\$\{POSTGRES_PASSWORD:.+\}@postgres:5432/prefect$": database,
        r"^http://server:4200": f"http://127.0.0.1:{ports[0]}",
        r"^0\.0\.0\.0$": "127.0.0.1",
        r"^4200$": str(ports[0]),
        r"^/archive$": str(SAMPLES / "invoices"),
        r"^\$\{OUT:-/data/invoices\}$": str(tmp_path / "invoices"),
        r"^\$\{TYPE:-invoice\}$": "invoice",
    }

    def told(word: str) -> str:
        for place, here in places.items():
            word = re.sub(place, here, word)
        assert "${" not in word, word
        return word

    given = {
        "PAGEMILL_MODEL": "offline",
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
    }
    given["PREFECT_WORKER_WEBSERVER_PORT"] = str(ports[1])
    api = f"http://127.0.0.1:{ports[0]}/api"
    with service("server", given, told):
        answers(f"{api}/health")
        with service("deploy", given, told) as deploying:
            assert deploying.wait(timeout=90) == 0
        deployment = httpx.get(f"{api}/deployments/name/backfill/invoices", timeout=60).json()["id"]
        body = {"state": {"type": "SCHEDULED"}}
        run = httpx.post(f"{api}/deployments/{deployment}/create_flow_run", json=body, timeout=60).json()
        with service("worker", given, told):
            end = time.monotonic() + 120
            while (found := httpx.get(f"{api}/flow_runs/{run['id']}", timeout=60).json())["state_type"] not in {
                "COMPLETED",
                "FAILED",
            }:
                assert time.monotonic() < end, found
                time.sleep(0.5)
            answers(f"http://127.0.0.1:{ports[1]}/health", 10)
    assert found["state_type"] == "COMPLETED", found
    assert "5 discovered" in found["state"]["message"]
    assert (found["name"], "COMPLETED") in flow_runs(database)
    assert verify(tmp_path / "invoices") == []
