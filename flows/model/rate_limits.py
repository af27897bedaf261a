"""Limits of requests and tokens per minute, where the operator has set them.

On one machine they are counted in a file, on several machines by a global concurrency limit of Prefect.

The file holds the theoretical arrival time of the next call and of its tokens (the generic cell rate algorithm, ITU-T
I.371 annex A), so that all processes of a machine share one rate per endpoint. An acquisition of Prefect's limits costs
about 100 ms (PREFECT.md), so permits are taken in blocks.
"""

import asyncio
import json
import time
from pathlib import Path

from flows.durable_files import make_private
from flows.storage.backends.locks import exclusive
from schemas.errors import ModelUnavailableError

BURST = 6.0  # seconds of the rate that may be used at once
_LONGEST_DEBT = 120.0  # seconds: a later arrival time comes from a clock that was set back
BLOCK = 20  # permits of a global limit taken at a time


class MachineLimits:
    """Limits of requests and tokens per minute, over all processes that share the file at `path`."""

    def __init__(self, path: Path, requests: int | None, tokens: int | None) -> None:
        self._path = path
        self._rates = {
            name: rate / 60 for name, rate in (("requests", requests), ("tokens", tokens)) if rate is not None
        }

    async def enter(self, tokens: int) -> None:
        """Wait until a call of `tokens` prompt tokens may begin."""
        if not self._rates:
            return
        wait = await asyncio.to_thread(self._add, {"requests": 1, "tokens": tokens})
        if wait > 0:
            await asyncio.sleep(wait)

    async def owe(self, tokens: int) -> None:
        """Count the tokens of an answer; the next call waits for them."""
        if "tokens" in self._rates:
            await asyncio.to_thread(self._add, {"tokens": tokens})

    def _add(self, amounts: dict[str, int]) -> float:
        """Add amounts to the file; returns the seconds to wait."""
        make_private(self._path.parent)
        wait = 0.0
        with exclusive(self._path.with_suffix(".lock")):
            arrivals = _read(self._path)
            now = time.time()
            for name, rate in self._rates.items():
                if name not in amounts:
                    continue
                paid_at = min(max(arrivals.get(name, 0.0), now), now + _LONGEST_DEBT)
                wait = max(wait, paid_at - BURST - now)
                arrivals[name] = paid_at + amounts[name] / rate
            self._path.write_text(json.dumps(arrivals))
        return wait


class GlobalPermits:
    """Permits of the Prefect global concurrency limit `name`, which must have a slot decay; none for a `name` of None."""

    def __init__(self, name: str | None, block: int = BLOCK) -> None:
        self._name = name
        self._block = block
        self._left = 0
        self._lock = asyncio.Lock()

    async def take(self) -> None:
        """Wait for one permit. Raises ModelUnavailableError for a limit that does not exist or is smaller than a block."""
        if self._name is None:
            return
        async with self._lock:
            if not self._left:
                await self._take_block(self._name)
                self._left = self._block
            self._left -= 1

    async def _take_block(self, name: str) -> None:
        from prefect.concurrency.asyncio import rate_limit

        try:
            await rate_limit(name, occupy=self._block, strict=True)
        except Exception as error:  # Prefect raises several kinds, some of httpx
            raise ModelUnavailableError(
                f"PAGEMILL_GLOBAL_LIMIT: Prefect's global limit {name!r} gave no {self._block} permits ({error}); make it with "
                f"`prefect gcl create {name} --limit {self._block} --slot-decay-per-second RATE`",
                refused=True,
            ) from error


def _read(path: Path) -> dict[str, float]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {name: float(at) for name, at in content.items() if isinstance(at, int | float)}
