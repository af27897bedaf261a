"""Long or run away: told by the tail of an answer and by what its pages can make a model write."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.parse.finish_verdict import ending
from schemas.step_data import Completion


def completion(text: str, reason: str = "length", tokens: int = 500) -> Completion:
    return Completion("id", text, reason, "m", "m", None, 100, tokens, 0, 1.0, 1)


def rows(count: int) -> str:
    return json.dumps([{"name": f"article {number}", "price": number * 7 % 23} for number in range(count)])[:-9]


@pytest.mark.parametrize(
    "tail",
    [
        " " * 200,
        "\n" * 90,
        "\t\n " * 60,
        "and so on, " * 40,
        "0" * 300,
        "null, " * 80,
        '{"a": 1}, ' * 60,
        '"' + " \n" * 100,
    ],
)
def test_a_tail_that_goes_round_and_round_is_degenerate(tail: str) -> None:
    assert ending(completion('{"number": "7", "rows": [' + tail), 10_000, 5) == "degenerate"


def test_a_list_that_was_cut_is_long() -> None:
    for cut in range(1, 60):
        assert ending(completion(rows(200)[:-cut]), 10_000, 200) == "long"


@given(st.integers(20, 120), st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=8, max_size=40))
def test_equal_rows_that_the_pages_may_show_are_no_loop(count: int, name: str) -> None:
    text = "[" + ", ".join([json.dumps({"name": name, "quantity": 1})] * count)
    assert ending(completion(text + ', {"na'), 100_000, count) == "long"
    assert ending(completion(text + ", "), 100_000, count) == "long"


def test_more_than_the_pages_can_make_an_honest_model_write_is_degenerate() -> None:
    assert ending(completion(rows(200), tokens=8_192), 2_000, 200) == "degenerate"
    assert ending(completion(rows(200), tokens=8_192), 20_000, 200) == "long"


@pytest.mark.parametrize(
    ("text", "reason", "found"),
    [
        ("{}", "stop", "whole"), ("", "stop", "empty"), (" \n", "stop", "empty"), ("", "length", "degenerate"),
        ("", "content_filter", "filtered"), ("{}", "content_filter", "filtered"), ("no", "refusal", "refused"),
        ('{"a": 1}' + " " * 500, "stop", "whole"), ("{}", "unknown", "whole"),
    ],
)  # fmt: skip
def test_the_finish_reason_comes_first(text: str, reason: str, found: str) -> None:
    assert ending(completion(text, reason), 1_000, 5) == found
