"""Lines of a command on standard error: text for people, or, with `--log-format json`, one JSON object a line.

An object has `at` (UTC), `event`, `text`, and the event's figures. Neither holds keys or the content of documents.
"""

import datetime
import json
import sys
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError


class Log:
    """The form of the lines of this process; until it is told, what the environment says."""

    def __init__(self) -> None:
        self._format: str | None = None

    @property
    def is_json(self) -> bool:
        """True when each line is an object."""
        if self._format is None:
            self._format = log_format()
        return self._format == "json"

    def use(self, form: str | None) -> None:
        """Take the form that a flag names; null: what the environment says."""
        self._format = form


LOG = Log()


def say(text: str, event: str = "note", **figures: Any) -> None:
    """A line on standard error."""
    line = text
    if LOG.is_json:
        at = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"at": at, "event": event, "text": text, **figures}, default=str)
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - the one place that does


def note(text: str, event: str, **figures: Any) -> None:
    """A line where lines are objects: for people it stands on standard output."""
    if LOG.is_json:
        say(text, event, **figures)


class _LogFormat(BaseSettings):
    """The one setting that is needed before the others are known, and when they are wrong."""

    model_config = SettingsConfigDict(env_prefix="PAGEMILL_", env_file=".env", extra="ignore")

    log_format: str = "text"


def log_format() -> str:
    """The form of the lines on standard error, as the environment names it."""
    try:
        return _LogFormat().log_format
    except (ValidationError, SettingsError, ValueError):
        return "text"


def flow_run_id() -> UUID | None:
    """The flow run that is at work, if one is. Prefect is not imported to find out."""
    if "prefect.context" not in sys.modules:
        return None
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    return None if context is None or context.flow_run is None else context.flow_run.id
