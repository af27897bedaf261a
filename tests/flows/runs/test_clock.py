"""A system clock that jumps, to and fro by years, between commands and in the middle of them: nothing lost, nothing doubled.

Patched are `datetime.datetime.now`, `time.time` and `time.time_ns`, which is all of the wall clock that Pagemill asks. Files keep
their real times. Leases on a disk are locks, and on an object store go by the observer's monotonic clock: no wall clock.
"""

import datetime
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pyarrow.acero  # noqa: F401 - which will not be imported while the clock is patched
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from flows import cli
from flows.runs.forget import forget
from flows.runs.resources import Engine
from flows.runs.retry import retry
from flows.settings import load_settings
from flows.storage.find import find_documents
from flows.storage.open import read_dataset
from flows.storage.verify import verify
from tests.support.examples import examples
from tests.support.outcomes import rows
from tests.support.painted import Studio, studio
from tests.support.quick import quick

HOUR, YEAR = 3600, 365 * 24 * 3600  # seconds
_now, _time, _time_ns = datetime.datetime.now, time.time, time.time_ns


class _IsTime(type):
    """So that real times, which Arrow makes, are of the patched class, too."""

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, _REAL)


_REAL = datetime.datetime


class Clock:
    """The patched wall clock: `ahead` seconds of the real one; `drift` is added each time that somebody looks."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self.drift = 0.0

    def look(self) -> float:
        self.ahead += self.drift
        return self.ahead

    @contextmanager
    def patched(self) -> Iterator[None]:
        clock = self

        class Jumping(_REAL, metaclass=_IsTime):
            @classmethod
            def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
                return _now(tz) + datetime.timedelta(seconds=clock.look())

        with (
            mock.patch("datetime.datetime", Jumping),
            mock.patch("time.time", lambda: _time() + clock.look()),
            mock.patch("time.time_ns", lambda: _time_ns() + round(clock.look() * 1e9)),
            quick(),
        ):
            yield


def check(place: Studio, expected: dict[str, str]) -> None:
    """Every document is there once, in its newest version; keys, sums and numbers hold, and `changes` is in order."""
    assert dict(rows(place.out, "paint", "file_name, split_part(name, '/', 1)")) == expected
    assert rows(place.out, "documents", "count(*), count(distinct document_id)") == [(len(expected),) * 2]
    changes = sorted(rows(place.out, "changes", 'change_id, "at"'))
    assert [number for number, _ in changes] == list(range(1, len(changes) + 1))
    assert [at for _, at in changes] == sorted(at for _, at in changes)
    assert verify(place.out) == []


JUMPS = st.lists(
    st.tuples(
        st.sampled_from([0, -YEAR, YEAR, -HOUR, 30 * YEAR, -30 * YEAR]),
        st.sampled_from([0, 0, -60, 60]),
        st.sampled_from(["new", "version", "refresh", "forget", "back"]),
    ),
    min_size=2,
    max_size=4,
)


@pytest.mark.whole_machine
@settings(max_examples=examples(2), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(JUMPS)
@example(
    [(-YEAR, 0, "version"), (YEAR, -60, "back"), (-30 * YEAR, -60, "version"), (0, 60, "refresh"), (0, 0, "forget")]
)
def test_a_clock_that_jumps_loses_and_doubles_nothing(
    tmp_path_factory: pytest.TempPathFactory, offline_engine: Engine, jumps: list[tuple[int, int, str]]
) -> None:
    clock = Clock()
    with studio(tmp_path_factory.mktemp("clock"), offline_engine) as place, clock.patched():
        expected = {f"{name}.txt": name for name in ("a0", "b0", "c0", "d0")}
        place.write("a0", "b0", "c0", "d0")
        place.run()
        for number, (jump, drift, what) in enumerate(jumps):
            clock.ahead, clock.drift = jump, drift
            if what == "new":
                place.write(f"n{number}")
                expected[f"n{number}.txt"] = f"n{number}"
            elif what == "version":
                place.write_at("a0", f"a0v{number}")
                expected["a0.txt"] = f"a0v{number}"
            elif what == "back":  # an older version again: it was superseded, and is asked for no more
                place.write_at("a0", "a0")
                expected["a0.txt"] = "a0"
            elif what == "refresh":
                place.making += 1
                place.refresh(is_all=True)
            elif expected.pop("b0.txt", None):
                forget(place.out, find_documents(read_dataset(place.out), ["b0.txt"], None), load_settings())
            asked = len(place.model.asked)
            summary = place.run()
            assert summary["requests"] == len(place.model.asked) - asked <= 1
            check(place, expected)
            clock.drift = 0
            assert place.run()["requests"] == 0  # and nothing is found to be new once more
            check(place, expected)


def test_a_failure_is_due_after_its_time_or_when_a_clock_was_wrong_and_after_a_retry(
    tmp_path: Path, offline_engine: Engine
) -> None:
    clock = Clock()
    with studio(tmp_path, offline_engine) as place, clock.patched():
        place.write("a0", "b0")
        place.model.fails = ("Paint b0",)

        def failed() -> int:
            return place.run()["failed"]

        assert failed() == 1
        clock.ahead = 19 * HOUR
        assert failed() == 0
        clock.ahead = 21 * HOUR
        asked = len(place.model.asked)
        assert failed() == 1
        assert len(place.model.asked) == asked + 1  # once more, and not the stored answer again for nothing
        clock.ahead = -YEAR  # the failures are in the future: no use to wait for a year
        assert failed() == 1
        assert failed() == 0  # and this one is the newest now, dated after them as it is
        clock.ahead += 79 * HOUR
        assert failed() == 0
        clock.ahead += 2 * HOUR
        assert failed() == 1
        retry(place.out)
        assert failed() == 1
        assert failed() == 0  # the word was for what had failed before it
        clock.ahead = 22 * HOUR
        assert failed() == 0
        clock.ahead = YEAR
        assert failed() == 1
        attempts = rows(place.out, "failures", 'attempts, "at"')
        assert [count for count, _ in sorted(attempts, key=lambda row: row[1])] == [1, 2, 3, 4, 1, 2]
        check(place, {"a0.txt": "a0"})
        assert cli.main(["status", str(place.out), "--check"]) == 0
