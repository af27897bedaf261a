"""The order of what is pending, ranges of dates, and when it is too late."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.sources.addresses import Address, Addresses
from flows.sources.selection import deadline, in_order, in_range, part
from schemas.errors import ConfigurationError

ADDRESSES = st.lists(
    st.tuples(st.none() | st.integers(0, 5), st.none() | st.integers(0, 5)), max_size=12
).map(lambda facts: [Address(f"/a/{place}", *each) for place, each in enumerate(facts)])  # fmt: skip


@given(ADDRESSES)
def test_addresses_are_sorted_and_equal_ones_stay_as_they_were_listed(addresses: list[Address]) -> None:
    found = Addresses.collect(addresses)

    def last(value: int | None) -> tuple[bool, int]:
        return value is None, value or 0

    assert list(in_order(found, "listed")) == addresses
    assert list(in_order(found, "smallest")) == sorted(addresses, key=lambda each: last(each.size))
    assert list(in_order(found, "oldest")) == sorted(addresses, key=lambda each: last(each.modified_us))
    newest = sorted(addresses, key=lambda each: last(None if each.modified_us is None else -each.modified_us))
    assert list(in_order(found, "newest")) == newest


@given(ADDRESSES, st.none() | st.integers(0, 6), st.none() | st.integers(0, 6))
def test_a_range_holds_its_start_and_not_its_end(
    addresses: list[Address], since: int | None, before: int | None
) -> None:
    def at(us: int | None) -> datetime.datetime | None:
        return None if us is None else datetime.datetime.fromtimestamp(us / 1e6, datetime.UTC)

    expected = [
        each
        for each in addresses
        if (since is None or (each.modified_us is not None and each.modified_us >= since))
        and (before is None or (each.modified_us is not None and each.modified_us < before))
    ]
    assert list(in_range(Addresses.collect(addresses), at(since), at(before))) == expected


@given(st.lists(st.text(max_size=8), unique=True, max_size=30), st.integers(1, 5))
def test_each_address_is_of_one_part_whatever_else_is_found(uris: list[str], of: int) -> None:
    parts = [part(f"{number}/{of}") for number in range(1, of + 1)]
    found = Addresses.collect(Address(uri, None, None) for uri in uris)
    taken = [[each.uri for each in one.among(found)] for one in parts]
    assert sorted(uri for some in taken for uri in some) == sorted(uris)
    assert all(parts[place].has(uri) for place, some in enumerate(taken) for uri in some)


def test_parts_are_the_same_on_every_day_and_of_about_one_size() -> None:
    uris = [f"s3://archive/2019/{number:06d}.pdf" for number in range(4_000)]
    assert [part("3/4").has(uri) for uri in uris[:6]] == [False, True, False, False, True, False]
    sizes = [sum(map(part(f"{number}/4").has, uris)) for number in range(1, 5)]
    assert min(sizes) > 900


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "1/0", "one/two", "-1/4", "1/4/2", ""])
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="expected K/N"):
        part(text)


def test_a_deadline_is_the_next_time_that_the_clock_shows_it() -> None:
    zone = datetime.timezone(datetime.timedelta(hours=2))
    evening = datetime.datetime(2026, 3, 1, 22, 30, tzinfo=zone)
    assert deadline("07:00", evening) == datetime.datetime(2026, 3, 2, 7, 0, tzinfo=zone)
    assert deadline("23:15", evening) == datetime.datetime(2026, 3, 1, 23, 15, tzinfo=zone)
    assert deadline(None) is None


@pytest.mark.parametrize("text", ["7", "25:00", "tomorrow", ""])
def test_a_deadline_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="07:00"):
        deadline(text)
