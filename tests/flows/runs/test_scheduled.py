"""The flows `nightly` and `backfill` on a real Prefect server: their states, their tasks, and who is told what."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from pydantic import SecretStr

from flows.schedules.schedule import require_places, schedule_of
from flows.storage.open import read_dataset
from flows.storage.run_ids import new_run_id
from schemas.errors import ConfigurationError, PagemillError
from tests.conftest import ROOT
from tests.support.answering import Reply, answering, said
from tests.support.archives import break_some, invoices
from tests.support.commands import Begun
from tests.support.killing import kill
from tests.support.login import AUTH
from tests.support.waiting import wait_until

pytestmark = pytest.mark.through_prefect
ENDPOINT = "https://openrouter.ai"


@pytest.fixture
def api(offline_engine: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """The tests' Prefect server, configured as a worker's process has it; call it with a path and a filter."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    url = offline_engine.server.url()
    monkeypatch.setenv("PREFECT_API_URL", url)
    monkeypatch.setenv("PAGEMILL_MODEL", "offline")

    def read(path: str, **body: object) -> Any:
        answer = httpx.post(f"{url}/{path}", json=body, auth=AUTH)
        answer.raise_for_status()
        return answer.json()

    with temporary_settings({PREFECT_API_URL: url}):
        yield read


def runs_of(api: Callable, flow: str) -> list[dict]:
    """Those that have begun, the newest first; deployments of other tests have runs that are scheduled for later."""
    begun = {"start_time": {"is_null_": False}}
    found = api("flow_runs/filter", flows={"name": {"any_": [flow]}}, flow_runs=begun, sort="START_TIME_DESC", limit=20)
    assert isinstance(found, list)
    return found


def test_a_nightly_is_one_flow_run_whose_tasks_are_its_shards(tmp_path: Path, api: Callable) -> None:
    from flows.nightly import nightly

    invoices(tmp_path / "in", 3)
    options = {"sources": [str(tmp_path / "in")], "document_type": "invoice", "out": str(tmp_path / "vendors")}
    state = nightly(**options, return_state=True)
    assert (state.type.value, state.name) == ("COMPLETED", "Completed")
    assert "3 discovered = 0 already done + 0 skipped + 3 ok" in state.message
    newest = runs_of(api, "nightly")[0]
    assert newest["name"].startswith("nightly-vendors-20")
    tasks = api("task_runs/filter", flow_runs={"id": {"any_": [newest["id"]]}})
    run_id = read_dataset(tmp_path / "vendors").rows("runs", ["run_id"]).column(0).to_pylist()[0]
    assert [task["name"] for task in tasks] == [f"{run_id}-00000"]
    again = nightly(**options, return_state=True)
    assert "3 already done" in again.message
    commands = read_dataset(tmp_path / "vendors").rows("runs", ["command"]).column(0).to_pylist()
    assert commands == ["nightly", "nightly"]


def test_the_log_of_a_scheduled_run_has_its_lines(tmp_path: Path, api: Callable) -> None:
    from prefect.settings import PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

    from flows.nightly import nightly

    invoices(tmp_path / "in", 1)
    options = {"sources": [str(tmp_path / "in")], "document_type": "invoice", "out": str(tmp_path / "logged")}
    with temporary_settings({PREFECT_LOGGING_TO_API_ENABLED: True}):  # as the deployment sets it
        nightly(**options, return_state=True)
    newest = runs_of(api, "nightly")[0]
    wanted = {"logs": {"flow_run_id": {"any_": [newest["id"]]}}}
    wait_until(lambda: any("page text and images" in line["message"] for line in api("logs/filter", **wanted)))


def test_a_backfill_that_its_canary_stops_has_failed_and_says_why(tmp_path: Path, api: Callable) -> None:
    from flows.backfill import backfill

    break_some(invoices(tmp_path / "in", 8), range(2))
    options = {"sources": [str(tmp_path / "in")], "document_type": "invoice", "out": str(tmp_path / "old")}
    state = backfill(**options, canary=4, return_state=True)
    assert state.type.value == "FAILED"
    assert "50% failed (limit 10%)" in state.message
    assert "4 deferred" in state.message
    on = backfill(**options, canary=0, return_state=True)
    assert (on.type.value, on.name) == ("COMPLETED", "Completed")


def test_a_nightly_does_not_wait_for_a_backfill_that_is_at_work(
    tmp_path: Path, api: Callable, extract: Callable, model_server: Callable, begin: Callable[..., Begun]
) -> None:
    old, new, out = invoices(tmp_path / "old", 24), tmp_path / "new", tmp_path / "out"
    new.mkdir()
    for path in sorted(old.iterdir())[-3:]:
        path.rename(new / path.name)
    with model_server("--delay", "1.5") as server:
        options = {**server.environment, "PAGEMILL_CONCURRENCY": "1", "PAGEMILL_MODEL": "mistral"}
        backfill = begin("run", old, "--type", "invoice", "--out", out, "--canary", "3", "--shard-size", "4", **options)
        try:
            wait_until(lambda: server.count("answered"))
            night = extract(new, out, server.url, request_timeout=60.0)
            assert (night.exit_code, night.summary["ok"]) == (0, 3)
            assert backfill.poll() is None
            assert server.count("answered") < 24
        finally:
            kill(backfill)


def test_a_schedule_whose_last_run_is_at_work_ends_completed_and_says_so(
    tmp_path: Path, api: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.nightly import nightly

    options = {"sources": [str(invoices(tmp_path / "in", 1))], "document_type": "invoice", "out": str(tmp_path / "out")}
    nightly(**options)
    dataset, other = read_dataset(tmp_path / "out"), new_run_id()
    monkeypatch.setattr("flows.runs.scheduled._schedule", lambda: "nightly/here")
    with dataset.lease(other):
        dataset.note_run(other, {"schedule": "nightly/here"})
        state = nightly(**options, return_state=True)
        dataset.store.unlink(f"_work/runs/{other}.json")
    assert state.type.value == "COMPLETED"
    assert f"run {other} of this schedule is still at work" in state.message


def test_what_cannot_be_started_is_failed_with_what_to_do(tmp_path: Path, api: Callable) -> None:
    from flows.nightly import nightly

    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letter.txt").write_text("mine")
    state = nightly([str(tmp_path)], "invoice", str(tmp_path / "out"), return_state=True)
    assert state.type.value == "FAILED"
    assert "name an empty or a new folder" in state.message


@pytest.mark.parametrize(
    "wrong", [{"sources": []}, {"until": "7 o'clock"}, {"order": "best"}, {"limit": 0}, {"budget_usd": -1}]
)
def test_parameters_are_checked_as_prefects_form_shows_them(tmp_path: Path, api: Callable, wrong: dict) -> None:
    from prefect.exceptions import ParameterTypeError

    from flows.nightly import nightly

    right = {"sources": [str(tmp_path)], "document_type": "invoice", "out": str(tmp_path / "out")}
    with pytest.raises(ParameterTypeError):
        nightly(**{**right, **wrong})


def test_a_deployment_is_made_with_its_safeguards_and_a_webhook_hears_of_what_needs_attention(
    tmp_path: Path, api: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.nightly import nightly
    from flows.schedules.deployments import deploy

    heard: list[dict] = []

    def hook(body: dict) -> Reply:
        heard.append(body)
        return said({})

    break_some(invoices(tmp_path / "in", 4), range(2))
    schedule = schedule_of(
        [str(tmp_path / "in")],
        "invoice",
        str(tmp_path / "bills"),
        "0 2 * * *",
        "Europe/Berlin",
        {"order": "newest"},
        ENDPOINT,
    )
    with answering(hook) as url:
        made = []
        for _ in range(2):  # the second time it changes nothing: a new automation would not know who has fallen silent
            anyio.run(deploy, schedule, "night-shift", SecretStr(url), None)
            made.append({each["id"] for each in api("automations/filter") if each["name"].startswith("pagemill")})
        assert made[0] == made[1]
        deployments = api("deployments/filter", deployments={"name": {"any_": ["bills"]}})
        assert {each["entrypoint"] for each in deployments} == {"flows.nightly.nightly", "flows.backfill.backfill"}
        night = next(each for each in deployments if each["entrypoint"] == "flows.nightly.nightly")
        assert [each["schedule"]["cron"] for each in night["schedules"]] == ["0 2 * * *"]
        assert night["schedules"][0]["schedule"]["timezone"] == "Europe/Berlin"
        assert night["parameters"]["out"] == str(tmp_path / "bills")
        assert night["concurrency_limit"] is None
        assert night["job_variables"]["stream_output"] is False
        assert len(made[1]) == 3
        other = schedule_of(
            [str(tmp_path / "in")], "invoice", str(tmp_path / "other" / "bills"), "0 2 * * *", "UTC", {}, ENDPOINT
        )
        with pytest.raises(
            ConfigurationError, match=f"is the schedule of {tmp_path}/bills; call this one something else"
        ):
            anyio.run(deploy, other, "night-shift", None, None)
        state = nightly(**schedule.parameters, **schedule.flags, return_state=True)
        assert (state.type.value, state.name) == ("FAILED", "CompletedWithFailures")  # which is not green
        assert "invoice000" not in state.message  # Prefect keeps no name of a document
        wait_until(lambda: heard)
    assert heard
    assert {each["body"] == each["text"] and each["title"] for each in heard} == {"Pagemill"}  # for Apprise
    begin = f"Pagemill on {socket.gethostname()}, nightly of bills ({tmp_path / 'bills'}): 2 of 4 documents failed (50%"
    assert heard[0]["text"].startswith(begin)
    assert "invoice000" not in heard[0]["text"]
    heard.clear()
    with answering(hook) as url:
        monkeypatch.setenv("PAGEMILL_WEBHOOK", url)
        nightly(**{**schedule.parameters, "out": str(tmp_path / "again")}, **schedule.flags, return_state=True)
    (told,) = heard  # by the run itself, with names
    assert told["text"].startswith(begin.replace("bills", "again"))
    assert "invoice000.pdf: UnreadableDocumentError" in told["text"]


def test_a_schedule_has_a_name_that_prefect_takes_and_a_time_that_its_flow_takes(tmp_path: Path) -> None:
    def made(out: str, until: str | None = None, name: str | None = None) -> tuple[str, str | None]:
        schedule = schedule_of([str(tmp_path)], "invoice", out, "0 2 * * *", "UTC", {"until": until}, ENDPOINT, name)
        return schedule.name, schedule.flags.get("until")

    assert made("R & D/bills <of> 100%") == ("bills-of-100", None)
    assert made(str(tmp_path / "bills"), "07:00:00", "R&D bills") == ("R-D-bills", "07:00")
    assert made("/", None, "%") == ("invoice", None)
    with pytest.raises(ConfigurationError, match="--until: invalid time of day 25:99"):
        made("bills", "25:99")


def test_what_is_served_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    def require(source: str, out: str) -> None:
        require_places(schedule_of([source], "invoice", out, "0 2 * * *", "UTC", {}, ENDPOINT))

    require(str(tmp_path), str(tmp_path / "bills"))
    require(f"{tmp_path}/**/*.pdf", str(tmp_path / "bills"))
    with pytest.raises(ConfigurationError, match="gone: there is nothing"):
        require(str(tmp_path / "gone"), str(tmp_path / "bills"))
    with pytest.raises(ConfigurationError, match=r"list\.txt: there is nothing"):
        require(f"@{tmp_path}/list.txt", str(tmp_path / "bills"))
    with pytest.raises(PagemillError, match="cannot be written"):
        require(str(tmp_path), str(tmp_path / "file" / "bills"))


@pytest.mark.whole_machine
def test_the_file_of_deployments_can_be_deployed(api: Callable) -> None:
    for words in (
        ("work-pool", "create", "pagemill", "--type", "process", "--overwrite"),
        ("--no-prompt", "deploy", "--all"),
    ):
        done = subprocess.run([sys.executable, "-m", "prefect", *words], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    deployed = api("deployments/filter", deployments={"name": {"any_": ["invoices"]}})
    assert {each["entrypoint"] for each in deployed} == {"flows/nightly.py:nightly", "flows/backfill.py:backfill"}
    night = next(each for each in deployed if each["entrypoint"].startswith("flows/nightly"))
    assert night["schedules"][0]["schedule"]["cron"] == "0 2 * * *"
    assert night["parameters"]["until"] == "07:00"
    fields = night["parameter_openapi_schema"]["properties"]
    assert "07:00" in fields["until"]["description"]
    assert fields["order"]["enum"] == ["listed", "newest", "oldest", "smallest"]


@pytest.mark.parametrize(("cron", "zone"), [("0 2 * *", None), ("at night", None), ("0 2 * * *", "Europe/Nowhere")])
def test_a_clock_that_does_not_tick_is_refused(tmp_path: Path, cron: str, zone: str | None) -> None:
    with pytest.raises(ConfigurationError, match="--cron"):
        schedule_of([str(tmp_path)], "invoice", str(tmp_path / "out"), cron, zone, {}, ENDPOINT)
