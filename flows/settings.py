"""The environment and `.env`, read here and nowhere else. A flag of the command line wins over both."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.errors import ConfigurationError
from schemas.models import OFFLINE

OPENROUTER_HOST = "openrouter.ai"


class Settings(BaseSettings):
    """Every setting with its default; the variable is the name in capitals behind `PAGEMILL_`."""

    model_config = SettingsConfigDict(
        env_prefix="PAGEMILL_", env_file=".env", extra="ignore", frozen=True, populate_by_name=True
    )

    base_url: str = "https://openrouter.ai/api/v1"
    api_key: SecretStr | None = None
    openrouter_api_key: SecretStr | None = Field(None, validation_alias=AliasChoices("OPENROUTER_API_KEY"))
    model: str = "mistralai/mistral-small-3.1-24b-instruct"
    concurrency: Annotated[int, Field(ge=1, le=1024)] = 16
    patience: Annotated[float, Field(ge=0)] = 6 * 3600.0  # seconds to wait for a failing endpoint
    request_timeout: Annotated[float, Field(gt=0)] = 600.0  # seconds for one answer
    price_in: Annotated[float, Field(ge=0)] | None = None  # USD per million tokens
    price_out: Annotated[float, Field(ge=0)] | None = None
    images: Literal["auto", "never", "pages"] = "auto"
    attachments: Literal["never", "text"] = "never"  # offer embedded text files to the model
    shard_size: Annotated[int, Field(ge=1, le=100_000)] = 256  # documents
    shard_bytes: Annotated[int, Field(ge=1)] = 256 * 1024 * 1024
    chunk_tokens: Annotated[int, Field(ge=256)] | None = None  # cap of one request's pages
    workers: Annotated[int, Field(ge=1, le=256)] = max(1, os.cpu_count() or 1)  # split processes
    split_seconds: Annotated[float, Field(gt=0)] = 300.0  # for one document
    split_memory: Annotated[int, Field(ge=1 << 28)] = 4 << 30  # bytes of address space of one split process
    passwords_file: Path | None = None
    cache_dir: Path = Path(platformdirs.user_cache_dir("pagemill"))

    @property
    def host(self) -> str:
        """The host that page text and images go to."""
        return urlsplit(self.base_url).hostname or self.base_url

    @property
    def is_openrouter(self) -> bool:
        """True when requests go to OpenRouter: only there is its key used, and a key required."""
        return self.host == OPENROUTER_HOST or self.host.endswith(f".{OPENROUTER_HOST}")

    @property
    def key(self) -> SecretStr | None:
        """The key for this host."""
        if self.api_key is not None:
            return self.api_key
        return self.openrouter_api_key if self.is_openrouter else None

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
    """The settings with `flags` that are not null on top. Raises ConfigurationError naming the variable at fault."""
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as failure:
        detail = failure.errors(include_url=False, include_input=False)[0]
        name = str(detail["loc"][0]) if detail["loc"] else "settings"
        flag = f"--{name.replace('_', '-')}" if name in given else f"PAGEMILL_{name.upper()}"
        raise ConfigurationError(f"{flag}: {detail['msg']}") from None


def require_model(settings: Settings) -> None:
    """Refuse to start without a way to a model, saying what works now."""
    if settings.model == OFFLINE or settings.key is not None or not settings.is_openrouter:
        return
    raise ConfigurationError(
        f"no key for {settings.host}: set OPENROUTER_API_KEY or PAGEMILL_API_KEY. Without one these work now: "
        "`--model offline` (the embedded model), `pagemill estimate SOURCE`, `pagemill show DOCUMENT --type TYPE`, or "
        "PAGEMILL_BASE_URL=http://localhost:8000/v1 for a server of your own (vLLM, llama.cpp)"
    )
