"""Who reads a dataset while others write to it: pandas, pyarrow, DuckDB and Polars, each in a process of its own.

The rows tell of themselves what they must be (tests/support/painted.py); what counts as wrong is in tests/support/judge.py.
"""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flows.runs.forget import forget
from flows.runs.resources import Engine
from flows.settings import load_settings
from flows.storage.backends.disk import DiskStore
from flows.storage.find import find_documents
from flows.storage.open import read_dataset
from flows.storage.verify import verify
from tests.conftest import ROOT
from tests.support.killing import kill
from tests.support.outcomes import rows
from tests.support.painted import Studio, studio
from tests.support.reader import LIBRARIES
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.whole_machine, pytest.mark.through_prefect]

ROUNDS = int(os.environ.get("PAGEMILL_TEST_KILLS", "2"))  # runs that are killed, and rounds of removals: seconds each


@pytest.fixture
def place(tmp_path: Path, offline_engine: Engine) -> Iterator[Studio]:
    with studio(tmp_path, offline_engine) as opened:
        yield opened


SLOW_DISK = """
import sys, time
from flows.storage.backends.disk import DiskStore
move = DiskStore.move
def slowly(self, *arguments):
    time.sleep(0.02)
    move(self, *arguments)
DiskStore.move = slowly
"""  # so that who reads looks between two moves now and then, which are a millisecond apart else


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same in this process."""
    move = DiskStore.move

    def slowly(self: DiskStore, *arguments: Any) -> None:
        time.sleep(0.02)
        move(self, *arguments)

    monkeypatch.setattr(DiskStore, "move", slowly)


def start_slowly(place: Studio, *arguments: object) -> subprocess.Popen[bytes]:
    """A command as a process on a slow disk."""
    code = f"{SLOW_DISK}\nfrom flows.cli import main\nsys.exit(main())"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT, env={**os.environ, **place.environment_of_prefect}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


@contextmanager
def readers(out: Path, *options: str) -> Iterator[dict[str, dict[str, Any]]]:
    """Four processes that read until the block ends; then what each has seen is in the dict."""
    children = {
        library: subprocess.Popen(
            [sys.executable, "-m", "tests.support.reader", library, str(out), *options],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for library in LIBRARIES
    }  # fmt: skip
    seen: dict[str, dict[str, Any]] = {}
    try:
        for child in children.values():
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        yield seen
        for library, child in children.items():
            said, _ = child.communicate(timeout=60)
            seen[library] = json.loads(said)
        sys.stdout.write(f"{json.dumps(seen)}\n")  # the figures, for `pytest -rP`
    finally:
        for child in children.values():
            child.kill()
            child.communicate()


@pytest.mark.usefixtures("slow_disk")
def test_readers_see_whole_documents_whenever_a_run_is_killed(place: Studio) -> None:
    chance = random.Random(3)
    place.write("a0", "b0", "c0")
    place.run()
    place.model.delay = 0.03
    kills = 0
    with readers(place.out) as seen:
        for number in range(1, ROUNDS + 1):
            place.write(*(f"{letter}{number}" for letter in "abcdefghijkl"))
            asked = len(place.model.asked)
            process = start_slowly(place, "run", place.root / "in", *place.arguments, "--out", place.out)
            wait_until(lambda: process.poll() is not None or len(place.model.asked) > asked)
            time.sleep(chance.uniform(0.0, 0.8))
            kills += kill(process)
        place.run()
        time.sleep(0.3)
    for library, found in seen.items():
        assert found["wrong"] == [], library
        assert found["errors"] == {}, library
        assert found["looks"] > 5, library
    assert kills > 0
    assert rows(place.out, "documents", "count(*), count(distinct document_id)") == [(3 + 12 * ROUNDS,) * 2]
    assert verify(place.out) == []


@pytest.mark.usefixtures("slow_disk")
def test_readers_see_no_wrong_row_while_rows_are_replaced_and_removed(place: Studio) -> None:
    names = [f"{letter}{number}" for letter in "abcd" for number in range(4)]
    place.write(*names)
    place.run()
    with readers(place.out, "removes") as seen:
        for number in range(1, 2 * ROUNDS + 1):
            place.making += 1
            place.refresh(is_all=True)
            place.write_at("a0", f"a0v{number}")  # a new version, which supersedes the one before
            place.write_at(f"d{number % 4}", f"d{number % 4}v{number}")
            place.run()
            dataset = read_dataset(place.out)
            if number <= 7:
                forget(
                    place.out,
                    find_documents(dataset, [f"{'bc'[number % 2]}{number // 2 % 4}.txt"], None),
                    load_settings(),
                )
            time.sleep(0.1)
    for library, found in seen.items():
        assert found["wrong"] == [], library
        # An error is gone at the first retry, unless in this one, too, a file is replaced, which only Polars minds often.
        assert found["unprovoked"] == 0, library
        assert found["met"] == 0 or library == "polars", library
        assert found["looks"] > 5, library
    assert seen["pandas"]["errors"] == seen["pyarrow"]["errors"] == {}
    assert verify(place.out) == []
