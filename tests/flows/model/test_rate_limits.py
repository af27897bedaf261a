"""Rates: shared by all who use one file, a burst of six seconds, and permits of Prefect taken in blocks."""

import asyncio
import time
from pathlib import Path

import pytest

from flows.model.rate_limits import BLOCK, BURST, GlobalPermits, MachineLimits
from schemas.errors import ModelUnavailableError


def waits(limits: MachineLimits, calls: int, tokens: int = 0) -> list[float]:
    return [limits._add({"requests": 1, "tokens": tokens}) for _ in range(calls)]


def test_a_burst_is_let_through_and_then_the_rate_is_kept(tmp_path: Path) -> None:
    found = waits(MachineLimits(tmp_path / "limits.json", 60, None), 20)
    assert all(wait <= 0 for wait in found[: int(BURST)])
    assert found[-1] == pytest.approx(19 - BURST, abs=1.0)


def test_two_processes_share_one_rate(tmp_path: Path) -> None:
    one, two = (MachineLimits(tmp_path / "limits.json", 60, None) for _ in range(2))
    together = [wait for pair in zip(waits(one, 5), waits(two, 5), strict=True) for wait in pair]
    assert max(together) > 2


def test_tokens_of_answers_are_owed_by_the_next_call(tmp_path: Path) -> None:
    limits = MachineLimits(tmp_path / "limits.json", None, 6_000)
    assert waits(limits, 1, tokens=500)[0] <= 0
    asyncio.run(limits.owe(2_000))
    assert waits(limits, 1, tokens=1)[0] == pytest.approx(25 - BURST, abs=1.0)


def test_a_clock_that_jumped_is_no_debt(tmp_path: Path) -> None:
    path = tmp_path / "limits.json"
    path.write_text('{"requests": %f}' % (time.time() + 10**7))
    assert waits(MachineLimits(path, 60, None), 1)[0] <= 120


@pytest.mark.parametrize("content", ["", "[]", "{", "null"])
def test_a_damaged_file_is_no_reason_to_stop(tmp_path: Path, content: str) -> None:
    path = tmp_path / "limits.json"
    path.write_text(content)
    assert waits(MachineLimits(path, 60, None), 1)[0] <= 0


@pytest.mark.whole_machine
@pytest.mark.through_prefect
def test_permits_of_a_global_limit_are_taken_in_blocks_and_a_missing_limit_says_how_to_make_it(
    offline_engine: object,
) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
    from prefect.settings import PREFECT_API_URL, temporary_settings

    async def check() -> list[int]:
        async with get_client() as client:
            await client.create_global_concurrency_limit(
                GlobalConcurrencyLimitCreate(
                    name="mistral", limit=3 * BLOCK, slot_decay_per_second=0.01, active_slots=0
                )
            )
            permits = GlobalPermits("mistral")
            taken = []
            for _ in range(BLOCK + 1):
                await permits.take()
                limit = await client.read_global_concurrency_limit_by_name("mistral")
                taken.append(round(limit.active_slots))
            with pytest.raises(ModelUnavailableError, match="prefect gcl create nobody"):
                await GlobalPermits("nobody").take()
            await GlobalPermits(None).take()
            return taken

    with temporary_settings({PREFECT_API_URL: offline_engine.prefect_url or offline_engine.server.url()}):
        taken = asyncio.run(check())
    assert set(taken[:BLOCK]) <= {BLOCK, BLOCK - 1}
    assert taken[BLOCK] in {2 * BLOCK, 2 * BLOCK - 1}
