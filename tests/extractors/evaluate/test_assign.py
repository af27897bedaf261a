"""Rows of two lists are paired so that most of their values agree."""

import itertools

import lap
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.evaluate.assign import MOST_ASSIGNED_ROWS, assign

ROWS = st.lists(
    st.fixed_dictionaries({name: st.sampled_from([None, 1, 2, 3]) for name in ("/a", "/b", "/c")}), max_size=5
)


def agreeing(truth: list, found: list, pairs: dict[int, int]) -> int:
    return sum(
        truth[one][path] is not None and truth[one][path] == found[other][path]
        for one, other in pairs.items()
        for path in truth[one]
    )


@given(ROWS, ROWS)
def test_no_other_pairing_agrees_in_more_values(truth: list, found: list) -> None:
    pairs = assign(truth, found)
    assert len(set(pairs.values())) == len(pairs)
    few, many = sorted([range(len(truth)), range(len(found))], key=len)
    best = 0
    for chosen in itertools.permutations(many, len(few)):
        both = zip(few, chosen, strict=True) if few == range(len(truth)) else zip(chosen, few, strict=True)
        best = max(best, agreeing(truth, found, dict(both)))
    assert agreeing(truth, found, pairs) == best


def test_rows_without_an_agreeing_value_have_no_counterpart() -> None:
    assert assign([{"/a": 1, "/b": None}], [{"/a": 2, "/b": None}]) == {}


def test_equal_rows_keep_their_order() -> None:
    row = {"/a": 1}
    assert assign([row, row, row], [row, row]) == {0: 0, 1: 1}


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sides of every matrix that is assigned."""
    seen: list[int] = []

    solve = lap.lapjv

    def seen_and_solved(cost: np.ndarray, **options: bool) -> tuple[np.ndarray, np.ndarray]:
        seen.extend(cost.shape)
        return solve(cost, **options)

    monkeypatch.setattr(lap, "lapjv", seen_and_solved)
    return seen


def test_a_long_list_is_paired_by_what_occurs_once_without_a_matrix_of_all_by_all(sizes: list[int]) -> None:
    """5,000 rows, none of which agrees in all, 5 % missing and the rest moved: far above the size that is assigned in one go."""
    truth = [
        {"/number": f"A{place}", "/amount": place % 97, "/text": place % 11} for place in range(5 * MOST_ASSIGNED_ROWS)
    ]
    found = [{**row, "/amount": -1} for place, row in enumerate(truth) if place % 20]
    found = found[len(found) // 2 :] + found[: len(found) // 2]
    pairs = assign(truth, found)
    assert all(truth[one]["/number"] == found[other]["/number"] for one, other in pairs.items())
    assert len(pairs) == len(found)
    assert max(sizes, default=0) <= MOST_ASSIGNED_ROWS


def test_long_lists_without_any_unique_value_are_paired_in_blocks(sizes: list[int]) -> None:
    truth = [{"/a": place % 7, "/b": 1} for place in range(2 * MOST_ASSIGNED_ROWS)]
    found = [{"/a": place % 7, "/b": 2} for place in range(2 * MOST_ASSIGNED_ROWS)]
    assert agreeing(truth, found, assign(truth, found)) == 2 * MOST_ASSIGNED_ROWS
    assert max(sizes) <= MOST_ASSIGNED_ROWS
