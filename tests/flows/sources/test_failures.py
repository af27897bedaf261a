"""When a failure is due again."""

import datetime

import pyarrow as pa
import pytest

from flows.sources.failures import FAILURE_COLUMNS, Failures, Retry
from schemas.tables import SHARD_TABLES

NOW = datetime.datetime(2026, 6, 1, 2, 0, tzinfo=datetime.UTC)
SCHEMA = pa.schema([SHARD_TABLES["failures"].field(name) for name in FAILURE_COLUMNS])


def failure(hours_ago: float, attempts: int, **other: object) -> dict:
    at = NOW - datetime.timedelta(hours=hours_ago)
    row = {"document_id": "id", "source_uri": "/uri", "at": at, "error": "SandboxLimitError", "attempts": attempts}
    row["run_id"] = f"{at:%Y%m%dT%H%M%S}-aaaaaa"
    return {**row, "retryable": True, "recipe_id": "r", **other}


def failures(*rows: dict, retries: tuple[Retry, ...] = ()) -> Failures:
    return Failures(pa.Table.from_pylist(list(rows), SCHEMA), "r", NOW, retries)


@pytest.mark.parametrize(
    ("last", "held"),
    [
        (failure(19, 1), True),
        (failure(20, 1), False),
        (failure(39, 2), True),
        (failure(41, 2), False),
        (failure(159, 4), True),
        (failure(161, 4), False),
        (failure(1_000, 5), True),
        (failure(1_000, 1, retryable=False), True),
        (failure(1, 5, recipe_id="older"), False),
        (failure(-30_000, 1), False),
        (failure(-30_000, 1, run_id=f"{NOW - datetime.timedelta(hours=19):%Y%m%dT%H%M%S}-aaaaaa"), True),
        (failure(-30_000, 1, run_id=f"{NOW - datetime.timedelta(hours=21):%Y%m%dT%H%M%S}-aaaaaa"), False),
    ],
    ids=[
        "too-soon",
        "due",
        "backs-off",
        "due-again",
        "fourth",
        "due-a-fourth-time",
        "ceiling",
        "not-retryable",
        "new-recipe",
        "of-a-wrong-clock",
        "after-one-of-a-wrong-clock",
        "after-one-of-a-wrong-clock-and-due",
    ],
)
def test_a_failure_is_held_back_until_it_is_due(last: dict, held: bool) -> None:
    known = failures(last)
    assert known.is_held_back("id") is held
    assert known.held_ids.to_pylist() == ["id"] * held
    assert known.attempts("id", "") == last["attempts"]
    assert not known.is_held_back("another")
    unread = failures({**last, "document_id": None})
    assert unread.held_uris.to_pylist() == ["/uri"] * held
    assert unread.attempts(None, "/uri") == last["attempts"]


def test_the_newest_failure_counts_and_of_equal_times_the_later_row() -> None:
    known = failures(failure(30, 2), failure(50, 1), failure(30, 3))
    assert known.attempts("id", "") == 3
    assert known.is_held_back("id")


def test_what_somebody_made_due_is_due_and_counted_anew_until_it_fails_again() -> None:
    word = Retry(NOW - datetime.timedelta(hours=1))
    assert not failures(failure(2, 5, retryable=False), retries=(word,)).is_held_back("id")
    assert failures(failure(2, 5), retries=(word,)).attempts("id", "") == 0
    since = failures(failure(2, 5), failure(0.5, 1), retries=(word,))
    assert since.is_held_back("id")
    assert since.attempts("id", "") == 1
    named = Retry(NOW, "EncryptedDocumentError")
    assert failures(failure(2, 1), retries=(named,)).is_held_back("id")
    assert not failures(failure(2, 1, error="EncryptedDocumentError", retryable=False), retries=(named,)).is_held_back(
        "id"
    )
