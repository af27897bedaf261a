"""Commands that replace and remove rows, killed anywhere: the next start ends what was begun and asks nothing again.

tests/flows/test_kill.py does the same to `run`, tests/flows/storage/ to each step of publishing.
"""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from flows import cli
from flows.runs.forget import forget
from flows.runs.request import RunRequest
from flows.runs.resources import Engine
from flows.runs.run import run
from flows.settings import load_settings
from flows.storage.backends.disk import DiskStore
from flows.storage.find import find_documents
from flows.storage.open import read_dataset
from flows.storage.verify import verify
from schemas.errors import DatasetError
from tests.conftest import ROOT
from tests.support.commands import Begun
from tests.support.killing import kill
from tests.support.outcomes import journaled, request_id, rows
from tests.support.painted import Studio, name_of, studio
from tests.support.waiting import wait_until

KILLS = int(os.environ.get("PAGEMILL_TEST_KILLS", "1"))  # of each command: seconds each
DOCUMENTS = [f"{letter}{number}" for letter in "abc" for number in range(4)]


@pytest.fixture
def place(tmp_path: Path, offline_engine: Engine) -> Iterator[Studio]:
    with studio(tmp_path, offline_engine) as opened:
        yield opened


def refreshing(place: Studio, number: int) -> tuple[tuple[object, ...], Callable[[], object]]:
    """A refresh of every document: the command, and what does the same here."""
    place.making += 1
    return ("refresh", place.out, "--all", *place.arguments), lambda: place.refresh(is_all=True)


def superseding(place: Studio, number: int) -> tuple[tuple[object, ...], Callable[[], object]]:
    """A run over new versions of some documents."""
    for name in DOCUMENTS[:5]:
        place.write_at(name, f"{name}v{number}")
    return ("run", place.root / "in", "--out", place.out, *place.arguments), place.run


def forgetting(place: Studio, number: int) -> tuple[tuple[object, ...], Callable[[], object]]:
    """A document of each shard is forgotten, which came with a run of this round."""
    names = [f"f{number}{place}" for place in range(6)]
    place.write(*names)
    place.run()
    files = [f"{name}.txt" for name in names[::3]]

    def again() -> None:
        left = [name for name in files if (name,) in rows(place.out, "documents", "file_name")]
        found = find_documents(read_dataset(place.out), left, None)
        forget(place.out, found, load_settings())

    return ("forget", place.out, *files), again


COMMANDS = [  # one of them in `make test`
    pytest.param(refreshing, marks=pytest.mark.whole_machine),
    superseding,
    pytest.param(forgetting, marks=pytest.mark.whole_machine),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda each: each.__name__)
def test_a_killed_command_is_ended_by_the_next_start_and_pays_nothing_again(
    place: Studio, command: Callable, begin: Callable[..., Begun]
) -> None:
    chance = random.Random(5)
    place.write(*DOCUMENTS)
    place.run()
    kept = journaled(place.out)
    kills = 0
    for number in range(1, KILLS + 1):
        arguments, again = command(place, number)
        place.model.delay = 0.03
        is_at_work = beginning(place)
        process = begin(*arguments, **place.environment)
        wait_until(lambda: process.poll() is not None or is_at_work(), every=0.01)
        time.sleep(chance.uniform(0.0, 0.1 if command is forgetting else 0.6))
        kills += kill(process)
        forgotten = read_dataset(place.out).forgotten_ids()
        now = journaled(place.out)
        assert {key for key in kept if key[0] not in forgotten} <= now
        place.model.delay = 0.0
        asked = len(place.model.bodies)
        again()
        assert not {request for _, request in now} & set(map(request_id, place.model.bodies[asked:]))
        kept = journaled(place.out)
        assert {key for key in now if key[0] not in read_dataset(place.out).forgotten_ids()} <= kept
        assert verify(place.out) == []
        assert rows(place.out, "documents", "count(*) - count(distinct document_id)") == [(0,)]
    assert kills >= 0.5 * KILLS
    assert cli.main(["status", str(place.out), "--check"]) == 0
    # what was asked is what is kept, but for what was in flight at a kill, and for what was forgotten
    paid = {request for _, request in kept}
    assert len(paid & set(map(request_id, place.model.bodies))) == len(paid)


def beginning(place: Studio) -> Callable[[], bool]:
    """True as soon as something is asked, or an id is remembered as forgotten."""
    asked, forgotten = len(place.model.asked), read_dataset(place.out).forgotten_ids()
    return lambda: len(place.model.asked) > asked or read_dataset(place.out).forgotten_ids() != forgotten


DIES_AT_READY = """
import os, signal, sys
from flows.storage.backends.disk import DiskStore
write = DiskStore.write
def killed(self, key, data):
    write(self, key, data)
    if key.endswith("/READY"):
        os.kill(os.getpid(), signal.SIGKILL)
DiskStore.write = killed
from flows.cli import main
sys.exit(main())
"""


@pytest.mark.whole_machine
@pytest.mark.through_prefect
def test_a_shard_killed_at_ready_is_published_again_for_nothing(place: Studio) -> None:
    place.write("a0")
    place.run()
    place.write("b0", "b1", "b2")
    arguments = ["run", place.root / "in", "--out", place.out, *place.arguments]
    done = subprocess.run(
        [sys.executable, "-c", DIES_AT_READY, *map(str, arguments)],
        cwd=ROOT, env={**os.environ, **place.environment_of_prefect}, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    assert rows(place.out, "documents", "count(*)") == [(1,)]
    asked = sorted(map(name_of, place.model.bodies))
    assert asked == ["a0", "b0", "b1", "b2"]
    summary = place.run()
    assert summary["requests"] == summary["cost_usd"] == 0
    assert sorted(map(name_of, place.model.bodies)) == asked
    assert rows(place.out, "documents", "count(*)") == [(4,)]
    assert rows(place.out, "calls", "count(*), sum(attempts)") == [(4, 4)]
    assert verify(place.out) == []


def test_a_shard_that_found_no_room_is_published_again_for_nothing(
    place: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write("a0")
    place.run()
    place.write("b0", "b1", "b2")
    write = DiskStore.write_parquet

    def full(self: DiskStore, key: str, schema: pa.Schema, batches: Any) -> dict[str, str]:
        if "paint_layers" in key:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(self, key, schema, batches)

    request = RunRequest([str(place.root / "in")], place.kind, place.out, quiet=True)
    with monkeypatch.context() as patched:
        patched.setattr(DiskStore, "write_parquet", full)
        done = run(place.engine(), request)
    assert isinstance(done.stopped, DatasetError)
    assert done.summary["deferred"] == 3
    assert rows(place.out, "documents", "count(*)") == [(1,)]
    asked = len(place.model.asked)
    summary = place.run()
    assert (summary["ok"] + summary["partial"], summary["requests"], summary["cost_usd"]) == (3, 0, 0)
    assert len(place.model.asked) == asked == 4
    assert rows(place.out, "calls", "count(*)") == [(4,)]
    assert verify(place.out) == []


def test_the_recipe_of_a_run_killed_before_its_end_is_told_by_the_next_start(
    place: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write("a0")
    request = RunRequest([str(place.root / "in")], place.kind, place.out, quiet=True)
    with monkeypatch.context() as patched:
        patched.setattr("flows.runs.run.settle_accounts", killed)
        with pytest.raises(KeyboardInterrupt):
            run(place.engine(), request)
    place.making += 1  # so that no later run would tell it
    place.run()
    assert rows(place.out, "recipes", "count(*)") == [(1,)]
    assert verify(place.out) == []


def killed(*_: object) -> None:
    raise KeyboardInterrupt
