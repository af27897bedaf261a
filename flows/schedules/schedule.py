"""A schedule of `pagemill serve` and `pagemill deploy`: a dataset, its sources, and the times of its nightly."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tzlocal import get_localzone_name

from flows.sources.globbing import GLOB_MARKS
from flows.sources.selection import deadline
from flows.storage.dataset_spec import spec_of
from flows.storage.open import open_dataset
from flows.type_loader import load_type
from schemas.errors import ConfigurationError

_NOT_IN_A_NAME = re.compile(r"[/%&<>\s]+")  # of a deployment, as Prefect has it


@dataclass(frozen=True, slots=True)
class Schedule:
    """A dataset's nightly, and a backfill to be started by hand. `parameters` are those of both flows.

    `flags` are parameters of both, too: those that were given for a night. `endpoint` is the origin of the model.
    """

    name: str
    parameters: Mapping[str, Any]
    flags: Mapping[str, Any]
    endpoint: str
    cron: str
    timezone: str


def schedule_of(  # noqa: PLR0913, PLR0917 - what a command line says of it
    sources: Sequence[str],
    type_name: str,
    out: str,
    cron: str,
    timezone: str | None,
    flags: Mapping[str, Any],
    endpoint: str,
    name: str | None = None,
) -> Schedule:
    """Schedule of one dataset, with absolute paths: a worker may have another folder. Its name is the dataset's by default.

    Raises ConfigurationError for a type that cannot be loaded, a clock that does not tick, a zone that nobody knows, a time
    of no day.
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
        "sources": [_absolute(source) for source in sources],
        "document_type": _type(type_name),
        "out": _absolute(out),
    }
    given = {key: value for key, value in flags.items() if value is not None}
    if (until := deadline(flags.get("until"))) is not None:
        given["until"] = f"{until:%H:%M}"
    called = _NOT_IN_A_NAME.sub("-", name or Path(out.rstrip("/")).name).strip("-") or kind.name
    return Schedule(called, parameters, given, endpoint, cron, timezone or get_localzone_name())


def require_places(schedule: Schedule) -> None:
    """Raises ConfigurationError for a source that is not there, DatasetError for a dataset that cannot be used from here."""
    for source in schedule.parameters["sources"]:
        path = source.removeprefix("@")
        if "://" not in path and not GLOB_MARKS & set(path) and not Path(path).exists():
            raise ConfigurationError(
                f"{path}: there is nothing; name a file, a folder, a glob, an @list or an s3:// URL"
            )
    open_dataset(schedule.parameters["out"], spec_of(load_type(schedule.parameters["document_type"])))


def _absolute(path: str) -> str:
    if "://" in path:
        return path
    mark = "@" if path.startswith("@") else ""
    return mark + os.path.abspath(path.removeprefix("@"))  # noqa: PTH100 - a glob is no path, and `..` is to be resolved


def _type(name: str) -> str:
    """Name of a type, or the absolute path of its file."""
    path, colon, rest = name.partition(":")
    return f"{os.path.abspath(path)}{colon}{rest}" if Path(path).is_file() else name  # noqa: PTH100
