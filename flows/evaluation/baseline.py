"""Levels (F1) of fields, recorded in a file, and regressions against them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.durable_files import write_durably
from flows.evaluation.evaluate import Evaluation
from schemas.errors import ConfigurationError

_WHOLE = "all"  # the name under which all fields together are recorded


@dataclass(frozen=True, slots=True)
class Regression:
    """A field below its level; `f1` is None where no value of it was scored this time."""

    field: str
    level: float
    f1: float | None


def record(done: Evaluation, path: Path) -> None:
    """Write the levels of an evaluation. Raises ConfigurationError for a file that cannot be written."""
    levels = {name: round(f1, 6) for name, f1 in _levels(done).items() if f1 is not None}
    content = {"documents": done.documents, "levels": levels}
    try:
        write_durably(path, json.dumps(content, indent=1).encode() + b"\n")
    except OSError as error:
        raise ConfigurationError(f"--record {path}: cannot be written: {error.strerror or error}") from error


def read_levels(path: Path) -> dict[str, float]:
    """The recorded levels. Raises ConfigurationError for a file that was not written by `record`."""
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        levels = content["levels"]
        return {str(name): float(level) for name, level in levels.items()}
    except OSError as error:
        raise ConfigurationError(f"--gate {path}: {error.strerror}; write it with --record {path} first") from error
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ConfigurationError(f"--gate {path}: has no levels; write it with --record {path} first") from None


def regressions(done: Evaluation, levels: Mapping[str, float], tolerance: float) -> list[Regression]:
    """The fields whose F1 is more than `tolerance` below their level, or that are no longer scored."""
    now = _levels(done)
    compared = [Regression(name, level, now.get(name)) for name, level in levels.items()]
    return [
        regression for regression in compared if regression.f1 is None or regression.f1 < regression.level - tolerance
    ]


def regression_line(regression: Regression) -> str:
    """One regression, for people."""
    now = "is not scored any more" if regression.f1 is None else f"has fallen to {regression.f1:.3f}"
    return f"{regression.field} {now}, its level is {regression.level:.3f}"


def _levels(done: Evaluation) -> dict[str, float | None]:
    return {_WHOLE: done.total.f1, **{path: counts.f1 for path, counts in done.fields.items()}}
