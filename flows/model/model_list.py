"""List of an endpoint's models: `GET /models`, which costs nothing and is optional for servers."""

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from flows.model.client import client
from flows.model.endpoint_memory import EndpointMemory
from flows.model.network import redacted, secrets_of, tls_of
from flows.model.wire import printable
from flows.settings import Settings
from schemas.models import MODELS, OFFLINE

# Errors of a request for a list that the server does not have.
NO_LIST = (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, TypeError, AttributeError)
_SECONDS = 10.0
_WINDOWS = ("context_length", "max_model_len", "context_window", "max_context_length", "n_ctx")


@dataclass(frozen=True, slots=True)
class ListedModel:
    """One listed model; None for facts not stated. `window` is in tokens, prices are USD per million tokens."""

    window: int | None = None
    price_in: float | None = None
    price_out: float | None = None
    takes_images: bool | None = None


async def list_models(base_url: str, api_key: str | None, tls: ssl.SSLContext | bool = True) -> dict[str, ListedModel]:
    """The models of the endpoint's list. Raises one of NO_LIST where there is no list."""
    asking = client(base_url, api_key, _SECONDS, tls)
    try:
        async with asyncio.timeout(_SECONDS):
            raw = (await asking.get("/models")).raise_for_status()
        content = redacted(raw.content, secrets_of(base_url, api_key))
        body = json.loads(content)
    except RecursionError:
        raise ValueError("the endpoint's answer is no list of models") from None
    finally:
        await asking.aclose()
    entries = body.get("data") if isinstance(body, Mapping) else None
    if not isinstance(entries, list):
        raise ValueError("the endpoint's answer holds no list of models")  # noqa: TRY004 - a fault of the answer, not of a type in this program
    return {
        printable(str(entry["id"])): _listed(entry) for entry in entries if isinstance(entry, Mapping) and "id" in entry
    }


async def served_windows(
    settings: Settings, base_url: str, api_key: str | None, memory: EndpointMemory
) -> dict[str, int]:
    """The window of each configured model in tokens: the endpoint's, or that of the model table where it is smaller.

    Where the endpoint does not answer, its list of the last day is used.
    """
    if settings.model == OFFLINE:
        return {}
    try:
        listed = await list_models(base_url, api_key, tls_of(settings))
        served = {slug: listed[slug].window for slug in settings.models if slug in listed and listed[slug].window}
        if served and memory.recall().get("windows") != served:
            memory.keep(windows=served)
    except NO_LIST:
        served = memory.recall().get("windows") or {}
    windows = {slug: window for slug, window in served.items() if isinstance(window, int) and window > 0}
    return {slug: min(window, MODELS[slug].window) if slug in MODELS else window for slug, window in windows.items()}


def _listed(entry: Mapping[str, Any]) -> ListedModel:
    places = [entry, *(entry[name] for name in ("top_provider", "meta") if isinstance(entry.get(name), Mapping))]
    windows = [position[name] for position in places for name in _WINDOWS if isinstance(position.get(name), int)]
    price = entry["pricing"] if isinstance(entry.get("pricing"), Mapping) else {}
    architecture = entry["architecture"] if isinstance(entry.get("architecture"), Mapping) else {}
    inputs = architecture.get("input_modalities")
    return ListedModel(
        window=min((window for window in windows if window > 0), default=None),
        price_in=_price(price.get("prompt")),
        price_out=_price(price.get("completion")),
        takes_images="image" in inputs if isinstance(inputs, list) else None,
    )


def _price(per_token: Any) -> float | None:
    """USD per million tokens of a price per token, which OpenRouter writes as text."""
    try:
        return round(float(per_token) * 1e6, 6)
    except (TypeError, ValueError):
        return None
