"""What `pagemill serve` and `pagemill deploy` are told: a dataset, its sources, and when its nightly runs."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tzlocal import get_localzone_name

from flows.types import load_type
from schemas.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Schedule:
    """A dataset's nightly, and a backfill to be started by hand. `parameters` are those of both flows."""

    name: str
    parameters: Mapping[str, Any]
    nightly: Mapping[str, Any]  # parameters of the nightly alone
    cron: str
    timezone: str


def schedule_of(
    sources: Sequence[str], type_name: str, out: str, cron: str, timezone: str | None, nightly: Mapping[str, Any]
) -> Schedule:
    """The schedule of one dataset, its paths made absolute: a worker may stand elsewhere.

    Raises ConfigurationError for a type that cannot be loaded, a clock that does not tick, a zone that nobody knows.
    """
    from prefect.client.schemas.schedules import CronSchedule

    try:
        CronSchedule(cron=cron, timezone=timezone)
    except ValueError:
        raise ConfigurationError(
            f"--cron {cron!r} with --timezone {timezone or 'of this machine'}: five fields such as `0 2 * * *`, and a zone "
            "such as Europe/Berlin"
        ) from None
    kind = load_type(type_name)
    parameters = {
        "sources": [_absolute(each) for each in sources],
        "document_type": _type(type_name),
        "out": _absolute(out),
    }
    told = {key: value for key, value in nightly.items() if value is not None}
    return Schedule(Path(out.rstrip("/")).name or kind.name, parameters, told, cron, timezone or get_localzone_name())


def _absolute(place: str) -> str:
    if "://" in place:
        return place
    mark = "@" if place.startswith("@") else ""
    return mark + os.path.abspath(place.removeprefix("@"))  # noqa: PTH100 - a glob is no path, and `..` is to be resolved


def _type(name: str) -> str:
    """A type's name, or where its file stands."""
    path, colon, rest = name.partition(":")
    return f"{os.path.abspath(path)}{colon}{rest}" if Path(path).is_file() else name  # noqa: PTH100
