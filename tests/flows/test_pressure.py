"""Calls in flight: halved once per window of refusals, grown by one per window of successes, never above the ceiling."""

import asyncio
import time

from flows.pressure import Pressure


def test_refusals_of_one_window_halve_once_and_pause_everybody() -> None:
    async def check() -> None:
        pressure = Pressure(16, first_pause=0.2)
        for _ in range(16):
            pressure.refused(None)
        assert pressure.limit == 8
        began = time.monotonic()
        async with pressure.slot():
            assert time.monotonic() - began > 0.1

    asyncio.run(check())


def test_successes_grow_by_one_a_window_up_to_the_ceiling() -> None:
    pressure = Pressure(4, first_pause=0.0)
    pressure.refused(0.0)
    assert pressure.limit == 2
    for _ in range(2):
        pressure.succeeded()
    assert pressure.limit == 3
    for _ in range(100):
        pressure.succeeded()
    assert pressure.limit == 4


def test_no_more_calls_than_the_limit_are_in_flight() -> None:
    async def check() -> int:
        pressure = Pressure(3)
        now = most = 0

        async def call() -> None:
            nonlocal now, most
            async with pressure.slot():
                now += 1
                most = max(most, now)
                await asyncio.sleep(0.01)
                now -= 1

        await asyncio.gather(*(call() for _ in range(20)))
        return most

    assert asyncio.run(check()) == 3


def test_it_knows_how_long_the_endpoint_has_failed() -> None:
    pressure = Pressure(1)
    assert pressure.refused(10.0) >= 10.0
    assert pressure.refused(30.0) >= 30.0


def test_a_success_ends_the_time_of_failing() -> None:
    pressure = Pressure(1)
    pressure.refused(0.0)
    time.sleep(0.05)
    assert pressure.refused(0.0) >= 0.05
    pressure.succeeded()
    assert pressure.refused(0.0) < 0.05
