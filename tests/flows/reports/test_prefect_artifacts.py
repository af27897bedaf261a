"""What a flow run's page shows, on a real Prefect server; and that no artifact makes a run fail or wait."""

import asyncio
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from flows.log import LOG
from flows.reports import prefect_artifacts as artifacts
from flows.reports.prefect_artifacts import markdown, shown_progress
from flows.reports.run_facts import Reason
from flows.runs.resources import Engine
from flows.ui.progress import RunProgress
from tests.conftest import SAMPLES
from tests.support.login import AUTH
from tests.support.painted import Studio, busy, studio

pytestmark = pytest.mark.through_prefect

ROW = dict.fromkeys(("discovered", "already_done", "skipped", "ok", "partial", "failed", "deferred"), 1234)


@pytest.fixture
def painted(tmp_path: Path, offline_engine: Engine) -> Iterator[Studio]:
    with studio(tmp_path, offline_engine) as place:
        yield place


@pytest.fixture
def api(offline_engine: Any) -> Callable[..., Any]:
    """The tests' Prefect server; call it with a path and a filter."""
    url = offline_engine.server.url()

    def read(path: str, **body: object) -> Any:
        answer = httpx.post(f"{url}/{path}", json=body, auth=AUTH)
        answer.raise_for_status()
        return answer.json()

    return read


def shown(api: Callable, run_id: str) -> dict[str, dict]:
    """The artifacts of the flow run of a run, by key."""
    (flow_run,) = api("flow_runs/filter", flow_runs={"name": {"any_": [run_id]}})
    found = api("artifacts/filter", artifacts={"flow_run_id": {"any_": [flow_run["id"]]}})
    assert len({each["key"] for each in found}) == len(found)
    return {each["key"]: each for each in found}


def test_a_flow_run_shows_its_progress_and_at_its_end_its_tables(painted: Studio, api: Callable) -> None:
    summary = busy(painted)
    found = shown(api, summary["run_id"])
    assert set(found) == {"pagemill-extract-progress", "pagemill-run-report"}
    progress = found["pagemill-extract-progress"]
    assert progress["type"] == "progress"
    assert progress["data"] == 100
    assert progress["description"] == f"6 of 6 documents, 4 pages, ${summary['cost_usd']:.4f}"
    report = found["pagemill-run-report"]
    assert report["type"] == "markdown"
    for line in (
        "| discovered | 6 |",
        "| parse | InvalidCompletionError | 1 |",
        "| split | UnreadableDocumentError | 1 |",
    ):
        assert line in report["data"]
    assert f"| paid | {summary['cost_usd']:.4f} |" in report["data"]
    for word in (".txt", ".pdf", "Paint", "onerror", str(painted.root)):
        assert word not in report["data"] + progress["description"]


@pytest.mark.whole_machine
def test_a_refresh_shows_its_own(painted: Studio, api: Callable) -> None:
    busy(painted)
    painted.making = 2
    done = painted.refresh(is_all=True)
    found = shown(api, done.run_id)
    assert set(found) == {"pagemill-refresh-progress", "pagemill-refresh-report"}
    assert found["pagemill-refresh-progress"]["data"] == 100


def test_a_nightly_shows_its_own_also_when_there_is_nothing_to_do_and_tells_its_end_as_an_object(
    tmp_path: Path,
    offline_engine: Any,
    api: Callable,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.nightly import nightly

    (tmp_path / "in").mkdir()
    shutil.copy(SAMPLES / "invoices" / "harrow_finch.pdf", tmp_path / "in")
    os.utime(tmp_path / "in" / "harrow_finch.pdf", (1_700_000_000, 1_700_000_000))  # else it is opened once more
    url = offline_engine.server.url()
    for name, value in {"PREFECT_API_URL": url, "PAGEMILL_MODEL": "offline", "PAGEMILL_LOG_FORMAT": "json"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(LOG, "_format", None)
    keys = []
    with temporary_settings({PREFECT_API_URL: url}):
        for _ in range(2):
            nightly([str(tmp_path / "in")], "invoice", str(tmp_path / "bills"), return_state=True)
            flow_run = api("flow_runs/filter", flows={"name": {"any_": ["nightly"]}}, sort="START_TIME_DESC")[0]
            found = api("artifacts/filter", artifacts={"flow_run_id": {"any_": [flow_run["id"]]}})
            keys.append(sorted(each["key"] for each in found))
            assert not any("harrow" in str(each) or str(tmp_path) in str(each) for each in found)
    assert keys == [["pagemill-nightly-progress", "pagemill-nightly-report"], ["pagemill-nightly-report"]]
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    assert [(each["ok"], each["already_done"]) for each in told if each["event"] == "end"] == [(1, 0), (0, 1)]
    monkeypatch.setattr(LOG, "_format", None)


@pytest.mark.parametrize("fault", [pytest.param("hangs", marks=pytest.mark.whole_machine), "fails"])
def test_a_server_that_takes_no_artifact_costs_a_run_nothing(
    painted: Studio, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    tried = []

    async def broken(artifact: object, *_: object) -> None:
        tried.append(artifact)
        if fault == "fails":
            raise ConnectionError("no server")
        await asyncio.sleep(60)

    monkeypatch.setattr(artifacts, "_put", broken)
    monkeypatch.setattr(artifacts, "_create", broken)
    monkeypatch.setattr(artifacts, "PATIENCE", 0.2)
    monkeypatch.setattr(artifacts, "LAST", 0.2)
    painted.write("a0", "b0")
    assert painted.run()["ok"] == 2
    assert tried[-1] == "pagemill-run-report"
    assert tried.count(None) >= (2 if fault == "fails" else 1)  # one that failed is tried again


def test_one_update_is_in_flight_at_a_time_and_the_last_one_is_the_end(
    offline_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect import flow
    from prefect.settings import PREFECT_API_URL, temporary_settings

    flying: list[int] = []
    seen: list[int] = []
    now = [0]

    async def slow(_: object, key: str, progress: RunProgress, *__: object) -> None:
        assert not flying
        assert key == "pagemill-counts-progress"
        flying.append(1)
        await asyncio.sleep(0.05)
        seen.append(progress.documents)
        flying.clear()

    monkeypatch.setattr(artifacts, "_put", slow)
    monkeypatch.setattr(artifacts, "EVERY", 0.01)

    @flow(name="counts")
    async def counts() -> None:
        async with shown_progress(lambda: RunProgress(now[0], 40, 0, 0.0)):
            for _ in range(40):
                now[0] += 1
                await asyncio.sleep(0.01)

    with temporary_settings({PREFECT_API_URL: offline_engine.server.url()}):
        asyncio.run(counts())
    assert seen == sorted(set(seen))
    assert seen[-1] == 40
    assert len(seen) < 20


def test_an_end_waits_no_longer_than_it_says(offline_engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect import flow
    from prefect.settings import PREFECT_API_URL, temporary_settings

    ended: list[str] = []

    async def hanging(*_: object) -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            ended.append("given up")
            raise

    monkeypatch.setattr(artifacts, "_put", hanging)
    monkeypatch.setattr(artifacts, "PATIENCE", 3600)  # of an update on the way, which is not what ends it here
    monkeypatch.setattr(artifacts, "LAST", 0.1)

    @flow(name="ends")
    async def ends() -> None:
        async with shown_progress(lambda: RunProgress(0, 1, 0, 0.0)):
            await asyncio.sleep(0)

    with temporary_settings({PREFECT_API_URL: offline_engine.server.url()}):
        asyncio.run(ends())
    assert "given up" in ended


def test_outside_of_a_flow_nothing_is_shown() -> None:
    async def alone() -> None:
        async with shown_progress(lambda: 1 / 0):  # type: ignore[arg-type,return-value]
            pass

    asyncio.run(alone())


def test_text_of_others_is_no_markup_in_the_report() -> None:
    run = {**ROW, "run_id": "r", "cost_usd": None, "cost_usd_estimated": None}
    told = markdown(run, [Reason("split", "Odd|Error", 1, [])], ["<b>*A* [x](http://y)</b>: 3% | _z_"])
    assert "| discovered | 1,234 |" in told
    assert "| paid | unknown |" in told
    assert "| split | Odd\\|Error | 1 |" in told
    assert "- &lt;b&gt;\\*A\\* \\[x\\]\\(http://y\\)&lt;/b&gt;: 3% \\| \\_z\\_" in told


def test_progress_is_a_share_of_what_there_is_to_do() -> None:
    assert [RunProgress(done, total, 0, 0.0).percent for done, total in ((0, 4), (1, 4), (9, 4), (0, 0))] == [
        0,
        25,
        100,
        100,
    ]
