"""In which order pending addresses are taken up, until when, and which of them a range of dates leaves."""

import datetime
from typing import Literal

import pyarrow.compute as pc

from flows.addresses import Addresses
from schemas.errors import ConfigurationError

Order = Literal["listed", "newest", "oldest", "smallest"]
_KEYS = {
    "newest": ("modified_at", "descending"),
    "oldest": ("modified_at", "ascending"),
    "smallest": ("bytes", "ascending"),
}


def in_order(addresses: Addresses, order: Order) -> Addresses:
    """The addresses by time or size, those of equal key as they were listed; what states neither comes last."""
    if order == "listed":
        return addresses
    key, direction = _KEYS[order]
    places = pc.sort_indices(addresses.table, sort_keys=[(key, direction)])  # stable, nulls last
    return Addresses(addresses.table.take(places))


def in_range(addresses: Addresses, since: datetime.datetime | None, before: datetime.datetime | None) -> Addresses:
    """The addresses that were changed at `since` or later and before `before` (UTC); those without a time are out."""
    table = addresses.table
    if since is not None:
        table = table.filter(pc.greater_equal(table.column("modified_at"), since))
    if before is not None:
        table = table.filter(pc.less(table.column("modified_at"), before))
    return Addresses(table)


def deadline(until: str | None, now: datetime.datetime | None = None) -> datetime.datetime | None:
    """The next time that the clock of `now`'s zone (this machine's) shows `until`, such as 07:00.

    Raises ConfigurationError for what is no time of the day.
    """
    if until is None:
        return None
    now = now or datetime.datetime.now().astimezone()
    try:
        time = datetime.time.fromisoformat(until)
    except ValueError:
        raise ConfigurationError(f"--until {until}: no time of the day; one looks like 07:00") from None
    at = now.replace(hour=time.hour, minute=time.minute, second=0, microsecond=0)
    return at if at > now else at + datetime.timedelta(days=1)


def day(flag: str, text: str | None) -> datetime.datetime | None:
    """The beginning of a day in UTC. Raises ConfigurationError, naming `flag`, for what is no day."""
    if text is None:
        return None
    try:
        return datetime.datetime.combine(datetime.date.fromisoformat(text), datetime.time(tzinfo=datetime.UTC))
    except ValueError:
        raise ConfigurationError(f"{flag} {text}: no day; one looks like 2026-03-31") from None
