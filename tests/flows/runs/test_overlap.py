"""Two runs at the same time over sources that overlap: each document is one run's, and asked for once."""

import collections
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.runs.resources import Engine
from flows.storage.verify import verify
from tests.support.commands import Begun
from tests.support.outcomes import rows
from tests.support.painted import Studio, name_of, studio

TIMES = int(os.environ.get("PAGEMILL_TEST_KILLS", "1"))  # seconds each
PARTS = ("already_done", "skipped", "ok", "partial", "failed", "deferred")


@pytest.fixture
def place(tmp_path: Path, offline_engine: Engine) -> Iterator[Studio]:
    with studio(tmp_path, offline_engine) as opened:
        yield opened


def both(begin: Callable[..., Begun], place: Studio, *folders: tuple[str, ...]) -> list[dict[str, Any]]:
    """Commands over these folders, started at the same time; what each says of itself."""
    arguments = ("--out", place.out, *place.arguments, "--json")
    running = [begin("run", *(place.root / each for each in some), *arguments, **place.environment) for some in folders]
    said = []
    for process in running:
        out, err = process.communicate(timeout=240)
        assert process.returncode == 0, err
        said.append(json.loads(out))
    return said


@pytest.mark.parametrize("number", range(TIMES))
def test_two_runs_ask_for_no_document_both_and_publish_each_once(
    place: Studio, begin: Callable[..., Begun], number: int
) -> None:
    place.model.delay = 0.05
    names = {folder: [f"{folder}{place}" for place in range(12)] for folder in ("left", "middle", "right")}
    for folder, some in names.items():
        place.write(*some, folder=folder)
    for name in names["left"][:3]:  # the same bytes at an address of the other
        place.write_at(f"copy_of_{name}", name, folder="right")
    # two that meet in the middle, one from the left and one from the right
    said = both(begin, place, ("left", "middle"), ("right", "middle"))
    asked = collections.Counter(map(name_of, place.model.bodies))
    assert asked == dict.fromkeys((name for some in names.values() for name in some), 1)
    assert rows(place.out, "documents", "count(*), count(distinct document_id)") == [(36, 36)]
    assert sum(each["ok"] + each["partial"] for each in said) == 36
    for each in said:
        assert each["discovered"] == sum(each[part] for part in PARTS)
        assert each["failed"] == 0
    assert said[0]["requests"] + said[1]["requests"] == 36
    assert len({run_id for (run_id,) in rows(place.out, "documents", "run_id")}) == 2  # both have had a part
    assert verify(place.out) == []
    later = place.run("left", "middle", "right")
    assert (later["already_done"], later["requests"]) == (39, 0)
    assert verify(place.out) == []
