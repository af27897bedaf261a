"""Calls in flight: halved once per window of refusals, grown by one per window of successes, one at a time while in doubt."""

import asyncio
import time

import pytest

from flows.model.concurrency import DOWN_AFTER, HEAD_START, Concurrency, Outage
from tests.support.virtual_time import in_virtual_time


def answered(ceiling: int, **options: object) -> Concurrency:
    """The pressure of an endpoint that has answered before."""
    pressure = Concurrency(ceiling, **options)
    pressure.succeeded()
    return pressure


async def in_flight(pressure: Concurrency, calls: int, seconds: float) -> int:
    """How many calls are in flight after so many seconds."""
    now = 0

    async def call() -> None:
        nonlocal now
        async with pressure.slot():
            now += 1
            await asyncio.sleep(10)

    tasks = [asyncio.create_task(call()) for _ in range(calls)]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return now


def test_refusals_of_one_window_halve_once_and_a_second_window_pauses_everybody() -> None:
    async def check() -> None:
        pressure = answered(16, first_pause=0.2)
        for _ in range(16):
            pressure.turned_away(None)
        assert pressure.limit == 8
        assert await in_flight(pressure, 16, 0.05) == 8  # half as many go on
        await asyncio.sleep(0.3)
        pressure.turned_away(None)
        assert pressure.limit == 4
        assert await in_flight(pressure, 16, 0.1) == 0  # again, and no answer in between
        await asyncio.sleep(0.5)
        assert await in_flight(pressure, 16, 0.1) == 4

    in_virtual_time(check())


def test_a_retry_after_sets_the_pause() -> None:
    async def check() -> None:
        pressure = answered(4, first_pause=30.0)
        pressure.turned_away(0.2)
        began = time.monotonic()
        async with pressure.slot():
            assert time.monotonic() - began == pytest.approx(0.2, rel=0.3)  # not the first pause

    in_virtual_time(check())


def test_successes_grow_by_one_a_window_up_to_the_ceiling() -> None:
    pressure = Concurrency(4, first_pause=0.01)
    pressure.turned_away(0.0)
    assert pressure.limit == 2
    for _ in range(2):
        pressure.succeeded()
    assert pressure.limit == 3
    for _ in range(100):
        pressure.succeeded()
    assert pressure.limit == 4


def test_no_more_calls_than_the_limit_are_in_flight() -> None:
    async def check() -> int:
        pressure = answered(3)
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

    assert in_virtual_time(check()) == 3


def test_the_first_request_goes_alone_for_a_moment_and_alone_until_an_answer_once_it_failed() -> None:
    async def check() -> None:
        assert await in_flight(Concurrency(8), 8, HEAD_START / 2) == 1
        assert await in_flight(Concurrency(8), 8, HEAD_START + 0.3) == 8
        failing = Concurrency(8, first_pause=0.01)
        failing.failed(time.monotonic())
        assert await in_flight(failing, 8, HEAD_START + 0.3) == 1

    in_virtual_time(check())


def test_a_request_that_fails_first_gives_way_to_the_next() -> None:
    async def check() -> list[str]:
        pressure = Concurrency(8, first_pause=0.01)
        order: list[str] = []

        async def call(name: str) -> None:
            async with pressure.slot():
                order.append(name)
                await asyncio.sleep(0.01)
                if name == "bad":
                    pressure.failed(time.monotonic())
                else:
                    pressure.succeeded()

        async def bad() -> None:
            for failures in range(1, 4):
                await call("bad")
                await asyncio.sleep(pressure.alone(failures))

        await asyncio.gather(bad(), *(call(f"good{number}") for number in range(3)))
        return order

    order = in_virtual_time(check())
    assert order[0] == "bad"
    assert order[1].startswith("good")


def test_calls_that_fail_one_by_one_between_successes_slow_nobody_down() -> None:
    pressure = answered(8)
    for _ in range(50):
        pressure.failed(time.monotonic())
        pressure.succeeded()
    assert pressure.limit == 8


def test_it_knows_how_long_the_endpoint_has_failed() -> None:
    pressure = Concurrency(1)
    assert pressure.turned_away(10.0) >= 10.0
    assert pressure.turned_away(30.0) >= 30.0


def test_a_success_ends_the_time_of_failing() -> None:
    async def check() -> None:
        pressure = Concurrency(1)
        pressure.turned_away(0.0)
        await asyncio.sleep(0.05)
        assert pressure.turned_away(0.0) >= 0.049
        pressure.succeeded()
        assert pressure.turned_away(0.0) < 0.049

    in_virtual_time(check())


def test_an_outage_is_told_once_it_is_one_and_its_end_too() -> None:
    async def check() -> None:
        told: list[Outage | None] = []
        pressure = answered(8, first_pause=0.001, longest_pause=0.001)
        pressure.on_outage = told.append
        for _ in range(DOWN_AFTER):
            assert told == []
            pressure.turned_away(None, "503: no room")
            await asyncio.sleep(0.005)
        assert [each.reason for each in told if each is not None] == ["503: no room"]
        assert await in_flight(pressure, 8, 0.1) == 1  # one at a time asks whether it is back
        pressure.succeeded()
        assert told[-1] is None

    in_virtual_time(check())
