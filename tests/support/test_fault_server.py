"""The fault server does what it says: a test that fails on a fault that never came would prove nothing."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from extractors.prompt.prompt import wire_schema
from schemas.document_types import DOCUMENT_TYPES
from tests.support.fault_server import KINDS, MODEL, FaultServer, capacity_option, slots_at, started

CLIENT = httpx.Client(timeout=5, trust_env=False, verify=False)
PAGE = """<page number="1">
Invoice number: INV-0001
Invoice date: 2026-03-05

| Description | Quantity | Unit price | Amount |
| --- | --- | --- | --- |
| Bolts | 2 | 10.00 | 20.00 |
| Nuts | 3 | 5.00 | 15.00 |

Total: 35.00 EUR
</page>
"""


def body(schema: dict[str, Any] | None = None, page: str = PAGE, **more: Any) -> dict[str, Any]:
    schema = schema or wire_schema(DOCUMENT_TYPES["invoice"].root)
    return {
        "model": MODEL,
        "messages": [{"role": "system", "content": "Copy out."}, {"role": "user", "content": page}],
        "max_tokens": 2000,
        "response_format": {"type": "json_schema", "json_schema": {"name": "invoice", "schema": schema}},
        **more,
    }


def ask(server: FaultServer, content: dict[str, Any] | None = None, **options: Any) -> httpx.Response:
    return CLIENT.post(f"{server.url}/chat/completions", json=content or body(), **options)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


def wait_for(server: FaultServer, event: str, count: int) -> None:
    """Until the server has noted as many; a busy machine takes its time."""
    ends = time.monotonic() + 10
    while len(server.entries(event)) < count and time.monotonic() < ends:
        time.sleep(0.01)


@dataclass(frozen=True)
class Seen:
    """What came of the first call that failed in one way: the response or the client's error, and the log of it."""

    came: httpx.Response | httpx.HTTPError
    seconds: float
    log: list[dict[str, Any]]

    @property
    def response(self) -> httpx.Response:
        assert isinstance(self.came, httpx.Response), self.came
        return self.came

    @property
    def choice(self) -> dict[str, Any]:
        assert self.response.status_code == 200
        return self.response.json()["choices"][0]

    @property
    def text(self) -> str:
        return self.choice["message"]["content"]

    @property
    def events(self) -> list[str]:
        return [entry["event"] for entry in self.log]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    """A server that fails every call was asked until it had failed in every way."""
    found: dict[str, Seen] = {}
    log = tmp_path_factory.mktemp("faults") / "log.jsonl"
    with started(log, "--faults", 1, "--hang", 0.2, "--price-in", 1, "--price-out", 2) as server:
        for _ in range(300):
            before, began = len(server.entries()), time.monotonic()
            try:
                came: httpx.Response | httpx.HTTPError = ask(server)
            except httpx.HTTPError as error:
                came = error
            entries = server.entries()[before:]
            kind = next(entry["kind"] for entry in entries if entry["event"] == "fault")
            found.setdefault(kind, Seen(came, time.monotonic() - began, entries))
            if found.keys() == set(KINDS):
                break
    assert found.keys() == set(KINDS)
    return found


def test_refusals_have_their_status_and_headers_and_cost_nothing(seen: dict[str, Seen]) -> None:
    assert {kind: seen[kind].response.status_code for kind in ("429", "429-after", "429-reset", "500", "503")} == {
        "429": 429,
        "429-after": 429,
        "429-reset": 429,
        "500": 500,
        "503": 503,
    }
    assert "retry-after" not in seen["429"].response.headers
    assert seen["429-after"].response.headers["retry-after"] == "0.3"
    assert seen["429-reset"].response.headers["x-ratelimit-reset-requests"] == "300ms"
    assert seen["context"].response.status_code == 400
    assert seen["context"].response.json()["error"]["code"] == "context_length_exceeded"
    assert seen["body-error"].response.status_code == 200
    assert set(seen["body-error"].response.json()) == {"error"}
    for kind in ("429", "429-after", "429-reset", "500", "503", "context", "body-error"):
        assert seen[kind].events == ["asked", "fault"], kind


def test_severed_answers_are_billed_and_never_arrive(seen: dict[str, Seen]) -> None:
    assert isinstance(seen["hang"].came, httpx.RemoteProtocolError)
    assert isinstance(seen["reset"].came, httpx.ReadError)
    assert isinstance(seen["drip"].came, httpx.RemoteProtocolError)
    assert "complete message body" in str(seen["drip"].came)
    assert min(seen["hang"].seconds, seen["drip"].seconds) > 0.2
    for kind in ("hang", "reset", "drip"):
        assert seen[kind].events == ["asked", "billed", "fault"]
        assert seen[kind].log[1]["cost"] > 0


def test_answers_that_are_no_json_as_they_stand(seen: dict[str, Seen]) -> None:
    for kind in ("truncated", "fenced", "length", "degenerate", "empty"):
        with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
            json.loads(seen[kind].text)
    assert seen["truncated"].choice["finish_reason"] == "stop"
    assert json.loads(seen["fenced"].text.split("```json\n")[1].removesuffix("\n```"))["number"] == "INV-0001"
    for kind in ("length", "degenerate"):
        assert seen[kind].choice["finish_reason"] == "length"
        assert seen[kind].response.json()["usage"]["completion_tokens"] == 2000
        assert seen[kind].log[1]["completion_tokens"] == 2000
        assert seen[kind].text.startswith('{"number": "INV-0001",')
    assert 3900 < len(seen["degenerate"].text) <= 4000
    assert len(set(seen["degenerate"].text[-400:])) < 12
    assert (seen["empty"].text, seen["empty"].choice["finish_reason"]) == ("", "stop")
    assert seen["truncated"].events == ["asked", "billed", "fault", "answered"]


def test_wrong_types_stand_in_one_leaf_and_in_one_item(seen: dict[str, Seen]) -> None:
    value = json.loads(seen["types"].text)
    items = value.pop("line_items")
    assert len(items) == 2
    assert [*value.values()].count("many") + [*value.values()].count("soon") == 1
    assert [leaf for item in items for leaf in item.values()].count("many") == 1


def test_refused_filtered_and_broken_answers_say_so(seen: dict[str, Seen]) -> None:
    assert seen["error-finish"].choice["finish_reason"] == "error"
    assert (seen["filter"].text, seen["filter"].choice["finish_reason"]) == ("", "content_filter")
    assert seen["refusal"].choice["message"]["content"] is None
    assert "sorry" in seen["refusal"].choice["message"]["refusal"]


def test_right_answers_in_odd_forms(seen: dict[str, Seen]) -> None:
    assert json.loads("".join(part["text"] for part in seen["parts"].text))["number"] == "INV-0001"  # type: ignore[attr-defined]
    assert json.loads(seen["usage"].text)["number"] == "INV-0001"
    reported = seen["usage"].response.json().get("usage", {"prompt_tokens": None})
    assert reported["prompt_tokens"] in {None, -5, 10**30}
    assert 0 < seen["usage"].log[1]["prompt_tokens"] < 1000


def test_the_bill_is_the_sum_of_its_log_and_one_seed_fails_the_same_calls(log: Path) -> None:
    options = ("--faults", 0.4, "--seed", 7, "--kinds", "500,truncated,reset", "--price-in", 1e6, "--price-out", 0)
    kinds = []
    for attempt in range(2):
        path = log.with_suffix(f".{attempt}")
        with started(path, *options, "--log-bodies") as server:
            for _ in range(12):
                try:
                    ask(server)
                except httpx.ReadError:
                    continue
            bill = server.bill()
        entries = server.entries("billed")
        kinds.append([(entry["event"], entry["kind"]) for entry in server.entries("fault", "answered")])
        assert server.entries("asked")[0]["body"] == body()
        assert bill["calls"] == len(entries) == 12 - bill["by_kind"]["500"]["calls"]
        assert bill["cost"] == pytest.approx(sum(entry["prompt_tokens"] for entry in entries))
        assert bill["by_kind"]["500"]["cost"] == 0
    assert kinds[0] == kinds[1]
    assert {kind for _, kind in kinds[0]} == {None, "500", "truncated", "reset"}


def test_a_client_that_goes_away_pays_all_the_same(log: Path) -> None:
    with started(log, "--latency", 0.3, "--price-in", 1) as server:
        with pytest.raises(httpx.ReadTimeout):
            ask(server, timeout=0.1)
        wait_for(server, "fault", 1)
        assert [entry["event"] for entry in server.entries()] == ["asked", "billed", "fault"]
        assert server.bill()["cost"] > 0


def test_slots_capacity_keys_and_outages(log: Path) -> None:
    steps = capacity_option("0:64,20:8,100:64")
    assert [slots_at(steps, 1, age) for age in (0, 19, 20, 99, 100)] == [64, 64, 8, 8, 64]
    with (
        started(log, "--slots", 2, "--latency", 0.5, "--answer", "fixed") as server,
        ThreadPoolExecutor(2) as pool,
    ):
        calls = [pool.submit(ask, server) for _ in range(2)]
        wait_for(server, "asked", 2)
        assert ask(server).status_code == 429
        assert [call.result().status_code for call in calls] == [200, 200]
        content = ask(server).json()["choices"][0]["message"]["content"]
    assert json.loads(content).keys() == DOCUMENT_TYPES["invoice"].schema["properties"].keys()
    assert {json.dumps(each) for name, each in json.loads(content).items() if name not in {"seller", "buyer"}} == {
        "null",
        "[]",
    }
    with started(log, "--only-429-for", 0.3, "--key", "right", "--models", "another") as server:
        assert ask(server).status_code == 401
        right = {"Authorization": "Bearer right"}
        assert ask(server, headers=right).status_code == 429
        listed = CLIENT.get(f"{server.url}/models", headers=right).json()["data"]
        assert [(each["id"], each.get("context_length")) for each in listed] == [(MODEL, 128_000), ("another", None)]
        time.sleep(0.3)
        assert ask(server, headers=right).status_code == 200
    with started(log, "--only", 502) as server:
        assert ask(server).status_code == 502


def test_items_are_numbered_where_they_must_say_which_they_are(log: Path) -> None:
    whole = wire_schema(DOCUMENT_TYPES["invoice"].root)
    items = whole["properties"]["line_items"]
    items["items"]["properties"] = {"item": {"type": "integer"}, **items["items"]["properties"]}
    schema = {**whole, "properties": {"line_items": items}}
    with started(log) as server:
        answered = ask(server, body(schema)).json()
        assert answered["model"] == MODEL
        rows = json.loads(answered["choices"][0]["message"]["content"])["line_items"]
        assert [(row["item"], row["description"]) for row in rows] == [(0, "Bolts"), (1, "Nuts")]
