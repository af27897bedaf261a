"""Names of runs and shards: which are ours, of which run they are, and that no two kinds of them collide."""

import string

from hypothesis import given
from hypothesis import strategies as st

from flows.storage.run_ids import command_shard, is_our_name, new_run_id, run_of, shard_name

WORDS = st.text(string.ascii_lowercase, min_size=1, max_size=20)


@given(st.integers(min_value=0, max_value=10**9), WORDS)
def test_a_shard_of_a_command_has_the_name_of_no_shard_of_documents(number: int, word: str) -> None:
    run_id = new_run_id()
    assert shard_name(run_id, number) != command_shard(run_id, word)


@given(st.integers(min_value=0, max_value=10**9), WORDS)
def test_a_name_tells_its_run_and_is_known_as_ours(number: int, word: str) -> None:
    run_id = new_run_id()
    for name in (run_id, shard_name(run_id, number), command_shard(run_id, word)):
        assert run_of(name) == run_id
        assert is_our_name(name)


def test_names_of_others_are_not_ours() -> None:
    for name in ("", "notes", "2026-01-01", "20260101T000000", "20260101T000000-abc-00000-x", "../20260101T000000-abc"):
        assert not is_our_name(name)
