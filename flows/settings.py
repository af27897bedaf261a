"""The environment and `.env`, read here and nowhere else. A flag of the command line wins over both."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from extractors.ocr import is_installed
from flows.env_file import FolderSettings, Origins, setting_fault
from flows.log import say
from schemas.errors import ConfigurationError
from schemas.models import OFFLINE, Model, model_entry

OPENROUTER_HOST = "openrouter.ai"
ROUTING = frozenset(  # of OpenRouter's `provider` object (FACTS §5)
    (
        "order", "only", "ignore", "allow_fallbacks", "require_parameters", "data_collection", "zdr", "quantizations",
        "sort", "max_price",
    )
)  # fmt: skip


_NOT_OF_A_FILE = {
    "dask_address": "the processes of a cluster see the documents, and what they answer is run here",
    "follow_links": "a link in an archive may lead to any file of this machine",
    "ca_bundle": "it decides whose certificates are trusted with the key",
    "cache_dir": "Prefect's settings and database, with the webhook in it, are kept there",
}
_SAID: list[list[str]] = []  # by this process, about `.env` and the environment: once


class Settings(FolderSettings):
    """Every setting with its default; the variable is the name in capitals behind `PAGEMILL_`."""

    model_config = SettingsConfigDict(frozen=True, populate_by_name=True)

    base_url: str = "https://openrouter.ai/api/v1"
    api_key: SecretStr | None = None  # empty is none
    openrouter_api_key: SecretStr | None = Field(None, validation_alias=AliasChoices("OPENROUTER_API_KEY"))
    model: Annotated[str, Field(min_length=1, max_length=300)] = "mistralai/mistral-small-3.1-24b-instruct"
    fallback_models: Annotated[tuple[str, ...], NoDecode] = ()  # asked in this order for what the model cannot answer
    provider: dict[str, Any] = Field({})  # OpenRouter's routing options, as JSON
    window: Annotated[int, Field(ge=1_024)] | None = None  # tokens; the smaller of this and the table's is used
    max_output: Annotated[int, Field(ge=64)] | None = None  # tokens of one answer
    images_per_request: Annotated[int, Field(ge=1)] | None = None
    request_bytes: Annotated[int, Field(ge=100_000)] = 20_000_000  # of one request's pictures as they are sent
    concurrency: Annotated[int, Field(ge=1, le=1024)] = 16
    rpm: Annotated[int, Field(ge=1)] | None = None  # requests a minute, over all processes of this machine
    tpm: Annotated[int, Field(ge=1)] | None = None  # tokens a minute, likewise
    global_limit: str | None = None  # a Prefect global concurrency limit that counts requests, over all machines
    patience: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 6 * 3600.0  # seconds to wait for a failing endpoint
    backoff: Annotated[float, Field(gt=0, allow_inf_nan=False)] = (
        1.0  # seconds of the first pause; each further one is twice as long
    )
    confirm_above: Annotated[float, Field(ge=0)] = 5.0  # USD of an estimate above which a run without --budget asks
    webhook: SecretStr | None = None  # where crashes, and runs that need attention, are told to
    tell_failed: Annotated[float, Field(ge=0, le=1)] = 0.05  # share of a run's documents above which it is told of
    tell_partial: Annotated[float, Field(ge=0, le=1)] = 0.25
    report: bool = True  # keep a page of each run in the dataset
    log_format: Literal["text", "json"] = "text"  # of the lines on standard error
    keep: Annotated[float, Field(gt=0)] | None = None  # days for which page texts, pictures and raw answers are kept
    grace: Annotated[float, Field(ge=0, allow_inf_nan=False)] = (
        20.0  # seconds that calls have after SIGTERM, to be answered
    )
    request_timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 600.0  # seconds for one answer
    price_in: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] | None = None  # USD per million tokens
    price_out: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] | None = None
    images: Literal["auto", "never", "pages"] = "auto"
    attachments: Literal["never", "text"] = "never"  # offer embedded text files to the model
    shard_size: Annotated[int, Field(ge=1, le=100_000)] = 256  # documents
    shard_bytes: Annotated[int, Field(ge=1)] = 256 * 1024 * 1024
    ocr: bool = False  # a second reader for pages that are pictures: the extra pagemill[ocr]
    settle: Literal["checks", "ask"] = "checks"  # who decides between values that a document states differently
    fields_per_request: Annotated[int, Field(ge=1)] = 80  # a wider schema is asked for in groups of so many leaves
    chunk_tokens: Annotated[int, Field(ge=256)] | None = None  # cap of one request's pages
    workers: Annotated[int, Field(ge=1, le=256)] = max(1, os.cpu_count() or 1)  # split processes
    split_seconds: Annotated[float, Field(gt=0)] = 300.0  # for one document
    split_memory: Annotated[int, Field(ge=1 << 28)] = 4 << 30  # bytes of address space of one split process
    follow_links: bool = False  # also out of the folder of a source
    passwords_file: Path | None = None
    examples: Path | None = None  # lines of `export --format chat`, shown to the model before each request
    examples_count: Annotated[int, Field(ge=1, le=20)] = 3  # of them, at most
    runner: Literal["local", "dask"] = "local"  # who carries shards out: this process, or those of a Dask cluster
    dask_address: str | None = None  # of a scheduler that runs; without one a cluster is made on this machine
    dask_workers: Annotated[int, Field(ge=1, le=256)] = max(1, os.cpu_count() or 1)  # its processes
    ca_bundle: Path | None = Field(
        None,  # PEM file of the authorities that an endpoint's certificate is checked against
        validation_alias=AliasChoices("PAGEMILL_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    )
    client_cert: Path | None = None  # PEM file that shows an endpoint who calls
    client_key: Path | None = None  # its key, where that is another file
    tell_outage: Annotated[float, Field(ge=0, allow_inf_nan=False)] = (
        300.0  # seconds without an answer until it is told
    )
    cache_dir: Path = Path(platformdirs.user_cache_dir("pagemill"))

    @field_validator("base_url")
    @classmethod
    def _reachable(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            is_url = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_url = False
        if not is_url:
            raise ValueError("no URL of an endpoint; one looks like https://openrouter.ai/api/v1")
        return value

    @field_validator("api_key", "openrouter_api_key")
    @classmethod
    def _sendable(cls, value: SecretStr | None) -> SecretStr | None:
        key = value.get_secret_value().strip() if value is not None else ""
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise ValueError("a key is one word of ASCII letters, digits and signs")
        return SecretStr(key) if key else None

    @field_validator("ocr")
    @classmethod
    def _installed(cls, value: bool) -> bool:
        if value and not is_installed():
            raise ValueError("the extra is not installed: `pip install 'pagemill[ocr]'`, or leave PAGEMILL_OCR out")
        return value

    @field_validator("cache_dir")
    @classmethod
    def _writable(cls, value: Path) -> Path:
        try:
            value.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"{value} cannot be made ({error.strerror}); name a folder that can") from None
        return value

    @field_validator("fallback_models", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if any(mark in value for mark in '[]"'):
            raise ValueError("names of models with commas between them, without brackets or quotes")
        return tuple(entry.strip() for entry in value.split(",") if entry.strip())

    @field_validator("provider")
    @classmethod
    def _known_routing(cls, value: dict[str, Any]) -> dict[str, Any]:
        if unknown := sorted(value.keys() - ROUTING):
            raise ValueError(f"{unknown[0]!r} is no routing option; known are {', '.join(sorted(ROUTING))}")
        json.dumps(value, allow_nan=False)
        return value

    @property
    def models(self) -> tuple[str, ...]:
        """The models in the order in which they are asked."""
        return (
            self.model,
            *(fallback_model for fallback_model in self.fallback_models if fallback_model != self.model),
        )

    @property
    def routing(self) -> dict[str, Any]:
        """OpenRouter's `provider` object: providers that keep data are refused unless the operator says otherwise."""
        return {"data_collection": "deny", **self.provider}

    def model_entry(self, slug: str, served_window: int | None = None) -> Model:
        """The model table's line for `slug` within the limits that the operator has set, and what the endpoint serves."""
        entry = model_entry(slug)
        window = served_window or entry.window
        return replace(
            entry,
            window=min(window, self.window or window),
            max_output=self.max_output or entry.max_output,
            images=self.images_per_request or entry.images,
        )

    @property
    def host(self) -> str:
        """The host that page text and images go to."""
        return urlsplit(self.base_url).hostname or self.base_url

    @property
    def origin(self) -> str:
        """The endpoint without path and login: scheme, host and port."""
        parts = urlsplit(self.base_url)
        return OFFLINE if self.model == OFFLINE else f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    @property
    def endpoint_name(self) -> str:
        """Name of the endpoint for people: its host, or the embedded model."""
        return "the embedded model" if self.model == OFFLINE else self.host

    @property
    def endpoint(self) -> str:
        """Key under which facts about the endpoint are kept: its host and the model."""
        return f"{self.host} {self.model}"

    @property
    def is_openrouter(self) -> bool:
        """True when requests go to OpenRouter: only there is its key used, and a key required."""
        return self.host == OPENROUTER_HOST or self.host.endswith(f".{OPENROUTER_HOST}")

    @property
    def key(self) -> SecretStr | None:
        """The key for this host."""
        return None if self.key_name is None else getattr(self, self.key_name)

    @property
    def key_name(self) -> Literal["api_key", "openrouter_api_key"] | None:
        """Setting that holds the key for this host."""
        if self.api_key is not None:
            return "api_key"
        return "openrouter_api_key" if self.is_openrouter and self.openrouter_api_key is not None else None

    @property
    def example_lines(self) -> tuple[str, ...]:
        """The lines of `examples`."""
        if self.examples is None:
            return ()
        try:
            return tuple(self.examples.read_text(encoding="utf-8").splitlines())
        except (OSError, UnicodeDecodeError) as error:
            what = getattr(error, "strerror", None) or "no text in UTF-8"
            raise ConfigurationError(f"PAGEMILL_EXAMPLES: {self.examples}: {what}") from error

    @property
    def passwords(self) -> tuple[str, ...]:
        """The passwords to try on encrypted documents, one a line of `passwords_file`."""
        if self.passwords_file is None:
            return ()
        try:
            return tuple(self.passwords_file.read_text(encoding="utf-8").splitlines())
        except OSError as error:
            raise ConfigurationError(f"PAGEMILL_PASSWORDS_FILE: {self.passwords_file}: {error.strerror}") from error


def load_settings(**flags: Any) -> Settings:
    """Settings with the `flags` that are not None on top. Raises ConfigurationError naming the variable at fault."""
    given = {name: value for name, value in flags.items() if value is not None}
    origins = Origins(Settings, given)
    origins.refuse(_NOT_OF_A_FILE)
    try:
        settings = Settings(**given)
    except ValidationError as failure:
        detail = failure.errors(include_url=False, include_input=False)[0]
        name = str(detail["loc"][0]) if detail["loc"] else "settings"
        flag = f"--{name.replace('_', '-')}" if name in given else f"PAGEMILL_{name.upper()}"
        raise ConfigurationError(f"{flag}: {setting_fault(detail)}") from None
    except SettingsError:
        raise ConfigurationError('PAGEMILL_PROVIDER: not JSON; an example is {"order": ["mistral"]}') from None
    if settings.key_name is not None and settings.base_url != Settings.model_fields["base_url"].default:
        origins.require_one_source(settings.key_name, "base_url", settings.host)
    lines = origins.lines()
    if lines and lines not in _SAID:
        _SAID.append(lines)
        for line in lines:
            say(line, "settings")
    return settings


def require_model(settings: Settings) -> None:
    """Refuse to start without a way to a model, saying what works now."""
    if settings.model == OFFLINE or settings.key is not None or not settings.is_openrouter:
        return
    raise ConfigurationError(
        f"no key for {settings.host}: set OPENROUTER_API_KEY or PAGEMILL_API_KEY. Without one these work now: "
        "`--model offline` (the embedded model), `pagemill estimate SOURCE`, `pagemill show DOCUMENT --type TYPE`, or "
        "PAGEMILL_BASE_URL=http://localhost:8000/v1 for a server of your own (vLLM, llama.cpp)"
    )
