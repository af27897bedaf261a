"""Facts about endpoints, learned from their answers and kept for a day: `_work/endpoints.json`."""

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from flows.durable_files import make_private, write_durably
from flows.settings import Settings
from flows.storage.backends.disk import DiskStore
from flows.storage.backends.keys import own_name, own_path
from flows.storage.backends.layout import LOCK_FILE, WORK
from flows.storage.backends.locks import exclusive
from flows.storage.dataset import Dataset

KEPT_SECONDS = 24 * 3600.0


class EndpointMemory:
    """The facts of one endpoint (host and model) in the file at `path`; the file at `lock` is its lock."""

    def __init__(self, path: Path, lock: Path, endpoint: str) -> None:
        self._path = path
        self._lock = lock
        self._endpoint = endpoint

    def recall(self) -> Mapping[str, Any]:
        """Facts of the last KEPT_SECONDS; empty where the file cannot be read."""
        facts = self._all().get(self._endpoint, {})
        at = facts.get("at") if isinstance(facts, dict) else None
        return facts if isinstance(at, int | float) and 0 <= time.time() - at < KEPT_SECONDS else {}

    def keep(self, **facts: Any) -> None:
        """Remember `facts`; where the file cannot be written, they are learned again."""
        with suppress(OSError), exclusive(self._lock):
            everything = self._all()
            everything[self._endpoint] = {**self.recall(), **facts, "at": time.time()}
            write_durably(self._path, json.dumps(everything, indent=1).encode())

    def _all(self) -> dict[str, Any]:
        try:
            content = json.loads(self._path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}


def memory_of(dataset: Dataset, settings: Settings) -> EndpointMemory:
    """The memory of the settings' endpoint: beside a dataset on disk, else in the user's cache."""
    if isinstance(dataset.store, DiskStore):
        root = dataset.store.root
        facts, lock = own_name(root, f"{WORK}/endpoints.json"), own_path(root, LOCK_FILE)
        return EndpointMemory(facts, lock, settings.endpoint)
    cache = settings.cache_dir
    make_private(cache)
    return EndpointMemory(cache / "endpoints.json", cache / "endpoints.lock", settings.endpoint)
