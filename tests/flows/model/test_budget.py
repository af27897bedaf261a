"""Money: whatever calls do, what may be billed never passes the cap, and room that comes free is used."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.model.budget import Spending
from schemas.errors import BudgetExceededError
from schemas.step_data import Completion
from tests.support.examples import examples


def completion(cost: int) -> Completion:
    return Completion("id", "{}", "stop", "m", "m", None, 10, 5, cost, 0.1, 1)


@settings(max_examples=examples(60))
@given(
    st.integers(100, 2_000),
    st.lists(st.tuples(st.integers(1, 90), st.sampled_from(["answered", "cut", "turned away"])), max_size=60),
    st.integers(0, 2**16),
)
def test_what_may_be_billed_never_passes_the_cap(cap: int, calls: list[tuple[int, str]], seed: int) -> None:
    chance = random.Random(seed)
    billed = 0

    async def call(spending: Spending, most: int, end: str) -> None:
        nonlocal billed
        try:
            reserved = await spending.reserve(most)
        except BudgetExceededError:
            return
        await asyncio.sleep(0)
        cost = chance.randint(0, most) if end == "answered" else most if end == "cut" else 0
        billed += cost
        if end == "answered":
            await spending.settle(reserved, completion(cost))
        else:
            await (spending.cut(reserved) if end == "cut" else spending.release(reserved))
        assert billed <= spending.spent_nusd + spending.reserved_nusd <= cap

    async def check() -> Spending:
        spending = Spending(cap)
        await asyncio.gather(*(call(spending, most, end) for most, end in calls))
        return spending

    spending = asyncio.run(check())
    assert spending.reserved_nusd == 0
    assert spending.spent_nusd == billed <= cap


def test_a_call_waits_for_those_in_flight_before_the_budget_is_said_to_be_spent() -> None:
    async def check() -> None:
        spending = Spending(100)
        first = await spending.reserve(90)
        waiting = asyncio.create_task(spending.reserve(50))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        await spending.settle(first, completion(20))
        assert await waiting == 50
        await spending.cut(50)
        with pytest.raises(BudgetExceededError, match="may cost"):
            await spending.reserve(50)

    asyncio.run(check())


def test_without_a_cap_nothing_waits_and_all_is_counted() -> None:
    async def check() -> Spending:
        spending = Spending()
        for _ in range(3):
            await spending.settle(await spending.reserve(None), completion(7))
        return spending

    spending = asyncio.run(check())
    assert (spending.spent_nusd, spending.requests, spending.prompt_tokens, spending.cut_calls) == (21, 3, 30, 0)
