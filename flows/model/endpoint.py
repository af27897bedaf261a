"""One endpoint that speaks the chat-completions protocol; all calls to a model go through `Endpoint.ask`.

Retries are made here only (the client makes none, or calls would multiply): refused calls wait and never fail a document;
refused keys, empty accounts and unknown models stop the run. There are no probe requests: the first real request is the
probe, and facts learned from answers (the step of the dialect ladder) are remembered.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import httpx2

from flows.model.budget import Spending
from flows.model.cancellation import Cancellation
from flows.model.client import client
from flows.model.concurrency import Concurrency
from flows.model.endpoint_memory import EndpointMemory
from flows.model.network import fault_in_words, redacted, secrets_of, tls_of
from flows.model.prices import Prices
from flows.model.rate_limits import GlobalPermits, MachineLimits
from flows.model.wire import DIALECTS, Refusal, classify, printable, read_answer, request_body
from flows.settings import Settings
from schemas.errors import (
    InvalidCompletionError,
    ModelUnavailableError,
    PagemillError,
    PicturesRefusedError,
    RequestTooLargeError,
)
from schemas.models import OFFLINE
from schemas.step_data import Completion, Request

# Failures of one request, while the endpoint answers others, after which the request is at fault.
MOST_TRIES = 8
BREAKING_ANSWERS = 2  # consecutive answers that break the schema, after which the dialect goes one step down
_STRANGE_ANSWERS = 3  # first answers outside of the protocol, after which the URL is no endpoint
_NOT_SENT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol", "InvalidURL")

Keep = Callable[[Completion], Awaitable[None]]


class Endpoint:
    """One or several models behind an OpenAI-compatible URL, with limits, prices and budget."""

    def __init__(
        self,
        settings: Settings,
        base_url: str,
        api_key: str | None,
        spending: Spending,
        memory: EndpointMemory | None = None,
    ) -> None:
        self.pressure = Concurrency(settings.concurrency, settings.backoff)
        self.spending = spending
        self.prices = Prices(settings)
        self._settings = settings
        self._memory = memory
        self._step = _remembered_step(memory)
        self._breaking: set[str] = set()  # requests whose answers broke the schema, since the last valid answer
        self._strange = 0
        self.interrupt = Cancellation()
        self._closed_by: PagemillError | None = None  # reason why no further call may begin
        name = hashlib.sha256(settings.endpoint.encode()).hexdigest()[:16]
        self._limits = MachineLimits(settings.cache_dir / "limits" / f"{name}.json", settings.rpm, settings.tpm)
        self._permits = GlobalPermits(settings.global_limit)
        self._secrets = secrets_of(base_url, api_key)
        self._active = 0  # requests that wait for an answer
        self._base_url = base_url
        self._open = partial(client, base_url, api_key, settings.request_timeout, tls_of(settings))
        self._client: httpx2.AsyncClient | None = (
            None  # made at the first call: some endpoints are only asked for prices
        )

    def stop(self, reason: PagemillError) -> None:
        """Let no further call begin; calls in flight are answered, paid and kept."""
        self._closed_by = self._closed_by or reason

    def expect(self, request: Request, completion_tokens: int) -> None:
        """Add the estimated cost of a request that is sent for the first time."""
        self.spending.expected_nusd += (
            self.prices.cost_nusd(request.prompt_tokens, completion_tokens, request.model) or 0
        )

    async def judge(self, completion: Completion, *, keeps_schema: bool) -> None:
        """Note whether an answer keeps the schema; after two consecutive ones that do not, the dialect goes one step down."""
        if keeps_schema:
            self._breaking.clear()
        elif completion.finish_reason == "stop":
            self._breaking.add(completion.request_id)
            if len(self._breaking) >= BREAKING_ANSWERS:
                self._breaking.clear()
                await self._step_down(self._step + 1)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def ask(self, request: Request, keep: Keep) -> Completion:
        """Answer `request`; `keep` journals the completion before it is returned.

        Raises BudgetExceededError before the call, ModelUnavailableError when the endpoint refuses or does not answer within the
        patience, RequestTooLargeError for a request that must be divided, and InvalidCompletionError for a request that the
        endpoint refuses, or that fails while others are answered.
        """
        self._connected()  # takes a while, so it is done before the head start of the first call
        self._active += 1
        try:
            return await self.interrupt.guard(self._answered(request, keep))
        finally:
            self._active -= 1

    async def _answered(self, request: Request, keep: Keep) -> Completion:
        """Call until there is an answer, or a reason to give up.

        A slot is released only after its answer is kept: a kill can then lose the calls in flight, and no answers.
        """
        attempts = own_failures = lowered = 0
        answered_before = self.pressure.answered
        while True:
            attempts += 1
            started = time.monotonic()
            async with self.pressure.slot():
                step = max(self._step, lowered)
                outcome = await self._call(request, step, attempts)
                if isinstance(outcome, Completion):
                    self.pressure.succeeded()
                    self.interrupt.release()
                    await self._step_down(lowered)
                    await keep(outcome)
                    return outcome
                failing = self._weigh(outcome, started)
            if outcome.kind == "dialect":
                lowered = self._lowered(request, step, outcome)
            elif failing > self._settings.patience:
                raise self._gone(outcome)
            elif outcome.kind == "failed":
                own_failures += 1
                if own_failures >= MOST_TRIES and self._is_at_fault(answered_before):
                    raise InvalidCompletionError(
                        f"{self._settings.endpoint_name} failed this request {own_failures} times (last: {outcome.reason})"
                    )
                await asyncio.sleep(outcome.retry_after or self.pressure.alone(own_failures))
            elif outcome.retry_after is None:
                await asyncio.sleep(self.pressure.alone(1))

    def _is_at_fault(self, answered_before: int) -> bool:
        """True when a request that always fails is at fault, not the endpoint: others are answered meanwhile.

        The last request of a run can only be compared with those before it.
        """
        is_last = self._active == 1 and self.pressure.answered > 0
        return self.pressure.answered > answered_before or is_last or self._settings.model == OFFLINE

    async def _call(self, request: Request, step: int, attempts: int) -> Completion | Refusal:
        """One call, with its highest cost reserved meanwhile."""
        self._raise_if_closed()
        await self._permits.take()
        await self._limits.enter(request.prompt_tokens)
        reserved = await self.spending.reserve(
            self.prices.cost_nusd(request.prompt_tokens, request.max_tokens, request.model)
        )
        is_sent = False
        try:
            self._raise_if_closed()
            is_sent = True
            outcome = await self.post(request, step, attempts)
        except BaseException:
            await (self.spending.cut(reserved) if is_sent else self.spending.release(reserved))
            raise
        if isinstance(outcome, Refusal):
            await (self.spending.cut(reserved) if outcome.is_billable else self.spending.release(reserved))
            return outcome
        await self.spending.settle(reserved, outcome)
        await self._limits.owe(outcome.completion_tokens)
        return outcome

    async def post(self, request: Request, step: int, attempts: int) -> Completion | Refusal:
        """One call without regard to limits and budget, as in `ask` and in `pagemill check`."""
        started = time.monotonic()
        provider = self._settings.routing if self._settings.is_openrouter else None
        body = request_body(request, step, provider)
        try:
            # The client's own timeout is for each piece of an answer, this one for the whole.
            async with asyncio.timeout(self._settings.request_timeout):
                raw = await self._connected().post("/chat/completions", json=body)
        except TimeoutError:
            return Refusal("failed", f"no whole answer within {self._settings.request_timeout:g} s", is_billable=True)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            was_sent = type(error).__name__ not in _NOT_SENT
            reason = self._redacted(fault_in_words(error, self._base_url).encode())
            return Refusal("failed", printable(reason.decode("utf-8", "replace")), is_billable=was_sent)
        if not raw.is_success:
            return classify(raw.status_code, raw.headers, _body(self._redacted(raw.content)))
        outcome = read_answer(request, self._redacted(raw.content), attempts, time.monotonic() - started)
        return self._priced(outcome) if isinstance(outcome, Completion) else outcome

    def _connected(self) -> httpx2.AsyncClient:
        """The client, made at the first call."""
        if self._client is None:
            self._client = self._open()
        return self._client

    def _weigh(self, refusal: Refusal, started: float) -> float:
        """Raise the error of a refusal that waiting does not cure; else note it, and return seconds since the last answer."""
        if refusal.kind == "refused":
            raise self._refused(refusal)
        if refusal.kind == "too_large":
            raise RequestTooLargeError(
                f"{self._settings.endpoint_name} takes no request of this size ({refusal.reason})"
            )
        if refusal.kind == "no_pictures":
            raise PicturesRefusedError(
                f"{self._settings.endpoint_name} takes no pictures ({refusal.reason}); use a model that does, or --images never"
            )
        if refusal.kind == "invalid":
            raise InvalidCompletionError(f"{self._settings.endpoint_name} refused the request ({refusal.reason})")
        if refusal.kind == "overloaded":
            return self.pressure.turned_away(refusal.retry_after, refusal.reason)
        if refusal.kind == "failed":
            if refusal.reason.startswith("no JSON but '<") and not self.pressure.answered:
                self._strange += 1
                if self._strange >= _STRANGE_ANSWERS:
                    remedy = "this is no chat-completions endpoint: check PAGEMILL_BASE_URL, which usually ends in /v1"
                    raise self._refused(replace(refusal, remedy=remedy))
            return self.pressure.failed(started, refusal.reason) + (refusal.retry_after or 0.0)
        return 0.0

    def _lowered(self, request: Request, step: int, refusal: Refusal) -> int:
        """The next step down the ladder for this request. Raises InvalidCompletionError at the end of the ladder."""
        if not request.is_constrained or step + 1 >= len(DIALECTS):
            raise InvalidCompletionError(
                f"{self._settings.endpoint_name} refused the request of {request.prompt_tokens:,} tokens ({refusal.reason}); see "
                "`pagemill show`"
            )
        return step + 1

    async def _step_down(self, step: int) -> None:
        """Use this step for all requests from now on, and remember it."""
        if not self._step < step < len(DIALECTS):
            return
        self._step = step
        if self._memory is not None:
            await asyncio.to_thread(self._memory.keep, dialect=DIALECTS[self._step])

    def _redacted(self, content: bytes) -> bytes:
        """Bytes of an answer without the key, which an endpoint may repeat."""
        return redacted(content, self._secrets)

    def _priced(self, completion: Completion) -> Completion:
        """The completion with its cost by the configured prices, where the endpoint states none."""
        if completion.cost_nusd is not None:
            return completion
        cost = self.prices.cost_nusd(completion.prompt_tokens, completion.completion_tokens, completion.model)
        return replace(completion, cost_nusd=cost)

    def _raise_if_closed(self) -> None:
        if self._closed_by is not None:
            raise self._closed_by

    def _refused(self, refusal: Refusal) -> ModelUnavailableError:
        remedy = f"; {refusal.remedy}" if refusal.remedy else ""
        error = ModelUnavailableError(
            f"{self._settings.endpoint_name} refuses to answer for {self._settings.model} ({refusal.reason}){remedy}",
            refused=True,
        )
        self.stop(error)
        return error

    def _gone(self, refusal: Refusal) -> ModelUnavailableError:
        error = ModelUnavailableError(
            f"{self._settings.endpoint_name} has not answered for {self._settings.patience:g} s (last: {refusal.reason}); "
            "the answers so far are kept: run again when it is back, or raise PAGEMILL_PATIENCE"
        )
        self.stop(error)
        return error


def _remembered_step(memory: EndpointMemory | None) -> int:
    dialect = memory.recall().get("dialect") if memory is not None else None
    return DIALECTS.index(dialect) if dialect in DIALECTS else 0


def _body(content: bytes) -> Any:
    """An error's body: JSON, or its text."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content[:2_000].decode("utf-8", "replace")
