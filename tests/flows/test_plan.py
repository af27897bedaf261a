"""What is done, held back and pending: by the ledger, never by a second record."""

import datetime

import pytest

from flows.plan import Failures

NOW = datetime.datetime(2026, 6, 1, 2, 0, tzinfo=datetime.UTC)


def failure(hours_ago: float, attempts: int, *, retryable: bool = True, recipe: str = "r") -> dict:
    at = NOW - datetime.timedelta(hours=hours_ago)
    return {"at": at, "attempts": attempts, "retryable": retryable, "recipe_id": recipe}


@pytest.mark.parametrize(
    ("last", "held"),
    [
        (failure(19, 1), True),
        (failure(21, 1), False),
        (failure(39, 2), True),
        (failure(41, 2), False),
        (failure(1_000, 5), True),
        (failure(1_000, 1, retryable=False), True),
        (failure(1, 5, recipe="older"), False),
    ],
    ids=["too soon", "due", "backs off", "due again", "ceiling", "not retryable", "new recipe"],
)
def test_a_failure_is_held_back_until_it_is_due(last: dict, held: bool) -> None:
    failures = Failures({"id": last}, {"/uri": last}, "r", NOW)
    assert failures.is_held_back("id", "/other") is held
    assert failures.is_held_back(None, "/uri") is held
    assert failures.attempts("id", "") == last["attempts"]
    assert not failures.is_held_back("another", "/uri")
