"""Lock and lease on an object store: two that race, one that died, one that cannot renew, one that was robbed."""

import asyncio
import multiprocessing
import os
import re
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flows.storage.backends.heartbeat import Timing
from flows.storage.backends.object_store import ObjectStore
from flows.storage.backends.s3 import ChangedError, ObjectClient, S3Client
from flows.storage.publish import publish
from flows.storage.recover import recover
from schemas.errors import ConfigurationError, DatasetError, RunStoppedError
from tests.conftest import ROOT
from tests.flows.storage.places import HELD, Place, bucket
from tests.support.folder_client import FolderClient
from tests.support.shards import SPEC, document, journal

QUICK = Timing(dead_after=1.0, give_up_after=0.5, renew_every=0.1, poll=0.02, group=0.0)
RUN = "20260101T000000-aaaaaa"
SHARD = f"{RUN}-00000"


@pytest.fixture(params=["folder", "s3"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectClient:
    if request.param == "folder":
        return FolderClient(tmp_path / "objects")
    return S3Client(bucket(request.getfixturevalue("s3_server")))


@pytest.mark.s3_contract
def test_both_clients_keep_the_same_conditions(client: ObjectClient, tmp_path: Path) -> None:
    first = client.put("a/b", b"1", if_absent=True)
    for condition in ({"if_absent": True}, {"if_match": '"other"'}):
        with pytest.raises(ChangedError):
            client.put("a/b", b"2", **condition)
    second = client.put("a/b", b"2", if_match=first)
    assert second != first
    with pytest.raises(OSError):
        client.put("a/none", b"2", if_match=second)
    assert (client.get("a/b"), client.etag("a/b")) == (b"2", second)
    (tmp_path / "file").write_bytes(b"x" * 10)
    client.put_file("a/c/d", tmp_path / "file")
    assert {each.name: (each.etag, each.size) for each in client.listed("a")} == {"b": (second, 1), "c": ("", 0)}
    assert [each.name for each in client.listed("")] == ["a"]
    assert sorted(client.below("a")) == sorted(client.below("")) == ["a/b", "a/c/d"]
    client.copy("a/b", "t/b", second)
    assert client.etag("t/b") == second
    with client.open("a/c/d") as file:
        file.seek(8)
        assert file.read() == b"xx"
    for missing in (client.get, client.etag, lambda key: client.copy(key, "t/c", second)):
        with pytest.raises(FileNotFoundError):
            missing("a/none")
    client.delete(["a/b", "a/none", "a/c/d"])
    assert client.below("a") == []
    assert client.listed("a") == []


def add_up(url: str, times: int) -> None:
    """Add one to a number, again and again, under the lock."""
    client = S3Client(url)
    store = ObjectStore(client, url, HELD)
    client.put(f"ready/{os.getpid()}", b"")
    while len(client.listed("ready")) < 2:
        time.sleep(0.01)
    for _ in range(times):
        with store.locked():
            number = int(store.read("number"))
            time.sleep(0.002)
            store.write("number", b"%d" % (number + 1))


def test_processes_that_race_for_the_lock_take_turns(s3_server: str) -> None:
    url = bucket(s3_server)
    S3Client(url).put("number", b"0")
    processes = [multiprocessing.get_context("spawn").Process(target=add_up, args=(url, 8)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert S3Client(url).get("number") == b"16"


def test_a_lock_whose_holder_was_killed_is_taken_once_it_is_dead(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from flows.storage.backends.object_store import ObjectStore
from tests.support.folder_client import FolderClient
with ObjectStore(FolderClient(Path({str(tmp_path / "objects")!r})), "x").locked():
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == -9
    store = ObjectStore(FolderClient(tmp_path / "objects"), "x", QUICK)
    began = time.monotonic()
    with store.locked():
        assert QUICK.dead_after <= time.monotonic() - began
    patient = replace(HELD, dead_after=3600.0)
    with ObjectStore(FolderClient(tmp_path / "objects"), "x", patient).locked():  # given back it is free at once
        assert not store.exists("x")


def test_whoever_waits_for_the_dead_is_told_for_whom_and_how_long(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = f"""
import os, signal
from pathlib import Path
from flows.storage.backends.object_store import ObjectStore
from tests.support.folder_client import FolderClient
store = ObjectStore(FolderClient(Path({str(tmp_path / "objects")!r})), "s3://b/out")
store.lease({RUN!r})
with store.locked():
    os.kill(os.getpid(), signal.SIGKILL)
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    assert process.wait(timeout=60) == -9
    timing = replace(QUICK, dead_after=3.0, say_after=0.5)
    with ObjectStore(FolderClient(tmp_path / "objects"), "s3://b/out", timing).locked():
        told = capsys.readouterr().err
    assert f"s3://b/out: waiting for process {process.pid} on " in told
    assert re.search(r"which holds the lock; if that was killed, this continues in [123] s at most\n$", told)
    ObjectStore(FolderClient(tmp_path / "objects"), "s3://b/out", timing).await_leases()
    told = capsys.readouterr().err
    assert (
        told
        == f"s3://b/out: waiting for a sign of life of run {RUN}; if that was killed, this continues in 3 s at most\n"
    )
    with ObjectStore(FolderClient(tmp_path / "objects"), "s3://b/out", timing).locked():  # at once: nothing to say
        assert capsys.readouterr().err == ""


def test_a_holder_that_renews_keeps_the_lock_for_as_long_as_it_likes(tmp_path: Path) -> None:
    timing = replace(QUICK, give_up_after=30.0, dead_after=3.0)
    first, second = (ObjectStore(FolderClient(tmp_path / "objects"), "x", timing) for _ in range(2))
    order: list[str] = []

    def wait() -> None:
        with second.locked():
            order.append("second")

    with first.locked():
        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(1.5 * timing.dead_after)
        order.append("first")
        first.confirm()
    waiting.join(timeout=30)
    assert order == ["first", "second"]


class Cut(FolderClient):
    """A connection that can be cut."""

    is_cut = False

    def put(self, *arguments: Any, **options: Any) -> str:
        if self.is_cut:
            raise OSError("no route to the store")
        return super().put(*arguments, **options)


def test_a_holder_that_cannot_renew_stops_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.storage.backends.object_store._PAUSES", ())
    client = Cut(tmp_path / "objects")
    place = Place("folder", tmp_path / "objects")
    place.open(SPEC)
    store = ObjectStore(client, "s3://x", QUICK)
    with store.locked():
        client.is_cut = True
        time.sleep(2 * QUICK.give_up_after)
        client.is_cut = False  # the network is back, and still nothing is written before the lock is ours again
        store._lock.heartbeat._ended.set()
        for call in (
            lambda: store.unlink("x"),
            lambda: store.move("a", "b", {"etag": ""}),
            lambda: store.write("x", b""),
        ):
            with pytest.raises(DatasetError, match="could not be renewed"):
                call()
    assert not store.exists("x")


@pytest.mark.s3_contract
def test_a_robbed_holder_publishes_nothing(place: Place) -> None:
    dataset = place.open(SPEC, HELD)
    if place.kind == "disk":
        return  # the kernel gives the lock to nobody else
    real = dataset.store.write_parquet

    def robbed(*arguments: Any) -> dict[str, str]:
        dataset.store._client.put("_work/lock", b'{"held_by": "another"}')
        return real(*arguments)

    dataset.store.write_parquet = robbed
    with pytest.raises(DatasetError, match="another process may work here"):
        publish(dataset, SHARD, document(1, SHARD))
    assert dataset.store._client.get("_work/lock") == b'{"held_by": "another"}'
    found = place.read()
    assert found.published_ids() == set()
    with found.locked():
        recover(found)
    assert found.store.names("_work/staged") == []
    publish(found, SHARD, document(1, SHARD))
    assert len(found.published_ids()) == 1


def test_a_run_whose_lease_was_lost_keeps_and_publishes_no_more(tmp_path: Path) -> None:
    place = Place("folder", tmp_path / "objects")
    dataset = place.open(SPEC, HELD)
    with dataset.lease(RUN):
        journal(dataset, SHARD, 1)
        recoverer = place.read()  # another machine, for which this run has been silent for too long
        with recoverer.locked():
            recover(recoverer)
        assert recoverer.rows("calls", ["request_id"]).num_rows == 1
        with pytest.raises(DatasetError, match="could not be renewed"):
            publish(dataset, SHARD, document(1, SHARD))
        with pytest.raises(RunStoppedError, match="could not be kept"):
            journal(dataset, SHARD, 1)
    found = place.read()
    with found.locked():
        recover(found)
    assert found.published_ids() == set()
    assert found.rows("calls", ["request_id"]).num_rows == 1


def test_answers_that_came_after_a_segment_was_recovered_join_those_published(tmp_path: Path) -> None:
    place = Place("folder", tmp_path / "objects")
    dataset = place.open(SPEC)
    for number in (1, 2):
        journal(dataset, SHARD, number)
        journal(dataset, SHARD, 1)
        with dataset.locked():
            recover(dataset)
    assert sorted(dataset.rows("calls", ["request_id"]).column(0).to_pylist()) == ["request-1", "request-2"]


def test_a_lease_is_certain_after_its_first_beat_or_its_silence(tmp_path: Path) -> None:
    timing = replace(QUICK, dead_after=3.0)  # of which a slow machine may sleep some
    live, dead, watcher = (ObjectStore(FolderClient(tmp_path / "objects"), "x", timing) for _ in range(3))
    dead.lease("20260101T000000-dead00")
    for heartbeat in dead._leases.values():
        heartbeat._ended.set()  # as a process does that is killed: it just stops
    with live.lease("20260101T000000-live00"):
        watcher.await_leases()
        assert watcher.live_runs() == {"20260101T000000-live00"}


def test_the_journal_gathers_answers_for_one_object(tmp_path: Path) -> None:
    store = ObjectStore(FolderClient(tmp_path / "objects"), "x", replace(QUICK, group=0.05))

    async def keep() -> None:
        segment = store.segment(SHARD)
        rows = [{"document_id": "d", "request_id": f"r{number}"} for number in range(20)]
        await asyncio.gather(*map(segment.append, rows[:10]))
        await asyncio.gather(*map(segment.append, rows[10:]))
        segment.close()

    asyncio.run(keep())
    assert len(store._client.below(f"_work/journal/{SHARD}")) == 2
    assert [row["request_id"] for row in store.read_segment(SHARD)] == [f"r{number}" for number in range(20)]


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ConfigurationError, match=r"pagemill\[s3\]"):
        S3Client("s3://bucket/x")
