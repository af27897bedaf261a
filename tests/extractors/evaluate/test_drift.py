"""Breaks against nights that are known to be honest, and nights that are known not to be."""

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.evaluate.drift import (
    CHANCE,
    LEAST_CHANGE,
    LEAST_NIGHTS,
    NIGHTS,
    Break,
    Count,
    RateKey,
    _tail,
    find_breaks,
)

VENDORS = tuple(f"Vendor {number}" for number in range(20))
FIELDS = ("/number", "/issue_date", "/gross_total", "/due_date", "/line_items/*/amount")
TOTAL = RateKey("filled", "/gross_total", "Vendor 3")


def night(random_: random.Random, habits: dict[str, list[float]]) -> dict[RateKey, Count]:
    """Each vendor's documents of one night: how many, and their habit, differ from night to night."""
    found: dict[RateKey, Count] = {}
    for vendor in VENDORS:
        total = random_.randint(0, 12)
        if not total:
            continue
        for field, share in zip(FIELDS, habits[vendor], strict=True):
            swayed = min(1.0, max(0.0, share + random_.gauss(0, 0.1) if 0 < share < 0.95 else share))
            found[RateKey("filled", field, vendor)] = Count(sum(random_.random() < swayed for _ in range(total)), total)
            found[RateKey("failed_check", field, vendor)] = Count(
                sum(random_.random() > swayed for _ in range(total)), total
            )
        found[RateKey("cost_per_page", None, vendor)] = Count(0.0003 * total * random_.uniform(0.9, 1.1), total)
    return found


def history(random_: random.Random, habits: dict[str, list[float]], nights: int = NIGHTS) -> dict[RateKey, list[Count]]:
    before: dict[RateKey, list[Count]] = {}
    for _ in range(nights):
        for key, each in night(random_, habits).items():
            before.setdefault(key, []).append(each)
    return before


def habits_of(random_: random.Random) -> dict[str, list[float]]:
    return {vendor: [random_.choice([1.0, 1.0, 0.98, 0.9, 0.5, 0.0]) for _ in FIELDS] for vendor in VENDORS}


@pytest.mark.parametrize("seed", range(40))
def test_honest_nights_raise_no_alarm(seed: int) -> None:
    random_ = random.Random(seed)
    habits = habits_of(random_)
    before = history(random_, habits)
    assert find_breaks(night(random_, habits), before) == []


@pytest.mark.parametrize("seed", range(20))
def test_a_vendor_whose_totals_are_no_longer_found_is_named_the_next_morning(seed: int) -> None:
    random_ = random.Random(seed)
    habits = habits_of(random_)
    habits["Vendor 3"][2] = 0.98
    before = history(random_, habits)
    tonight = night(random_, habits) | {TOTAL: Count(0, 8)}
    found = find_breaks(tonight, before)
    assert [each.key for each in found] == [TOTAL]
    assert found[0].text.startswith("Vendor 3: /gross_total has a value in 0% of 8, was ")


def test_a_page_that_costs_twice_as_much_is_a_break() -> None:
    random_ = random.Random(1)
    key = RateKey("cost_per_page", None, None)
    before = {key: [Count(0.03 * random_.uniform(0.9, 1.1), 100) for _ in range(NIGHTS)]}
    assert find_breaks({key: Count(0.033, 100)}, before) == []
    assert [each.key for each in find_breaks({key: Count(0.06, 100)}, before)] == [key]


def test_what_gets_better_is_no_break() -> None:
    before = {TOTAL: [Count(1, 10)] * NIGHTS, RateKey("partial", None, None): [Count(9, 10)] * NIGHTS}
    assert find_breaks({TOTAL: Count(10, 10), RateKey("partial", None, None): Count(0, 10)}, before) == []


def test_there_is_nothing_to_compare_with_after_few_nights() -> None:
    nights = [Count(10, 10)] * LEAST_NIGHTS
    assert find_breaks({TOTAL: Count(0, 10)}, {TOTAL: nights[1:]}) == []
    assert len(find_breaks({TOTAL: Count(0, 10)}, {TOTAL: nights})) == 1


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=LEAST_NIGHTS, max_size=NIGHTS),
    st.integers(0, 9),
    st.integers(1, 9),
)
def test_a_break_is_improbable_and_large(nights: list[tuple[int, int]], count: int, total: int) -> None:
    before = {TOTAL: [Count(min(each), max(each)) for each in nights]}
    for each in find_breaks({TOTAL: Count(min(count, total), total)}, before):
        assert isinstance(each, Break)
        assert each.chance <= CHANCE
        assert each.before - each.tonight >= LEAST_CHANGE


@given(st.integers(1, 40), st.integers(0, 50), st.integers(0, 300))
def test_the_tail_is_a_distribution(total: int, bad_before: int, good_before: int) -> None:
    tails = [_tail(bad, total, bad_before, bad_before + good_before) for bad in range(total + 1)]
    assert math.isclose(tails[0], 1.0, rel_tol=1e-9)
    assert all(more >= fewer for more, fewer in pairwise(tails))


def test_the_tail_of_one_is_the_mean_of_what_was_before() -> None:
    assert math.isclose(_tail(1, 1, 3, 10), 3.5 / 11)  # Jeffreys: half a one on either side
