"""A backfill's first documents alone, and what of an archive a night takes up: by real runs against a model server."""

import dataclasses
import datetime
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.runs.accounting import Accounts
from flows.runs.canary import Canary
from flows.runs.request import Outcome, RunRequest
from flows.runs.run import run
from flows.settings import load_settings
from flows.sources.selection import Partition
from flows.storage.open import read_dataset
from flows.storage.run_ids import new_run_id
from flows.storage.verify import verify
from flows.type_loader import load_type
from schemas.errors import RunStoppedError
from tests.support.archives import break_some, invoices
from tests.support.outcomes import check_sum

KIND = load_type("invoice")


@pytest.fixture
def start_run(offline_engine: object, tmp_path: Path) -> Callable[..., Outcome]:
    """A run over `in` into `out` of a model server, with the options of a request."""

    def call(url: str, **options: object) -> Outcome:
        settings = load_settings(base_url=url, api_key="canary-key", shard_size=16)
        engine = dataclasses.replace(offline_engine, settings=settings, base_url=url, api_key="canary-key")
        return run(engine, RunRequest([str(tmp_path / "in")], KIND, tmp_path / "out", quiet=True, **options))

    return call


def test_a_backfill_whose_first_documents_fail_stops_itself_and_has_spent_no_more(
    tmp_path: Path, start_run: Callable, model_server: Callable
) -> None:
    break_some(invoices(tmp_path / "in", 70), range(15))
    with model_server() as server:
        outcome = start_run(server.url, canary=Canary(50, failed=0.2), command="backfill")
        assert isinstance(outcome.stopped, RunStoppedError)
        assert "30% failed (limit 20%)" in str(outcome.stopped)
        assert outcome.exit_code == 1
        check_sum(outcome.summary)
        assert (outcome.summary["failed"], outcome.summary["ok"], outcome.summary["deferred"]) == (15, 35, 20)
        assert server.count("asked") == 35  # no call for any document beyond the canary
        assert verify(tmp_path / "out") == []
        again = start_run(server.url, canary=Canary(10, failed=0.2), command="backfill")
        assert again.stopped is None
        assert (again.summary["already_done"], again.summary["skipped"], again.summary["ok"]) == (35, 15, 20)
    commands = read_dataset(tmp_path / "out").rows("runs", ["command"]).column(0).to_pylist()
    assert commands == ["backfill", "backfill"]


@pytest.mark.parametrize(
    ("canary", "counts", "said"),
    [
        (Canary(10), {"ok": 9, "failed": 1}, None),
        (Canary(10), {"ok": 8, "failed": 2}, "20% failed (limit 10%)"),
        (Canary(10), {"ok": 4, "partial": 6}, "60% partial (limit 50%)"),
        (Canary(10, cost_per_page=0.01), {"ok": 10, "pages": 10}, "$0.05000 a page (limit $0.01000)"),
        (Canary(10, cost_per_page=0.06), {"ok": 10, "pages": 10}, None),
        (Canary(10), {}, None),
    ],
)
def test_a_canary_is_judged_by_its_limits(canary: Canary, counts: dict[str, int], said: str | None) -> None:
    verdict = canary.judge(Accounts(**counts), 0.5)
    assert verdict is None if said is None else said in str(verdict)


def test_nothing_is_begun_after_the_deadline(tmp_path: Path, start_run: Callable, model_server: Callable) -> None:
    invoices(tmp_path / "in", 6)
    with model_server() as server:
        late = start_run(server.url, deadline=datetime.datetime.now(datetime.UTC))
        assert (late.exit_code, late.summary["deferred"], server.count("asked")) == (0, 6, 0)
        soon = start_run(server.url, deadline=datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1))
        assert soon.summary["ok"] == 6


def test_a_range_of_dates_takes_its_documents_and_calls_none_gone(
    tmp_path: Path, start_run: Callable, model_server: Callable
) -> None:
    folder = invoices(tmp_path / "in", 6)
    days = [datetime.datetime(2026, 3, day, tzinfo=datetime.UTC) for day in range(1, 7)]
    for path, day in zip(sorted(folder.iterdir()), days, strict=True):
        os.utime(path, (day.timestamp(), day.timestamp()))
    with model_server() as server:
        assert start_run(server.url).summary["ok"] == 6
        (folder / "invoice001.pdf").rename(tmp_path / "elsewhere.pdf")
        part = start_run(server.url, since=days[1], before=days[3])
    assert (part.summary["discovered"], part.summary["already_done"], part.summary["gone"]) == (1, 1, 0)


def test_a_part_takes_its_documents_and_calls_none_gone(
    tmp_path: Path, start_run: Callable, model_server: Callable
) -> None:
    folder = invoices(tmp_path / "in", 8)
    with model_server() as server:
        first = start_run(server.url, part=Partition(1, 2)).summary
        assert 0 < first["ok"] == first["discovered"] < 8
        second = start_run(server.url, part=Partition(2, 2)).summary
        assert first["ok"] + second["ok"] == 8
        (folder / "invoice001.pdf").rename(tmp_path / "elsewhere.pdf")
        again = [start_run(server.url, part=Partition(number, 2), allow_gone=True).summary for number in (1, 2)]
        assert [each["gone"] for each in again] == [0, 0]
        assert sum(each["already_done"] for each in again) == 7
        assert start_run(server.url, allow_gone=True).summary["gone"] == 1


def test_the_newest_documents_are_taken_up_first(tmp_path: Path, start_run: Callable, model_server: Callable) -> None:
    folder = invoices(tmp_path / "in", 5)
    for place, path in enumerate(sorted(folder.iterdir())):
        os.utime(path, (1_700_000_000 + place, 1_700_000_000 + place))
    with model_server() as server:
        assert start_run(server.url, order="newest", limit=2).summary["deferred"] == 3
    names = read_dataset(tmp_path / "out").rows("documents", ["file_name"]).column(0).to_pylist()
    assert sorted(names) == ["invoice003.pdf", "invoice004.pdf"]


def test_a_schedule_whose_last_run_is_at_work_begins_nothing(
    tmp_path: Path, start_run: Callable, model_server: Callable
) -> None:
    invoices(tmp_path / "in", 3)
    with model_server() as server:
        assert start_run(server.url, limit=1).summary["ok"] == 1
        dataset, other = read_dataset(tmp_path / "out"), new_run_id()
        with dataset.lease(other):
            facts = {
                **dict.fromkeys(("discovered", "already_done", "skipped", "ok", "partial", "failed"), 0),
                "deferred": 0,
                "recipe_id": "a",
                "version": "1",
            }
            dataset.note_run(
                other, {**facts, "run_id": other, "schedule": "nightly/a", "started_at": "2026-01-01T00:00:00+00:00"}
            )
            held = start_run(server.url, schedule="nightly/a")
            assert (held.live_run, held.stopped, held.summary) == (other, None, {})
            assert server.count("asked") == 1
            assert start_run(server.url, schedule="nightly/b", limit=1).summary["ok"] == 1
        assert start_run(server.url, schedule="nightly/a").summary["ok"] == 1  # the other one is dead now
