"""The network: one endpoint that speaks the chat-completions protocol, its limits, its prices, its budget.

Retries are ours (the client makes none, or calls would multiply): 429, 5xx and broken connections wait and never cost a
document; refused keys, empty accounts and unknown models stop the run. The first real request of an endpoint is the
probe: a 400 falls back from JSON Schema to JSON mode to a schema in the prompt, and the step is remembered for the run.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import openai
from openai import AsyncOpenAI

from extractors.tokens import count_text
from flows.pressure import Pressure
from flows.settings import Settings
from schemas.errors import BudgetExceededError, InvalidCompletionError, ModelUnavailableError, PagemillError
from schemas.models import OFFLINE, Model, model_entry
from schemas.pipeline import Completion, Request

NANO_PER_MILLION = 1_000  # nano-USD per token of one USD per million tokens
MOST_TOKENS, MOST_COST = 10_000_000, 1_000.0  # of one call: what reports more is no usage, but noise
MOST_REMEMBERED = 20_000  # answers kept for equal requests: some 100 MB
MOST_TRIES = 8  # of one request that fails while the endpoint answers others: the request is at fault, not the endpoint
_PASSING = frozenset({402, 408, 409, 425, 429})  # below 500, but waited for (402 only with Retry-After)
_DIALECTS = ("json_schema", "json_object", "prompt")
_REFUSED = {401: "the key", 402: "the account's credit", 403: "the request", 404: "the model"}


@dataclass
class Spending:
    """What a run has spent and reserved, in nano-USD, against its cap."""

    cap_nusd: int | None = None
    spent_nusd: int = 0
    reserved_nusd: int = 0
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def reserve(self, amount: int | None) -> int:
        """Set aside the most that a call may cost. Raises BudgetExceededError when that could pass the cap."""
        wanted = amount or 0
        if self.cap_nusd is not None and self.spent_nusd + self.reserved_nusd + wanted > self.cap_nusd:
            raise BudgetExceededError(
                f"the budget of ${self.cap_nusd / 1e9:.2f} leaves ${(self.cap_nusd - self.spent_nusd) / 1e9:.4f}, and the "
                f"next call may cost ${wanted / 1e9:.4f}; raise --budget to go on"
            )
        self.reserved_nusd += wanted
        return wanted

    def release(self, reserved: int) -> None:
        """Give a reservation back: the call was turned away unpaid."""
        self.reserved_nusd -= reserved

    def settle(self, reserved: int, completion: Completion | None) -> None:
        """Replace a reservation by what was paid; a call that was cut keeps its reservation as spent."""
        self.reserved_nusd -= reserved
        if completion is None:
            self.spent_nusd += reserved
            return
        self.spent_nusd += completion.cost_nusd or 0
        self.requests += 1
        self.prompt_tokens += completion.prompt_tokens
        self.completion_tokens += completion.completion_tokens


@dataclass
class _Dialect:
    step: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Endpoint:
    """A model behind an OpenAI-compatible URL. `ask` is the one way to it."""

    def __init__(self, settings: Settings, base_url: str, api_key: str | None, spending: Spending) -> None:
        self.model: Model = model_entry(settings.model)
        prices = (settings.price_in, self.model.price_in), (settings.price_out, self.model.price_out)
        self._prices = tuple(_nano(own if own is not None else listed) for own, listed in prices)
        self._settings = settings
        self._spending = spending
        self._pressure = Pressure(settings.concurrency)
        self._dialect = _Dialect()
        self._first = asyncio.Lock()  # the first request is the probe: until it is answered, the others wait
        self._answers = False
        self._closed_by: PagemillError | None = None  # what lets no further call begin
        self._client = AsyncOpenAI(
            base_url=base_url, api_key=api_key or "none", max_retries=0, timeout=settings.request_timeout
        )

    @property
    def has_price(self) -> bool:
        """False when USD cannot be told before a call."""
        return None not in self._prices

    def cost_nusd(self, prompt_tokens: int, completion_tokens: int) -> int | None:
        """The price of a call by the model table or the settings; null where unknown."""
        price_in, price_out = self._prices
        if price_in is None or price_out is None:
            return None
        return round(price_in * prompt_tokens + price_out * completion_tokens)

    def stop(self, reason: PagemillError) -> None:
        """Let no further call begin; those in flight are answered, paid and kept."""
        self._closed_by = self._closed_by or reason

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def ask(self, request: Request, keep: Callable[[Completion], Awaitable[None]]) -> Completion:
        """Answer `request`; `keep` journals the completion before it is returned.

        Raises BudgetExceededError before the call, ModelUnavailableError when the endpoint refuses or stays away longer
        than the patience, InvalidCompletionError for a request that it will not take.
        """
        if not self._answers:
            async with self._first:
                if not self._answers:
                    return await self._ask(request, keep)
        return await self._ask(request, keep)

    async def _ask(self, request: Request, keep: Callable[[Completion], Awaitable[None]]) -> Completion:
        if self._closed_by is not None:
            raise self._closed_by
        reserved = self._spending.reserve(self.cost_nusd(request.prompt_tokens, request.max_tokens))
        completion: Completion | None = None
        unpaid = False
        try:
            completion = await self._tries(request)
            self._answers = True
        except PagemillError as error:
            unpaid = True
            if isinstance(error, ModelUnavailableError):
                self.stop(error)
            raise
        finally:
            if unpaid:
                self._spending.release(reserved)
            else:
                self._spending.settle(reserved, completion)
        await keep(completion)
        return completion

    async def _tries(self, request: Request) -> Completion:
        """Call until answered. What the endpoint turns away waits with everybody else, and costs no document."""
        attempts = 0
        answered_before = self._pressure.answered
        while True:
            attempts += 1
            async with self._pressure.slot():
                if self._closed_by is not None:
                    raise self._closed_by
                step = self._dialect.step
                started = time.monotonic()
                try:
                    raw = await self._client.chat.completions.with_raw_response.create(**self._body(request, step))
                    completion = self._completion(
                        request, json.loads(raw.content), attempts, time.monotonic() - started
                    )
                except openai.BadRequestError as error:
                    await self._fall_back(request, step, error)
                    continue
                except openai.APIStatusError as error:
                    what, retry_after = self._weighed(error)
                except (openai.APIConnectionError, ValueError, TypeError, _BodyError) as error:
                    what, retry_after = str(error) or type(error).__name__, None
                else:
                    self._pressure.succeeded()
                    return completion
                failing = self._pressure.refused(retry_after)
            if failing > self._settings.patience:
                raise ModelUnavailableError(
                    f"{self._settings.host} has not answered for {self._settings.patience:g} s (last: {what}); what was "
                    "answered is kept: run again when it is back, or raise PAGEMILL_PATIENCE"
                )
            others = self._pressure.answered > answered_before or self._settings.model == OFFLINE
            if others and attempts >= MOST_TRIES:
                raise InvalidCompletionError(
                    f"{self._settings.host} failed this request {attempts} times (last: {what})"
                )

    def _weighed(self, error: openai.APIStatusError) -> tuple[str, float | None]:
        """What a refusal says and how long to wait for; raises where waiting cures nothing."""
        retry_after = _retry_after(error)
        if error.status_code in _REFUSED and retry_after is None:
            raise self._refusal(error) from None
        if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR and error.status_code not in _PASSING:
            raise InvalidCompletionError(
                f"{self._settings.host} refused the request ({error.status_code}: {self._reason(error)})"
            ) from None
        return f"{error.status_code} {self._reason(error)}", retry_after

    async def _fall_back(self, request: Request, step: int, error: openai.BadRequestError) -> None:
        """One step down the ladder, once for all requests in flight; at its end the request itself is at fault."""
        async with self._dialect.lock:
            if self._dialect.step != step:
                return
            if step + 1 >= len(_DIALECTS) or _is_context_error(error):
                raise InvalidCompletionError(
                    f"{self._settings.host} refused the request of {request.prompt_tokens:,} tokens "
                    f"({self._reason(error)}); see `pagemill show`"
                ) from None
            self._dialect.step = step + 1

    def _refusal(self, error: openai.APIStatusError) -> ModelUnavailableError:
        what = _REFUSED[error.status_code]
        return ModelUnavailableError(
            f"{self._settings.host} refuses {what} ({error.status_code}: {self._reason(error)}); check PAGEMILL_API_KEY, "
            f"PAGEMILL_BASE_URL and the model {self.model.slug!r}",
            refused=True,
        )

    def _reason(self, error: openai.APIStatusError) -> str:
        """What the endpoint says, without the key that it may say again and without control characters."""
        body = error.body if isinstance(error.body, dict) else {}
        said = str(body.get("message") or error.message).replace(self._client.api_key, "(key)")
        return "".join(character for character in said if character.isprintable())[:200]

    def _body(self, request: Request, step: int) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": request.model,
            "messages": list(request.messages),
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
        }
        dialect = _DIALECTS[step]
        if dialect == "json_schema":
            schema = {"name": request.schema_name, "schema": request.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        else:
            body["messages"][0] = _with_schema(body["messages"][0], request.schema)
            if dialect == "json_object":
                body["response_format"] = {"type": "json_object"}
        if self._settings.is_openrouter:
            body["extra_body"] = {"provider": {"data_collection": "deny"}, "usage": {"include": True}}
        return body

    def _completion(self, request: Request, answer: dict[str, Any], attempts: int, seconds: float) -> Completion:
        choices = answer.get("choices") if isinstance(answer, dict) else None
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            raise _BodyError(answer.get("error") if isinstance(answer, dict) else "no object")
        choice = choices[0]
        if choice.get("finish_reason") == "error":
            raise _BodyError(choice.get("error") or answer.get("error"))
        text = _content(choice)
        usage = answer["usage"] if isinstance(answer.get("usage"), dict) else {}
        prompt_tokens = _tokens(usage.get("prompt_tokens"), request.prompt_tokens)
        completion_tokens = _tokens(usage.get("completion_tokens"), min(count_text(text), request.max_tokens))
        billed = usage.get("cost")
        plausible = isinstance(billed, int | float) and 0 <= billed <= MOST_COST
        cost = round(Decimal(str(billed)) * 10**9) if plausible else None
        return Completion(
            request_id=request.request_id,
            text=text,
            finish_reason=str(choice.get("finish_reason") or "unknown"),
            model=request.model,
            model_returned=str(answer.get("model") or ""),
            provider=str(answer["provider"]) if answer.get("provider") else None,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            cost_nusd=cost if cost is not None else self.cost_nusd(prompt_tokens, completion_tokens),
            seconds=round(seconds, 3),
            attempts=attempts,
        )


class Answers:
    """Asks each request once in this process: an equal request waits for the first and gets the same answer for nothing."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._asked: dict[str, asyncio.Future[Completion]] = {}  # oldest first

    async def get(self, request: Request, keep: Callable[[Completion], Awaitable[None]]) -> Completion:
        """The answer to `request`, kept by `keep` before it is returned; reused ones have attempts, tokens and cost 0."""
        known = self._asked.get(request.request_id)
        if known is None:
            known = asyncio.get_running_loop().create_future()
            self._asked[request.request_id] = known
            self._forget_oldest()
            try:
                completion = await self._endpoint.ask(request, keep)
            except BaseException as error:
                self._asked.pop(request.request_id, None)
                if not known.done():
                    known.set_exception(error) if isinstance(error, Exception) else known.cancel()
                    if not known.cancelled():
                        known.exception()  # somebody may have been waiting, or nobody
                raise
            known.set_result(completion)
            return completion
        answered = await asyncio.shield(known)
        reused = replace(answered, prompt_tokens=0, completion_tokens=0, cost_nusd=0, attempts=0, seconds=0.0)
        await keep(reused)
        return reused

    def _forget_oldest(self) -> None:
        """Keep memory bounded over an archive: equal requests mostly come close together."""
        while len(self._asked) > MOST_REMEMBERED:
            oldest = next(iter(self._asked))
            if not self._asked[oldest].done():
                return
            del self._asked[oldest]


class _BodyError(Exception):
    """An error that came as the body of an HTTP 200."""

    def __init__(self, error: Any) -> None:
        message = error.get("message") if isinstance(error, dict) else error
        super().__init__(f"an error in the answer: {message or 'no choices'}")


def _content(choice: dict[str, Any]) -> str:
    """The answer's text; some servers give it as a list of parts."""
    message = choice.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        content = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _tokens(reported: Any, otherwise: int) -> int:
    """A count as reported, where it can be one: it enters the budget and a column."""
    is_count = isinstance(reported, int) and not isinstance(reported, bool) and 0 <= reported <= MOST_TOKENS
    return reported if is_count else otherwise


def _with_schema(message: dict[str, Any], schema: Any) -> dict[str, Any]:
    text = f"{message['content']}\n\nAnswer with one JSON object only.\nJSON Schema: {json.dumps(schema)}"
    return {**message, "content": text}


def _nano(price: float | None) -> int | None:
    return None if price is None else round(Decimal(str(price)) * NANO_PER_MILLION)


def _retry_after(error: openai.APIStatusError) -> float | None:
    try:
        return max(0.0, float(error.response.headers.get("retry-after", "")))
    except ValueError:
        return None


def _is_context_error(error: openai.BadRequestError) -> bool:
    text = str(error).lower()
    return "context" in text and ("length" in text or "size" in text)
