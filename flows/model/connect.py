"""Address and key of the model: the configured endpoint, or the embedded model for as long as it is needed."""

from collections.abc import Iterator
from contextlib import contextmanager

from flows.settings import Settings
from schemas.models import OFFLINE


@contextmanager
def model_address(settings: Settings) -> Iterator[tuple[str, str | None]]:
    """Base URL and key of the model."""
    if settings.model == OFFLINE:
        from flows.offline.server import OfflineModel

        with OfflineModel() as offline:
            yield offline.base_url, offline.api_key
    else:
        yield settings.base_url, settings.key.get_secret_value() if settings.key else None
