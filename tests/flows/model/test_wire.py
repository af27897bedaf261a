"""What endpoints say when they do not answer, and what it means: messages as real servers write them."""

import json
from email.utils import formatdate
from typing import Any

import pytest

from flows.model.wire import Refusal, classify, printable, read_answer, request_body, retry_after
from schemas.step_data import Completion, Request

REQUEST = Request("id", 0, 0, "m", ({"role": "system", "content": "s"},), "note", {"type": "object"}, 0.15, 64, 100)
OPENROUTER_POLICY = "No endpoints found matching your data policy. Configure: settings/privacy"


def said(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, said("Incorrect API key provided", code="invalid_api_key"), "refused"),
        (402, said("Insufficient credits"), "refused"),
        (403, said("Key limit exceeded"), "refused"),
        (403, said("openai/gpt requires moderation. Your input was flagged for violence"), "invalid"),
        (404, said(OPENROUTER_POLICY), "refused"),
        (404, said("The model `x` does not exist", code="model_not_found"), "refused"),
        (400, said("mistralai/x is not a valid model ID"), "refused"),
        (429, said("You exceeded your current quota", code="insufficient_quota"), "refused"),
        (307, "", "refused"),
        (429, said("Rate limit exceeded"), "overloaded"),
        (503, said("No instances available"), "overloaded"),
        (408, said("Request timed out"), "overloaded"),
        (529, "overloaded", "overloaded"),
        (500, said("Internal error"), "failed"),
        (502, "<html>Bad Gateway</html>", "failed"),
        (504, None, "failed"),
        (520, "", "failed"),
        (599, None, "failed"),
        (400, said("This model's maximum context length is 128000 tokens", code="context_length_exceeded"), "too_large"),
        (400, said("request (15611 tokens) exceeds the available context size", type="exceed_context_size_error"), "too_large"),
        (400, said("At most 1 image(s) may be provided in one request."), "too_large"),
        (413, "", "too_large"),
        (400, said('response_format type must be one of "text" or "json_object"'), "dialect"),
        (500, said("1 validation error: {'loc': ('body', 'response_format', 'type')}"), "dialect"),
        (422, said("extra_forbidden"), "dialect"),
        (500, said("image input is not supported - hint: you may need to provide the mmproj"), "no_pictures"),
        (404, said("No endpoints found that support image input"), "no_pictures"),
        (400, said("x is not a multimodal model, image is not supported"), "no_pictures"),
        (418, said("I am a teapot"), "invalid"),
    ],
)  # fmt: skip
def test_an_error_is_told_by_its_status_and_words(status: int, body: Any, kind: str) -> None:
    refusal = classify(status, {}, body)
    assert refusal.kind == kind, refusal
    assert str(status) in refusal.reason
    assert not refusal.is_billable
    if kind == "refused":
        assert refusal.remedy


def test_a_policy_without_providers_is_not_an_unknown_model() -> None:
    assert "PAGEMILL_PROVIDER" in classify(404, {}, said(OPENROUTER_POLICY)).remedy
    assert "PAGEMILL_MODEL" in classify(404, {}, said("model not found")).remedy


def test_a_payment_error_with_a_time_to_wait_is_waited_for() -> None:
    assert classify(402, {"retry-after": "3"}, said("spending budget in flight")).kind == "overloaded"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after": "-4"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": formatdate(1_000_030, usegmt=True), "date": formatdate(1_000_000, usegmt=True)}, 30.0),
        ({"x-ratelimit-reset-requests": "1m30s", "x-ratelimit-remaining-requests": "0"}, 90.0),
        ({"x-ratelimit-reset-tokens": "300ms", "x-ratelimit-remaining-requests": "7"}, 0.3),
        ({"x-ratelimit-reset-requests": "1h", "x-ratelimit-remaining-requests": "5"}, None),
        ({"x-ratelimit-reset": "2000000012000", "date": formatdate(2_000_000_000, usegmt=True)}, 12.0),
        ({"x-ratelimit-reset": "nan-sense"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e9"}, 3600.0),
    ],
)
def test_the_time_to_wait_is_read_from_the_headers(headers: dict[str, str], seconds: float | None) -> None:
    found = retry_after(headers)
    assert found == seconds if seconds is None else found == pytest.approx(seconds, abs=0.01)


def test_an_error_inside_an_answer_may_be_billed_and_a_busy_one_pauses_everybody() -> None:
    busy = read_answer(REQUEST, json.dumps(said("busy", code=429)).encode(), 1, 0.1)
    broken = read_answer(REQUEST, json.dumps(said("provider broke", code=502)).encode(), 1, 0.1)
    assert isinstance(busy, Refusal)
    assert isinstance(broken, Refusal)
    assert (busy.kind, broken.kind, broken.is_billable) == ("overloaded", "failed", True)


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"[]", b"3", b"{}", b'{"choices": []}', b'{"choices": [7]}', b"[" * 9_999]
)
def test_what_is_no_answer_is_a_refusal_and_never_an_exception(content: bytes) -> None:
    assert isinstance(read_answer(REQUEST, content, 1, 0.1), Refusal)


@pytest.mark.parametrize("usage", [None, 7, {}, {"prompt_tokens": -1}, {"prompt_tokens": True}, {"cost": float("inf")}])
def test_usage_that_cannot_be_is_replaced_by_our_own_count(usage: Any) -> None:
    body = {"choices": [{"message": {"content": "{}"}, "finish_reason": "stop"}], "usage": usage}
    answer = read_answer(REQUEST, json.dumps(body).encode(), 1, 0.1)
    assert isinstance(answer, Completion)
    assert (answer.prompt_tokens, answer.cost_nusd) == (100, None)


def test_each_step_of_the_ladder_says_the_schema_in_its_own_way() -> None:
    strict, mode, plain = (request_body(REQUEST, step, None) for step in range(3))
    assert strict["response_format"]["json_schema"]["strict"] is True
    assert strict["messages"][0]["content"] == "s"
    assert mode["response_format"] == {"type": "json_object"}
    assert "response_format" not in plain
    assert all("JSON Schema:" in body["messages"][0]["content"] for body in (mode, plain))
    assert request_body(REQUEST, 0, {"data_collection": "deny"})["provider"] == {"data_collection": "deny"}


def test_a_strangers_words_are_one_short_printable_line() -> None:
    assert printable("a\x1b[31m\nb") == "a [31m b"
    assert len(printable("x" * 10_000)) < 300
