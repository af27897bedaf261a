"""The endpoint's own list of models: its window counts where it is smaller than the table's."""

import asyncio
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from flows.model.endpoint_memory import EndpointMemory
from flows.model.model_list import list_models, served_windows
from flows.settings import load_settings
from tests.support.answering import Reply, answering, said

OURS = "mistralai/mistral-small-3.1-24b-instruct"


def listing(body: Any, status: int = 200) -> AbstractContextManager[str]:
    return answering(tell=lambda path: Reply(body, status) if isinstance(body, bytes) else said(body, status))


def windows(body: Any, folder: Path, model: str = OURS, status: int = 200) -> dict[str, int]:
    memory = EndpointMemory(folder / "endpoints.json", folder / "lock", "host")
    with listing(body, status) as url:
        return asyncio.run(served_windows(load_settings(model=model), url, None, memory))


@pytest.mark.parametrize(
    ("entry", "window"),
    [
        ({"context_length": 131_072, "top_provider": {"context_length": 96_000}}, 96_000),  # OpenRouter
        ({"max_model_len": 32_768}, 32_768),  # vLLM
        ({"meta": {"n_ctx": 4_096, "n_ctx_train": 131_072}}, 4_096),  # llama.cpp
        ({"context_length": 1_000_000}, 128_000),  # the table's is smaller
    ],
)
def test_the_smaller_of_table_and_endpoint_is_used(tmp_path: Path, entry: dict[str, Any], window: int) -> None:
    assert windows({"data": [{"id": OURS, **entry}]}, tmp_path) == {OURS: window}


def test_a_model_that_the_table_has_not_gets_the_endpoints_window(tmp_path: Path) -> None:
    assert windows({"data": [{"id": "new", "max_model_len": 262_144}]}, tmp_path, "new") == {"new": 262_144}


@pytest.mark.parametrize(
    "body", [None, [], {"data": 7}, {"data": [7, {}]}, {"data": [{"id": OURS, "context_length": "many"}]}]
)
def test_a_list_that_says_nothing_changes_nothing(tmp_path: Path, body: Any) -> None:
    assert windows(body, tmp_path) == {}


def test_what_the_endpoint_said_is_remembered_for_when_it_cannot_be_asked(tmp_path: Path) -> None:
    assert windows({"data": [{"id": OURS, "max_model_len": 8_192}]}, tmp_path) == {OURS: 8_192}
    assert windows({"error": "down"}, tmp_path, status=503) == {OURS: 8_192}


def test_prices_and_pictures_are_read_where_they_are_said() -> None:
    entry = {
        "id": OURS,
        "pricing": {"prompt": "0.00000035", "completion": "0.00000055"},
        "architecture": {"input_modalities": ["text", "image"]},
        "supported_parameters": ["structured_outputs"],
    }
    with listing({"data": [entry]}) as url:
        found = asyncio.run(list_models(url, None))[OURS]
    assert (found.price_in, found.price_out, found.takes_images) == (0.35, 0.55, True)


def test_the_list_is_read_from_nowhere_else_and_however_odd_it_is(tmp_path: Path) -> None:
    asked: list[str] = []

    def elsewhere(path: str) -> Reply:
        asked.append(path)
        return Reply(b"", 307, {"Location": "/elsewhere"})

    memory = EndpointMemory(tmp_path / "endpoints.json", tmp_path / "lock", "host")
    with answering(tell=elsewhere) as url:
        assert asyncio.run(served_windows(load_settings(), url, None, memory)) == {}
    assert asked == ["/v1/models"]


def test_a_list_nested_without_end_is_none(tmp_path: Path) -> None:
    assert windows(b"[" * 100_000, tmp_path) == {}
