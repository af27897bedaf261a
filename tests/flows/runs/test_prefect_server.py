"""Our own Prefect server: there for a run that has something to do, and for no other."""

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest

from flows.runs.prefect_database import place_database
from flows.runs.prefect_server import ChildServer, _free_port, pruned_after
from flows.runs.request import RunRequest
from flows.runs.resources import Engine, engine
from flows.runs.run import run
from flows.settings import load_settings
from flows.storage.backends.journal import Segment
from flows.storage.verify import verify
from schemas.document_types import DOCUMENT_TYPES
from schemas.errors import ConfigurationError
from tests.conftest import ROOT, SAMPLES
from tests.support.database import placed
from tests.support.outcomes import rows


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Engine]:
    """An engine with a cache that no server has been in."""
    with engine(load_settings(model="offline", cache_dir=tmp_path / "cache")) as made:
        yield made


def test_a_run_that_has_nothing_to_do_starts_none_and_is_counted(
    tmp_path: Path, samples_out: dict[str, Path], fresh: Engine
) -> None:
    out = tmp_path / "out"
    shutil.copytree(samples_out["invoices"], out)
    before = rows(out, "runs", "count(*)")[0][0]
    done = run(fresh, RunRequest([str(SAMPLES / "invoices")], DOCUMENT_TYPES["invoice"], out, quiet=True))
    assert (done.exit_code, done.summary["already_done"]) == (0, done.summary["discovered"])
    assert fresh.server is not None
    assert not fresh.server.is_started
    assert not (tmp_path / "cache" / "prefect").exists()
    assert rows(out, "runs", "count(*)") == [(before + 1,)]
    assert verify(out) == []


def test_a_run_that_cannot_begin_starts_none(tmp_path: Path, fresh: Engine) -> None:
    with pytest.raises(ConfigurationError, match="matches nothing"):
        run(fresh, RunRequest([str(tmp_path / "nowhere")], DOCUMENT_TYPES["invoice"], tmp_path / "out", quiet=True))
    assert fresh.server is not None
    assert not fresh.server.is_started


def test_the_server_that_a_profile_names_is_taken(tmp_path: Path) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    server = ChildServer(tmp_path / "prefect")
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        assert server.url() == "http://127.0.0.1:9/api"
    assert server._process is None
    server.stop()


def test_a_damaged_database_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "prefect").mkdir()
    (tmp_path / "prefect" / "prefect.db").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    server = ChildServer(tmp_path / "prefect", port=_free_port())
    with pytest.raises(
        ConfigurationError, match=r"prefect\.db is damaged \(.*(malformed|not a database)\); move it away"
    ):
        server.url()
    server.stop()


@pytest.mark.whole_machine
def test_what_a_server_says_goes_to_a_file_which_cannot_fill_up_as_a_pipe_does(
    tmp_path: Path, prefect_database: Path
) -> None:
    server = ChildServer(placed(prefect_database, tmp_path) / "prefect", port=_free_port())
    url = server.url()
    (told,) = (tmp_path / "prefect").glob("server-*.txt")
    assert server._process is not None
    assert Path(f"/proc/{server._process.pid}/fd/2").readlink() == told
    assert httpx.get(f"{url}/health").json() is True
    server.stop()
    assert not told.exists()


def schema_of(database: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(database)) as base:
        (revision,) = base.execute("select version_num from alembic_version")
        made = base.execute("select name, sql from sqlite_master where sql is not null").fetchall()
    return sorted([*made, ("revision", *revision)])


def test_the_database_that_is_made_at_once_is_the_one_that_prefect_migrates_to(
    tmp_path: Path, prefect_database: Path
) -> None:
    place_database(tmp_path)
    assert schema_of(tmp_path / "prefect.db") == schema_of(prefect_database)


def test_of_another_prefect_and_of_a_database_that_is_there_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "prefect.db").write_bytes(b"of somebody")
    place_database(there)
    assert (there / "prefect.db").read_bytes() == b"of somebody"
    monkeypatch.setattr("flows.runs.prefect_database.version", lambda _: "3.9.0")
    place_database(tmp_path)
    assert not (tmp_path / "prefect.db").exists()


def test_statements_that_do_not_run_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "prefect_database.sql").write_text(
        f"-- Prefect {version('prefect')}\ncreate table flow (id);\nnonsense;"
    )
    monkeypatch.setattr("flows.runs.prefect_database.files", lambda _: tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    place_database(home)
    assert list(home.iterdir()) == []


@pytest.mark.whole_machine
def test_a_server_that_does_not_start_stops_the_run_and_what_was_asked_is_published(
    tmp_path: Path, fresh: Engine
) -> None:
    home = tmp_path / "cache" / "prefect"
    home.mkdir(parents=True)
    (home / "prefect.db").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    out = tmp_path / "out"
    done = run(fresh, RunRequest([str(SAMPLES / "invoices")], DOCUMENT_TYPES["invoice"], out, quiet=True))
    assert done.exit_code == 2
    assert "Prefect's server did not start" in str(done.stopped)
    summary = done.summary
    assert summary["ok"] + summary["partial"] + summary["deferred"] == summary["discovered"]
    assert verify(out) == []


def test_the_work_of_a_run_begins_before_its_server_stands(
    tmp_path: Path, fresh: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is held back until the first answer is kept; the flow run and its shard are recorded all the same."""
    kept = threading.Event()
    append = Segment.append

    async def noted(self: Segment, *given: object) -> None:
        await append(self, *given)
        kept.set()

    def url(self: ChildServer) -> str:
        assert kept.wait(60)
        return standing(self)

    standing = ChildServer.url
    monkeypatch.setattr(Segment, "append", noted)
    monkeypatch.setattr(ChildServer, "url", url)
    request = RunRequest([str(SAMPLES / "invoices")], DOCUMENT_TYPES["invoice"], tmp_path / "out", quiet=True)
    done = run(fresh, request)
    assert done.exit_code == 0
    (recorded,) = httpx.post(f"{fresh.prefect_url}/flow_runs/filter", json={}, auth=login_of(fresh.server)).json()
    assert (recorded["name"], recorded["state"]["type"]) == (done.summary["run_id"], "COMPLETED")
    assert recorded["end_time"] is not None


def login_of(server: ChildServer | None) -> tuple[str, str]:
    assert server is not None
    assert server.login is not None
    name, _, word = server.login.partition(":")
    return name, word


def test_a_server_answers_nobody_without_its_login_no_page_of_another_origin_and_no_other_name(
    tmp_path: Path, prefect_database: Path
) -> None:
    server = ChildServer(placed(prefect_database, tmp_path) / "prefect", port=_free_port())
    url = server.url()
    auth = login_of(server)
    try:
        asked = [
            ("POST", "/flow_runs/filter"),
            ("POST", "/deployments/filter"),
            ("GET", "/admin/settings"),
            ("GET", "/version"),
        ]
        for method, path in asked:
            for wrong in (None, ("pagemill", "x"), ("", "")):
                assert httpx.request(method, f"{url}{path}", json={}, auth=wrong).status_code == 401, (path, wrong)
        assert httpx.post(f"{url}/flow_runs/filter", json={}, auth=auth).json() == []
        page = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        assert "access-control-allow-origin" not in httpx.options(f"{url}/flow_runs/filter", headers=page).headers
        assert httpx.get(f"{url}/health", headers={"Host": "evil.example"}).status_code == 400
        command = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout
        assert auth[1] not in command
        home = tmp_path / "prefect"
        assert oct(home.stat().st_mode)[-2:] == "00"
        for path in ("/events/in", "/events/out", "/logs/out"):
            asyncio.run(refused(f"{url.replace('http', 'ws', 1)}{path}"))
    finally:
        server.stop()


async def refused(url: str) -> None:
    """A socket without the login hears nothing, and is closed."""
    import websockets

    with pytest.raises(websockets.exceptions.ConnectionClosed):
        async with websockets.connect(url, subprotocols=[websockets.Subprotocol("prefect")]) as socket:
            await socket.send(json.dumps({"type": "auth", "token": "x"}))
            for _ in range(3):
                await asyncio.wait_for(socket.recv(), 5)


@pytest.mark.parametrize("days", [None, 0.01, 30, 4000])
def test_a_history_is_pruned_by_prefect_after_the_days_that_are_kept(
    days: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.settings import Settings

    for name, value in pruned_after(days).items():
        monkeypatch.setenv(name, value)
    server = Settings().server
    kept = server.services.db_vacuum.retention_period.total_seconds() / 86400
    assert kept == pytest.approx(max(days or 90, 3601 / 86400))
    assert server.services.db_vacuum.enabled_vacuum_types == {"events", "flow_runs", "orphans"}
    assert server.events.retention_period.total_seconds() / 86400 == pytest.approx(min(7, kept))


def test_a_folder_that_somebody_works_in_brings_no_code(tmp_path: Path) -> None:
    for name in ("flows", "secrets", "prefect"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    command = [
        sys.executable,
        "-c",
        "from pathlib import Path; from flows.runs.prefect_server import ChildServer as S; s = S(Path('home')); print(s.url())",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.startswith("http://127.0.0.1:"), done.stderr
    assert not (tmp_path / "ran").exists()


def test_the_command_line_and_a_run_import_nothing_that_they_do_not_need() -> None:
    heavy = {
        "prefect",
        "pymupdf",
        "matplotlib",
        "scipy",
        "openai",
        "duckdb",
        "jinja2",
        "fastapi",
        "uvicorn",
        "rich",
    }
    script = (
        "import sys; import flows.cli; early = set(sys.modules); import flows.settings, flows.type_loader, flows.runs.prefect_flow, flows.runs.run;"
        "print(*sorted(early & {'pyarrow', 'numpy', 'pydantic', 'jsonschema'}), '|', *sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    early, _, later = told.partition("|")
    assert early.split() == []
    assert heavy & set(later.split()) == set()
