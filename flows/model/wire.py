"""The chat-completions protocol: bodies of requests, completions from answers, meanings of refusals.

This module neither waits nor counts; `classify` is the only place with the error texts of endpoints.
"""

import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Literal

from extractors.tokens import count_text
from schemas.step_data import Completion, Request

DIALECTS = (
    "json_schema",
    "json_object",
    "prompt",
)  # the ladder, from the strictest to the one that every endpoint takes
MOST_TOKENS, MOST_COST = 10_000_000, 1_000.0  # of one call: higher reported values are errors of the endpoint
_LONGEST_REASON = 200
_LONGEST_WAIT = 3_600.0  # seconds of waiting for one header
_SURROGATE = re.compile("[\ud800-\udfff]")  # JSON may contain half a character, which no writer accepts
_PHRASES = {int(status): status.phrase for status in HTTPStatus}

RefusalKind = Literal["overloaded", "failed", "refused", "dialect", "too_large", "no_pictures", "invalid"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Reason for a missing answer; `retry_after` is in seconds.

    overloaded: all calls wait · failed: try this request again · refused: permanent, the run stops · dialect: one step down the
    ladder, or the request is at fault · too_large: divide the request · no_pictures: ask without pictures · invalid: the
    endpoint refuses this request. `is_billable` is true where the call may be billed.
    """

    kind: RefusalKind
    reason: str
    retry_after: float | None = None
    is_billable: bool = False
    remedy: str = ""


def request_body(request: Request, step: int, provider: Mapping[str, Any] | None) -> dict[str, Any]:
    """Body of the POST request. `step` is the index of the dialect on the ladder; `provider` are OpenRouter's routing options."""
    body: dict[str, Any] = {
        "model": request.model,
        "messages": list(request.messages),
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
    }
    dialect = DIALECTS[step if request.is_constrained else len(DIALECTS) - 1]
    if dialect == "json_schema":
        schema = {"name": request.schema_name, "schema": request.schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    else:
        body["messages"][0] = _with_schema(body["messages"][0], request.schema)
        if dialect == "json_object":
            body["response_format"] = {"type": "json_object"}
    if provider is not None:
        body |= {"provider": dict(provider), "usage": {"include": True}}
    return body


def read_answer(request: Request, content: bytes, attempts: int, seconds: float) -> Completion | Refusal:
    """The body of an HTTP 200: a completion with the endpoint's cost, or the refusal in its place."""
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        start = content[:60].decode("utf-8", "replace").strip()
        return Refusal("failed", f"no JSON but {printable(start)!r}", is_billable=True)
    choices = answer.get("choices") if isinstance(answer, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else None
    if choice is None or choice.get("finish_reason") == "error":
        own = choice.get("error") if choice is not None else None
        return _error_inside(own or (answer.get("error") if isinstance(answer, dict) else None))
    text, finish_reason = _content(choice)
    usage = answer["usage"] if isinstance(answer.get("usage"), dict) else {}
    billed = usage.get("cost")
    plausible = isinstance(billed, int | float) and not isinstance(billed, bool) and 0 <= billed <= MOST_COST
    return Completion(
        request_id=request.request_id,
        text=_SURROGATE.sub("\ufffd", text),
        finish_reason=printable(finish_reason),
        model=request.model,
        model_returned=printable(str(answer.get("model") or "")),
        provider=printable(str(answer["provider"])) if answer.get("provider") else None,
        prompt_tokens=_tokens(usage.get("prompt_tokens"), request.prompt_tokens),
        completion_tokens=_tokens(usage.get("completion_tokens"), min(count_text(text), request.max_tokens)),
        cost_nusd=round(Decimal(str(billed)) * 10**9) if plausible else None,
        seconds=round(seconds, 3),
        attempts=attempts,
    )


def classify(status: int, headers: Mapping[str, str], body: Any) -> Refusal:
    """Meaning of an answer with an HTTP error status."""
    error = body.get("error", body) if isinstance(body, dict) else {}
    error = error if isinstance(error, dict) else {"message": error}
    message = str(error.get("message") or body or _PHRASES.get(status, "no reason given"))
    reason = f"{status}: {printable(message)}"
    codes = f"{error.get('code')} {error.get('type')} {message}".lower()
    wait = retry_after(headers)
    if 300 <= status < 400:
        return Refusal(
            "refused", f"{reason}; it redirects", remedy="set PAGEMILL_BASE_URL to the target of the redirect"
        )
    if status in {400, 404, 413, 422, 500, 501} and _is_blind(codes):
        return Refusal("no_pictures", reason)
    if status in {400, 413, 422}:
        return _of_request(status, codes, reason)
    if status in {500, 501} and "response_format" in codes:  # the server of llama-cpp-python
        return Refusal("dialect", reason)
    if status == 401:
        return Refusal("refused", reason, remedy="check the key in PAGEMILL_API_KEY")
    if (status == 402 and wait is None) or "insufficient_quota" in codes:
        return Refusal("refused", reason, remedy="the account has no credit left: top it up")
    if status == 403 and ("moderation" in codes or "flagged" in codes):
        return Refusal("invalid", f"{reason} (moderation)")
    if status == 403:
        return Refusal("refused", reason, remedy="the key in PAGEMILL_API_KEY may not use this model")
    if status == 404 and "no endpoints found" in codes:
        remedy = "the model is known, but no provider of it matches PAGEMILL_PROVIDER (by default none that keeps data)"
        return Refusal("refused", reason, remedy=remedy)
    if status in {404, 405}:
        return Refusal("refused", reason, remedy="check PAGEMILL_MODEL, and that PAGEMILL_BASE_URL ends in /v1")
    if status in {402, 408, 409, 425, 429, 503, 529}:
        return Refusal("overloaded", reason, wait)
    if status >= 500:
        return Refusal("failed", reason, wait)
    return Refusal("invalid", reason)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by the headers, at most an hour; None without a valid header.

    Read are Retry-After in seconds or as a date, and the reset of an exhausted allowance.
    """
    seconds = _asked_wait(headers)
    return None if seconds is None else min(seconds, _LONGEST_WAIT)


def _asked_wait(headers: Mapping[str, str]) -> float | None:
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "")
        try:
            seconds = float(value) * scale
            return max(0.0, seconds) if math.isfinite(seconds) else None
        except ValueError:
            pass
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - _now(headers))
        except (ValueError, TypeError):
            continue
    resets = [
        _seconds(headers.get(f"x-ratelimit-reset{suffix}", ""), headers)
        for suffix in ("", "-requests", "-tokens")
        if headers.get(f"x-ratelimit-remaining{suffix}", "0") in {"0", ""}
    ]
    return max((reset for reset in resets if reset is not None), default=None)


def printable(text: str) -> str:
    """Text of an endpoint on one line, without control characters, of limited length."""
    flat = "".join(character if character.isprintable() else " " for character in text)
    return flat if len(flat) <= _LONGEST_REASON else f"{flat[:_LONGEST_REASON]}…"


def _is_blind(codes: str) -> bool:
    """True for the errors of a model without vision (llama.cpp with 500, OpenRouter with 404, vLLM with 400)."""
    return "image" in codes and any(
        phrase in codes for phrase in ("not supported", "support image", "mmproj", "not a multimodal", "no vision")
    )


def _of_request(status: int, codes: str, reason: str) -> Refusal:
    """Refusal of a request: too long, too many pictures, an unsupported dialect, or an unknown model."""
    is_long = "context" in codes and ("length" in codes or "size" in codes or "window" in codes)
    many_images = "image" in codes and ("at most" in codes or "too many" in codes or "limit" in codes)
    if status == 413 or is_long or many_images or "too long" in codes or "too large" in codes:
        return Refusal("too_large", reason)
    if "not a valid model" in codes or "model_not_found" in codes or re.search(r"model .*does not exist", codes):
        return Refusal("refused", reason, remedy="check PAGEMILL_MODEL")
    return Refusal("dialect", reason)


def _error_inside(error: Any) -> Refusal:
    """Refusal for an error within HTTP 200: it came after the model had started, so the call may be billed."""
    code = error.get("code") if isinstance(error, dict) else None
    message = printable(str((error.get("message") if isinstance(error, dict) else error) or "no choices"))
    is_busy = code in {429, 503, 529, "429", "503", "529"}
    return Refusal("overloaded" if is_busy else "failed", f"an error in the answer: {message}", is_billable=True)


def _content(choice: Mapping[str, Any]) -> tuple[str, str]:
    """The answer's text and finish reason; some servers send the text as a list of parts, and a refusal has its own key."""
    message = choice.get("message")
    message = message if isinstance(message, dict) else {}
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    if not content and isinstance(message.get("refusal"), str) and message["refusal"]:
        return message["refusal"], "refusal"
    return content if isinstance(content, str) else "", str(choice.get("finish_reason") or "unknown")


def _tokens(reported: Any, otherwise: int) -> int:
    """The reported count if it is plausible, since it counts against the budget; else `otherwise`."""
    is_count = isinstance(reported, int) and not isinstance(reported, bool) and 0 <= reported <= MOST_TOKENS
    return reported if is_count else otherwise


def _with_schema(message: Mapping[str, Any], schema: Any) -> dict[str, Any]:
    text = f"{message['content']}\n\nAnswer with one JSON object only.\nJSON Schema: {json.dumps(schema)}"
    return {**message, "content": text}


def _seconds(text: str, headers: Mapping[str, str]) -> float | None:
    """Seconds from the value of a reset header: `1m30s`, `250ms`, seconds, or (milli)seconds since 1970."""
    try:
        number = float(text)
    except ValueError:
        units = re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", text)
        scale = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
        return sum(float(amount) * scale[unit] for amount, unit in units) if units else None
    if number > 1e12:
        number /= 1000
    return max(0.0, number - _now(headers)) if number > 1e9 else max(0.0, number)


def _now(headers: Mapping[str, str]) -> float:
    """Time by the endpoint's clock, if it is in the headers: this machine's clock may differ."""
    try:
        return parsedate_to_datetime(headers.get("date", "")).timestamp()
    except (ValueError, TypeError):
        return time.time()
