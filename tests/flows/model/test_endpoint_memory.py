"""What was learned of an endpoint is kept for a day, and forgotten where it cannot be read."""

import json
import time
from pathlib import Path

import pytest

from flows.model.budget import Spending
from flows.model.endpoint import Endpoint
from flows.model.endpoint_memory import KEPT_SECONDS, EndpointMemory
from flows.settings import load_settings


def memory(folder: Path, endpoint: str = "host model") -> EndpointMemory:
    return EndpointMemory(folder / "endpoints.json", folder / "lock", endpoint)


def test_facts_are_kept_by_endpoint_and_added_to(tmp_path: Path) -> None:
    memory(tmp_path).keep(dialect="json_object")
    memory(tmp_path, "other").keep(dialect="prompt")
    memory(tmp_path).keep(windows={"m": 4_096})
    assert memory(tmp_path).recall()["dialect"] == "json_object"
    assert memory(tmp_path).recall()["windows"] == {"m": 4_096}
    assert memory(tmp_path, "other").recall()["dialect"] == "prompt"
    assert memory(tmp_path, "third").recall() == {}


def test_a_run_begins_with_the_dialect_that_was_learned(tmp_path: Path) -> None:
    memory(tmp_path).keep(dialect="json_object")
    endpoint = Endpoint(load_settings(), "http://127.0.0.1:9", None, Spending(), memory(tmp_path))
    assert endpoint._step == 1


@pytest.mark.parametrize("content", ["", "{", "[]", '{"host model": 7}', '{"host model": {"at": "x"}}'])
def test_a_damaged_file_is_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "endpoints.json").write_text(content)
    assert memory(tmp_path).recall() == {}
    memory(tmp_path).keep(dialect="prompt")
    assert memory(tmp_path).recall()["dialect"] == "prompt"


def test_a_day_later_it_is_tried_anew(tmp_path: Path) -> None:
    memory(tmp_path).keep(dialect="prompt")
    path = tmp_path / "endpoints.json"
    held = json.loads(path.read_text())
    for at in (time.time() - KEPT_SECONDS - 1, time.time() + 100):
        held["host model"]["at"] = at
        path.write_text(json.dumps(held))
        assert memory(tmp_path).recall() == {}
