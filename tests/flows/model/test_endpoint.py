"""One request and its endpoint, over a socket: bounded in time and size, told apart from the endpoint, and without the key."""

import asyncio
import gzip
import json
from collections.abc import Sequence
from typing import Any

import pytest

from flows.model import client
from flows.model.budget import Spending
from flows.model.endpoint import MOST_TRIES, Endpoint
from flows.model.prices import Prices
from flows.settings import load_settings
from schemas.errors import InvalidCompletionError, ModelUnavailableError, PagemillError
from schemas.step_data import Completion, Request
from tests.support.answering import Reply
from tests.support.fault_server import started
from tests.support.scripted import answer, error, scripted

KEY = "sk-canary-77"
GOOD = answer('{"number": "7"}')


def request(text: str = "pages", attempt: int = 0) -> Request:
    messages = ({"role": "system", "content": "s"}, {"role": "user", "content": text})
    return Request(text, 0, 0, "m", messages, "note", {"type": "object"}, 0.15, 64, 100, attempt)


def ask(url: str, requests: Sequence[Request], **settings: Any) -> list[Completion | PagemillError]:
    """Ask one after the other; what came of each."""

    async def run() -> list[Completion | PagemillError]:
        configured = load_settings(**{"base_url": url, "backoff": 0.01, "patience": 30.0, "model": "m", **settings})
        key = configured.key.get_secret_value() if configured.key else None
        endpoint = Endpoint(configured, url, key, Spending())

        async def keep(completion: Completion) -> None:
            del completion

        found: list[Completion | PagemillError] = []
        for each in requests:
            try:
                found.append(await endpoint.ask(each, keep))
            except PagemillError as failure:
                found.append(failure)
        await endpoint.close()
        return found

    return asyncio.run(run())


@pytest.mark.parametrize(
    "reply",
    [
        error(401, f"Incorrect key {KEY}"),
        Reply(json.dumps({"error": {"message": [f"key {KEY}"]}}).encode(), 401),
        Reply(f"<p>{KEY}</p>".encode(), 401),
        Reply(f"<p>{KEY}</p>".encode()),
        error(200, f"the provider knows {KEY}", code=502),
        error(400, f"no schema for {KEY}"),
        error(403, f"flagged by moderation: {KEY}"),
    ],
    ids=["text", "list", "page", "page with 200", "inside", "400", "moderation"],
)
def test_an_endpoint_that_says_the_key_again_is_quoted_without_it(reply: Reply) -> None:
    with scripted([reply]) as server:
        (found,) = ask(server.url, [request()], api_key=KEY, patience=0.1)
    assert isinstance(found, PagemillError)
    assert KEY not in str(found)
    assert "(key)" in str(found)


def test_an_answer_that_says_the_key_again_is_kept_without_it() -> None:
    said = answer(f'{{"number": "{KEY}"}}')
    body = json.loads(said.body) | {"model": f"m-{KEY}", "provider": f"p {KEY}"}
    with scripted([Reply(json.dumps(body).encode())]) as server:
        (found,) = ask(server.url, [request()], api_key=KEY)
    assert isinstance(found, Completion)
    assert KEY not in f"{found}"
    assert found.text == '{"number": "(key)"}'


def test_without_a_key_nothing_is_taken_for_one() -> None:
    with scripted([error(403, "none of the models are here")]) as server:
        (found,) = ask(server.url, [request()])
    assert "none of the models" in str(found)


def test_half_a_character_in_any_part_of_an_answer_is_no_obstacle() -> None:
    body = json.loads(answer('{"number": "\ud800"}').body) | {"model": "bad\ud800", "provider": "\ud800" * 9_999}
    body["choices"][0]["finish_reason"] = "stop\ud800"
    with scripted([Reply(json.dumps(body).encode())]) as server:
        (found,) = ask(server.url, [request()])
    assert isinstance(found, Completion)
    for text in (found.text, found.model_returned, found.provider, found.finish_reason):
        assert text.encode()
        assert len(text) < 300


def test_an_answer_that_drips_ends_with_the_timeout(tmp_path: Any) -> None:
    with started(tmp_path / "log", "--faults", 1, "--kinds", "drip", "--hang", 60) as server:
        (found,) = ask(server.url, [request('<page number="1">x</page>')], request_timeout=1.0, patience=0.5)
    assert isinstance(found, ModelUnavailableError)
    assert "no whole answer within 1 s" in str(found)  # at its end, a minute later, it would be cut short


def test_an_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MOST_ANSWER_BYTES", 1 << 20)
    bomb = Reply(gzip.compress(b" " * (64 << 20)), headers={"Content-Encoding": "gzip"})
    with scripted([bomb, GOOD]) as server:
        (found,) = ask(server.url, [request()])
    assert isinstance(found, Completion)
    assert len(server.asked) == 2


def test_a_time_to_wait_that_no_run_has_does_not_hang_it() -> None:
    for wait in ("1e9", "inf", "nan"):
        with scripted([error(500, "oops", {"Retry-After": wait}), GOOD]) as server:
            (found,) = ask(server.url, [request()], patience=5.0)  # it comes back at all
        assert isinstance(found, Completion | ModelUnavailableError)


def test_one_request_that_is_refused_lowers_the_dialect_for_nobody_else() -> None:
    refused = error(400, "this one cannot be compiled")
    with scripted([GOOD, refused, refused, refused, GOOD]) as server:
        first, broken, last = ask(server.url, [request("a"), request("b"), request("c")])
    assert isinstance(broken, InvalidCompletionError)
    assert isinstance(first, Completion)
    assert isinstance(last, Completion)
    kinds = [body.get("response_format", {}).get("type") for body in server.asked]
    assert kinds == ["json_schema", "json_schema", "json_object", None, "json_schema"]


def test_the_last_request_that_always_breaks_is_at_fault_where_others_were_answered() -> None:
    with scripted([GOOD, error(500, "out of order")]) as server:
        first, broken = ask(server.url, [request("a"), request("b")])
    assert isinstance(first, Completion)
    assert isinstance(broken, InvalidCompletionError)
    assert len(server.asked) == 1 + MOST_TRIES


def test_where_nobody_was_answered_the_endpoint_is_at_fault() -> None:
    with scripted([error(500, "out of order")]) as server:
        (found,) = ask(server.url, [request()], patience=1.0, backoff=0.2)
    assert isinstance(found, ModelUnavailableError)


def test_a_fallback_model_that_no_table_has_takes_the_price_that_was_set() -> None:
    settings = load_settings(model="a", fallback_models="b", price_in=1.0, price_out=2.0)
    prices = Prices(settings)
    assert prices.are_known
    assert prices.cost_nusd(1_000_000, 0, "b") == 10**9
