"""Shards carried out by processes of a cluster: shares of money and of the limit, and processes that die at any moment.

The processes are this one, which is told by pickled messages and tells by pickled results, as those of a cluster are.
"""

import asyncio
import collections
import dataclasses
import pickle
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from pydantic import SecretStr

from flows.runs.dask import worker as carrier
from flows.runs.dask.messages import ShardJob, ShardResult
from flows.runs.request import Outcome, RunRequest
from flows.runs.resources import Engine
from flows.runs.run import run
from flows.storage.document_claims import claim, claimed_beside
from flows.storage.open import read_dataset
from flows.storage.verify import verify
from flows.type_loader import load_type
from schemas.errors import ConfigurationError, ProcessDiedError
from tests.conftest import SAMPLES
from tests.flows.storage.places import bucket
from tests.support.alike import contents
from tests.support.archives import invoices
from tests.support.outcomes import check_sum, rows
from tests.support.painted import Studio, name_of, studio
from tests.support.quick import quick, without_prefect


class Nearby:
    """A cluster of so many processes, which are all this one. `told` are the messages; `dies` may raise around a shard."""

    def __init__(self, size: int = 2) -> None:
        self.size = self.on_one_machine = size
        self.told: list[bytes] = []
        self.results: list[ShardResult] = []
        self.stops: list[str] = []
        self.tries: collections.Counter[str] = collections.Counter()
        self.dies: Callable[[str, int, bytes], None] = lambda name, tried, message: None
        self.run_id = ""

    async def begin(self) -> None:
        self.one_at_a_time = asyncio.Lock()

    async def carry_out(self, name: str, message: bytes) -> bytes:
        self.told.append(message)
        async with self.one_at_a_time:  # a death is of one process, and these are all one
            return await self.carried_out(name, message)

    async def carried_out(self, name: str, message: bytes) -> bytes:
        while True:
            self.tries[name] += 1
            if self.tries[name] > 3:
                raise ProcessDiedError(f"shard {name}: 3 processes died over it")
            try:
                await asyncio.to_thread(self.dies, name, self.tries[name], message)
            except Killed:
                await asyncio.to_thread(carrier.end)  # what it kept in memory is gone
                continue
            found = await asyncio.to_thread(carrier.carry_out_shard, message)
            self.results.append(pickle.loads(found))
            return found

    def stop(self, reason: Any, grace: float | None) -> None:
        self.stops.append(str(reason))
        carrier.stop(self.run_id, reason, grace)

    async def end(self) -> None:
        await asyncio.to_thread(carrier.end)


class Killed(BaseException):
    pass


def crew_alone(engine: object, run_id: str, shards: list, *rest: Any, crew: Any, **named: Any) -> None:
    """In the place of `flows.runs.prefect_flow.through_prefect`: the crew without Prefect's seconds; a run without shards has none."""
    if crew is not None:
        crew._cluster.run_id = run_id
    without_prefect(engine, run_id, shards, *rest, crew=crew, **named)


@pytest.fixture
def nearby(monkeypatch: pytest.MonkeyPatch, offline_engine: Engine) -> Iterator[Nearby]:
    cluster = Nearby()
    monkeypatch.setenv("PAGEMILL_API_KEY", "key")
    with (
        mock.patch("flows.runs.run.cluster_of", lambda *_: cluster),
        quick(crew_alone),
    ):
        yield cluster


@pytest.fixture
def place(tmp_path: Path, offline_engine: Engine) -> Iterator[Studio]:
    with studio(tmp_path, offline_engine) as opened:
        yield opened


def carried(place: Studio, budget: float | None = None, **asked: Any) -> Outcome:
    options = {name: asked.pop(name) for name in ("shard_size", "max_output", "concurrency") if name in asked}
    engine = place.engine(runner="dask", **options)
    done = run(engine, RunRequest([str(place.root / "in")], place.kind, place.out, budget, quiet=True, **asked))
    check_sum(done.summary)
    assert verify(place.out) == []
    return done


def times_asked(place: Studio) -> set[int]:
    return set(collections.Counter(map(name_of, place.model.bodies)).values())


@pytest.mark.whole_machine
def test_shares_of_a_budget_are_given_back_and_no_shard_waits_while_there_is_money(
    place: Studio, nearby: Nearby
) -> None:
    place.write(*(f"a{number}" for number in range(30)))
    nearby.size = 3
    cap = 0.02  # USD; a call costs 0.00101, and may cost twice as much
    done = carried(place, cap, max_output=2_000)
    next_call = float(re.findall(r"may cost \$([\d.]+)", str(done.stopped))[0])
    assert done.exit_code == 3
    assert cap - next_call < done.summary["cost_usd"] <= cap
    assert len(place.model.bodies) == done.summary["ok"] == 30 - done.summary["deferred"]
    shares = [pickle.loads(each).budget_nusd for each in nearby.told]
    assert shares[0] == round(cap * 1e9) // 3
    assert len(nearby.told) > 8  # what had too small a share came again
    again = carried(place, 1.0)
    assert (again.exit_code, again.summary["deferred"]) == (0, 0)
    assert times_asked(place) == {1}


def test_a_limit_holds_over_all_processes_and_is_used_up(place: Studio, nearby: Nearby) -> None:
    place.write(*(f"a{number}" for number in range(10)))
    assert carried(place, limit=4, shard_size=8).summary["ok"] == 4
    done = carried(place, limit=5, shard_size=8)  # four of the first eight are done
    assert (done.summary["ok"], done.summary["deferred"]) == (5, 1)
    assert times_asked(place) == {1}


def test_the_same_bytes_in_two_shards_are_one_shards_to_publish(place: Studio, nearby: Nearby) -> None:
    place.write(*(f"a{number}" for number in range(4)))
    for number in range(4):
        place.write_at(f"b{number}", f"a{number}")
    place.write_at("c0", "a0")
    done = carried(place)
    assert (done.summary["ok"], done.summary["already_done"]) == (4, 5)
    assert rows(place.out, "documents", "count(*), count(distinct document_id)") == [(4, 4)]
    assert rows(place.out, "sources", "count(distinct source_uri)") == [(9,)]
    assert times_asked(place) == {1}


def test_two_shards_at_the_same_time_claim_what_both_hold_for_one_of_them(
    tmp_path: Path, place: Studio, nearby: Nearby
) -> None:
    place.write("a0", "a1")
    carried(place)
    dataset, run_id, ids = read_dataset(place.out), "20260101T000000-aaaaaa", [f"{number:064d}" for number in range(3)]
    names = [f"{run_id}-{number:05d}" for number in range(3)]
    with dataset.lease(run_id), dataset.locked():
        assert claim(dataset, run_id, ids[:2], names[:1]) == set(ids[:2])
        assert claim(dataset, run_id, ids, names[1:2]) == {ids[2]}
        assert claim(dataset, run_id, ids[:2], names[:1]) == set(ids[:2])  # its process had died
        assert claim(dataset, run_id, ids[:1], [names[2], names[0]]) == set(ids[:1])  # what it had no money for
        assert claimed_beside(dataset, run_id, names[:2]) == set(ids[:1])


@pytest.mark.parametrize("moment", ["answered", "published", "moved"])
def test_a_process_that_dies_over_a_shard_costs_no_answer_and_no_row(
    place: Studio, nearby: Nearby, moment: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place.write(*(f"a{number}" for number in range(8)))
    place.write_at("b0", "a7")  # an address of the same bytes, in the shard that dies last

    def die(name: str, tried: int, message: bytes) -> None:
        if tried != 1:
            return
        at = {
            "answered": "flows.runs.shard.publish",  # everything is paid for, and nothing published
            "published": "flows.runs.dask.worker.ShardResult",  # the result is lost
            "moved": "flows.storage.staging.move",  # READY, and not yet moved
        }[moment]
        with mock.patch(at, side_effect=Killed), suppress(Killed):
            carrier.carry_out_shard(message)
        raise Killed

    nearby.dies = die
    done = carried(place)
    assert (done.exit_code, done.summary["ok"], done.summary["already_done"]) == (0, 8, 1)
    assert done.summary["requests"] == 8
    assert done.summary["cost_usd"] == pytest.approx(8 * 0.00101)
    assert times_asked(place) == {1}
    assert rows(place.out, "documents", "count(*), count(distinct document_id)") == [(8, 8)]
    assert rows(place.out, "calls", "count(*), count(distinct document_id)") == [(8, 8)]
    assert "its process had died, and another has taken it up" in capsys.readouterr().err


@pytest.mark.whole_machine
def test_on_an_object_store_a_shard_is_taken_up_again_too(
    tmp_path: Path, nearby: Nearby, offline_engine: Engine, s3_server: str
) -> None:
    source, out = invoices(tmp_path / "in", 4), bucket(s3_server)

    def die(name: str, tried: int, message: bytes) -> None:
        if tried == 1:
            with mock.patch("flows.runs.shard.publish", side_effect=Killed), suppress(Killed):
                carrier.carry_out_shard(message)
            raise Killed

    nearby.dies = die
    settings = offline_engine.settings.model_copy(update={"runner": "dask", "shard_size": 2})
    engine = dataclasses.replace(offline_engine, settings=settings)
    done = run(engine, RunRequest([str(source)], load_type("invoice"), out, quiet=True))
    assert (done.exit_code, done.summary["ok"], done.summary["requests"]) == (0, 4, 4)
    assert [each.was_tried for each in nearby.results] == [True, True]
    assert read_dataset(out).rows("calls", ["document_id"]).num_rows == 4
    assert verify(out) == []


def test_what_a_killed_process_has_published_stays_beside_what_another_adds(place: Studio, nearby: Nearby) -> None:
    place.write("a0", "a1", "a2", "a3")

    def die(name: str, tried: int, message: bytes) -> None:
        if tried < 3:  # a process has done one document more each time, when it dies
            carrier.carry_out_shard(pickle.dumps(dataclasses.replace(pickle.loads(message), limit=1)))
            raise Killed

    nearby.dies = die
    done = carried(place)
    assert (done.exit_code, done.summary["ok"], done.summary["requests"]) == (0, 4, 4)
    assert rows(place.out, "documents", "count(*), count(distinct document_id)") == [(4, 4)]
    assert rows(place.out, "calls", "count(*), count(distinct document_id)") == [(4, 4)]
    assert times_asked(place) == {1}


def test_a_shard_that_no_process_survives_fails_and_the_others_go_on(place: Studio, nearby: Nearby) -> None:
    place.write(*(f"a{number}" for number in range(8)))

    def die(name: str, tried: int, message: bytes) -> None:
        if name.endswith("-00000"):
            if tried == 1:
                with mock.patch("flows.runs.shard.publish", side_effect=Killed), suppress(Killed):
                    carrier.carry_out_shard(message)
            raise Killed

    nearby.dies = die
    done = carried(place)
    assert (done.exit_code, done.summary["ok"], done.summary["failed"]) == (1, 4, 4)
    assert set(rows(place.out, "failures", "error, retryable, attempts")) == {("ProcessDiedError", True, 1)}
    assert rows(place.out, "calls", "count(*)") == [(8,)]  # what was paid for is kept
    nearby.dies = lambda name, tried, message: None
    assert carried(place).summary["skipped"] == 4  # due again another night


def test_what_stops_one_shard_stops_the_run(place: Studio, nearby: Nearby, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write(*(f"a{number}" for number in range(30)))
    engine = place.engine(runner="dask")
    monkeypatch.delenv("PAGEMILL_API_KEY")
    openrouter = dataclasses.replace(
        engine, settings=engine.settings.model_copy(update={"base_url": "https://openrouter.ai/api/v1"})
    )
    done = run(openrouter, RunRequest([str(place.root / "in")], place.kind, place.out, 1.0, quiet=True))
    assert done.exit_code == 2
    assert "a process of the cluster has no key for openrouter.ai" in str(done.stopped)
    assert done.summary["deferred"] == 30
    assert len(nearby.told) <= 3
    assert nearby.stops == [str(done.stopped)]


def test_a_process_that_comes_to_another_recipe_is_refused(place: Studio, nearby: Nearby) -> None:
    place.write("a0")
    with mock.patch("flows.runs.dask.worker.type_told", lambda facts: load_type("invoice")):
        done = carried(place)
    assert done.exit_code == 2
    assert "another recipe" in str(done.stopped)
    assert place.model.bodies == []


def test_without_dask_it_is_said_how_to_get_it(place: Studio) -> None:
    place.write("a0")
    with (
        mock.patch("flows.runs.dask.coordinator.find_spec", lambda name: None),
        pytest.raises(ConfigurationError, match=r"pip install 'pagemill\[dask\]'"),
    ):
        run(place.engine(runner="dask"), RunRequest([str(place.root / "in")], place.kind, place.out, quiet=True))
    assert not place.out.exists()


def test_no_secret_is_in_a_message(place: Studio, nearby: Nearby, tmp_path: Path) -> None:
    place.write("a0")
    words = tmp_path / "words.txt"
    words.write_text("open-sesame\n")
    engine = place.engine(runner="dask", passwords_file=words)
    secret = {name: SecretStr(f"canary-{name}") for name in ("api_key", "openrouter_api_key", "webhook")}
    engine = dataclasses.replace(engine, settings=engine.settings.model_copy(update=secret), api_key="canary-api_key")
    done = run(engine, RunRequest([str(place.root / "in")], place.kind, place.out, quiet=True))
    assert done.exit_code == 0
    job = pickle.loads(nearby.told[0])
    assert isinstance(job, ShardJob)
    assert b"a0.txt" in nearby.told[0]
    for word in (b"canary", b"open-sesame", b"SecretStr"):
        assert word not in nearby.told[0]


def test_a_class_in_a_file_of_the_users_is_loaded_there(tmp_path: Path, nearby: Nearby, offline_engine: Engine) -> None:
    file = tmp_path / "bill.py"
    file.write_text(
        "from pydantic import BaseModel, Field\n\n\nclass Bill(BaseModel):\n"
        '    """A bill."""\n\n    number: str | None = Field(None, description="Invoice number")\n'
    )
    source = invoices(tmp_path / "in", 3)
    settings = offline_engine.settings.model_copy(update={"runner": "dask"})
    kind = load_type(f"{file}:Bill")
    done = run(
        dataclasses.replace(offline_engine, settings=settings),
        RunRequest([str(source)], kind, tmp_path / "out", quiet=True),
    )
    assert (done.exit_code, done.summary["ok"]) == (0, 3), done
    assert sorted(rows(tmp_path / "out", "bill", "number")) == [(f"INV-{number:04d}",) for number in range(3)]
    with pytest.raises(ConfigurationError, match="is a class that no name leads to"):
        run(
            dataclasses.replace(offline_engine, settings=settings),
            RunRequest([str(source)], dataclasses.replace(kind, origin=""), tmp_path / "out", quiet=True),
        )


def test_the_samples_come_out_as_on_one_machine(
    tmp_path: Path, nearby: Nearby, offline_engine: Engine, samples_out: dict[str, Path]
) -> None:
    settings = offline_engine.settings.model_copy(update={"runner": "dask", "shard_size": 2})
    engine = dataclasses.replace(offline_engine, settings=settings)
    done = run(engine, RunRequest([str(SAMPLES / "invoices")], load_type("invoice"), tmp_path / "out", quiet=True))
    assert done.exit_code == 0
    assert contents(tmp_path / "out") == contents(samples_out["invoices"])
