"""Lines of a command on standard error: text for people, or, with `--log-format json`, one JSON object a line.

An object has `at` (UTC), `event`, `text`, and the event's figures. Neither holds keys or the content of documents.
"""

import datetime
import json
import logging
import re
import sys
from typing import Any
from uuid import UUID

from schemas.errors import ConfigurationError

_UNKNOWN = "\ufffd"
# controls except tab and newline, and marks that turn text around
_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Log:
    """The form of the lines of this process; until it is set, the form that the environment names."""

    def __init__(self) -> None:
        self._format: str | None = None

    @property
    def is_json(self) -> bool:
        """True when each line is an object."""
        if self._format is None:
            self._format = log_format()
        return self._format == "json"

    def use(self, form: str | None) -> None:
        """Take the form that a flag names; None: the environment's."""
        self._format = form


LOG = Log()


def harmless(text: str) -> str:
    """Text for a terminal: U+FFFD for each character that could command it. Names of files, documents and models wrote it."""
    return _COMMANDS.sub(_UNKNOWN, text)


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return harmless(record.getMessage())


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds")
        event, figures = getattr(record, "event", "note"), getattr(record, "figures", {})
        return json.dumps({"at": at, "event": event, "text": record.getMessage(), **figures}, default=str)


class _StandardError(logging.Handler):
    """A line on standard error, in the form of this process."""

    def emit(self, record: logging.LogRecord) -> None:
        form = _JsonFormatter() if LOG.is_json else _TextFormatter()
        print(form.format(record), file=sys.stderr, flush=True)  # noqa: T201 - the one place that does


class _FlowRunLog(logging.Handler):
    """The log of the flow run that is at work, if one is: the Logs tab of its page. Prefect sends it where that is enabled."""

    def __init__(self) -> None:
        super().__init__()
        self._handler: logging.Handler | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if flow_run_id() is None:
            return
        if self._handler is None:
            from prefect.logging.handlers import APILogHandler

            self._handler = APILogHandler()
            self._handler.setFormatter(_TextFormatter())
        self._handler.handle(record)


def _made() -> logging.Logger:
    logger = logging.getLogger("pagemill")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers = [_StandardError(), _FlowRunLog()]
    return logger


_LOGGER = _made()


def say(text: str, event: str = "note", **figures: Any) -> None:
    """A line on standard error, and in the log of the flow run that is at work."""
    level = logging.ERROR if event == "complaint" else logging.INFO
    _LOGGER.log(level, "%s", text, extra={"event": event, "figures": figures})


def note(text: str, event: str, **figures: Any) -> None:
    """A line where lines are objects: for people it is on standard output."""
    if LOG.is_json:
        say(text, event, **figures)


def log_format() -> str:
    """The form of the lines on standard error, as the environment names it, whatever is wrong with other settings."""
    from pydantic import ValidationError
    from pydantic_settings.exceptions import SettingsError

    from flows.env_file import FolderSettings

    class LogFormat(FolderSettings):
        log_format: str = "text"

    try:
        return LogFormat().log_format
    except (ValidationError, SettingsError, ConfigurationError):
        return "text"


def flow_run_id() -> UUID | None:
    """The flow run that is at work, if one is. Prefect is not imported to find out."""
    if "prefect.context" not in sys.modules:
        return None
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    return None if context is None or context.flow_run is None else context.flow_run.id
