"""Selection of pending addresses: their order, a deadline, a range of dates, one part of several."""

import datetime
import hashlib
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from flows.sources.addresses import Addresses
from schemas.errors import ConfigurationError

SelectionOrder = Literal["listed", "newest", "oldest", "smallest"]
_KEYS = {
    "newest": ("modified_at", "descending"),
    "oldest": ("modified_at", "ascending"),
    "smallest": ("bytes", "ascending"),
}


def in_order(addresses: Addresses, order: SelectionOrder) -> Addresses:
    """The addresses by time or size; equal ones stay in listed order, those without the value come last."""
    if order == "listed":
        return addresses
    key, direction = _KEYS[order]
    places = pc.sort_indices(addresses.table, sort_keys=[(key, direction)])  # stable, nulls last
    return Addresses(addresses.table.take(places))


def in_range(addresses: Addresses, since: datetime.datetime | None, before: datetime.datetime | None) -> Addresses:
    """The addresses changed at `since` or later and before `before` (UTC), without those that have no time."""
    table = addresses.table
    if since is not None:
        table = table.filter(pc.greater_equal(table.column("modified_at"), since))
    if before is not None:
        table = table.filter(pc.less(table.column("modified_at"), before))
    return Addresses(table)


@dataclass(frozen=True, slots=True)
class Partition:
    """Part `number` (from 1) of `of` disjoint parts of all addresses."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def has(self, uri: str) -> bool:
        """True for an address of this part, the same on every machine and every day."""
        digest = hashlib.blake2b(uri.encode("utf-8", "surrogateescape"), digest_size=8).digest()
        return int.from_bytes(digest) % self.of == self.number - 1

    def among(self, addresses: Addresses) -> Addresses:
        """The addresses of this part."""
        uris = addresses.table.column("source_uri")
        return addresses.filter(pa.chunked_array([[self.has(uri) for uri in uris.to_pylist()]], pa.bool_()))


def part(text: str | None) -> Partition | None:
    """The part in a text such as 2/4. Raises ConfigurationError for any other text."""
    if text is None:
        return None
    number, _, of = text.partition("/")
    if number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of):
        return Partition(int(number), int(of))
    raise ConfigurationError(f"--part: invalid part {text}: expected K/N with K from 1 to N, such as 2/4")


def deadline(until: str | None, now: datetime.datetime | None = None) -> datetime.datetime | None:
    """The next moment at the time of day `until`, such as 07:00, in the zone of `now` (this machine's).

    Raises ConfigurationError for any other text.
    """
    if until is None:
        return None
    now = now or datetime.datetime.now().astimezone()
    try:
        time = datetime.time.fromisoformat(until)
    except ValueError:
        raise ConfigurationError(f"--until: invalid time of day {until}: expected HH:MM, such as 07:00") from None
    at = now.replace(hour=time.hour, minute=time.minute, second=0, microsecond=0)
    return at if at > now else at + datetime.timedelta(days=1)


def beginning(day: datetime.date) -> datetime.datetime:
    """The first moment of a day, in UTC."""
    return datetime.datetime.combine(day, datetime.time(tzinfo=datetime.UTC))


def day(flag: str, text: str | None) -> datetime.datetime | None:
    """The beginning of a day in UTC. Raises ConfigurationError, naming `flag`, for a text that is no date."""
    if text is None:
        return None
    try:
        return beginning(datetime.date.fromisoformat(text))
    except ValueError:
        raise ConfigurationError(f"{flag}: invalid date {text}: expected YYYY-MM-DD") from None
