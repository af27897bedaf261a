"""Files below a folder or by a glob, with their facts, in a stable order. A folder that cannot be listed is reported."""

import os
import re
from collections.abc import Callable, Collection, Iterator
from itertools import pairwise
from pathlib import Path

from schemas.errors import ConfigurationError

Seen = tuple[str, os.stat_result | None]  # a path, and its facts where it exists
Identity = tuple[int, int]  # device and inode
GLOB_MARKS = frozenset("*?[")


def walk_folder(
    folder: str, extensions: Collection[str], left_out: Identity | None, troubles: list[str]
) -> Iterator[Seen]:
    """The files below `folder` with one of `extensions`; links to folders are not followed.

    A folder that cannot be listed is added to `troubles`, as text for people.
    """
    return _walked(folder, extensions, left_out, troubles, lambda path: not os.path.islink(path))  # noqa: PTH114


def expand(pattern: str, extensions: Collection[str], left_out: Identity | None, troubles: list[str]) -> list[Seen]:
    """The files that the absolute `pattern` matches (`**` for any number of folders), by name."""
    base = fixed_part(pattern)
    depth = None if "**" in pattern.split("/") else pattern.count("/")
    shown = glob_pattern(pattern)

    def enter(path: str) -> bool:
        if depth is not None and path.count("/") >= depth:
            return False
        return not (os.path.islink(path) and _leads_back(path))  # noqa: PTH114

    matches = (entry for entry in _walked(base, extensions, left_out, troubles, enter) if shown.fullmatch(entry[0]))
    return sorted(matches, key=lambda entry: entry[0])


def fixed_part(pattern: str) -> str:
    """The folder above the first step of `pattern` with a wildcard."""
    steps = pattern.split("/")
    first = next((index for index, step in enumerate(steps) if GLOB_MARKS & set(step)), len(steps) - 1)
    return "/".join(steps[:first]) or "/"


def glob_pattern(pattern: str, *, hides_dots: bool = True) -> re.Pattern[str]:
    """The regular expression of a glob. On disk a wildcard does not match names with a leading dot; a store has no such rule."""
    dot = r"(?!\.)" if hides_dots else ""
    steps = [step for before, step in pairwise(["", *pattern.split("/")]) if not step == before == "**"]
    parts: list[str] = []
    for index, step in enumerate(steps):
        is_last = index == len(steps) - 1
        if step == "**":
            parts.append(f"(?:{dot}[^/]+/)*" + (f"{dot}[^/]+" if is_last else ""))
        else:
            hidden = dot if GLOB_MARKS & set(step) and not step.startswith(".") else ""
            parts.append(hidden + _step_pattern(step) + ("" if is_last else "/"))
    try:
        return re.compile("".join(parts), re.DOTALL)
    except re.error as error:
        raise ConfigurationError(
            f"invalid pattern {pattern} ({error}): expected ranges in ascending order, such as [a-z]"
        ) from error


def identity(path: Path) -> Identity | None:
    """Device and inode of a folder, the same under all its names; None where it does not exist."""
    try:
        facts = path.stat()
    except (OSError, ValueError):
        return None
    return facts.st_dev, facts.st_ino


def _walked(
    top: str, extensions: Collection[str], left_out: Identity | None, troubles: list[str], enter: Callable[[str], bool]
) -> Iterator[Seen]:
    waiting = [top]
    while waiting:
        here = waiting.pop()
        files: list[os.DirEntry[str]] = []
        folders: list[os.DirEntry[str]] = []
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    if _is_folder(entry):
                        folders.append(entry)
                    elif os.path.splitext(entry.name)[1].lower() in extensions:  # noqa: PTH122 - a million names at times
                        files.append(entry)
        except OSError as error:
            troubles.append(f"{here}: cannot be listed ({error.strerror or error})")
            continue
        for file in sorted(files, key=_name):
            yield file.path, _facts(file)
        below = [folder.path for folder in folders if not _is(folder, left_out) and enter(folder.path)]
        waiting += sorted(below, reverse=True)


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link that leads to itself


def _facts(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat()
    except (OSError, ValueError):
        return None  # a dangling link, or a file just removed


def _is(entry: os.DirEntry[str], left_out: Identity | None) -> bool:
    facts = _facts(entry) if left_out is not None else None
    return facts is not None and (facts.st_dev, facts.st_ino) == left_out


def _leads_back(link: str) -> bool:
    """True for a link to a folder that contains it: to follow it would never end."""
    target = Path(link).resolve()
    return Path(link).parent.resolve().is_relative_to(target)


def _step_pattern(step: str) -> str:
    """Pattern of one step of a path: `*`, `?` and `[...]` as in a shell."""
    parts: list[str] = []
    index = 0
    while index < len(step):
        mark = step[index]
        index += 1
        if mark == "*":
            parts.append("" if parts and parts[-1] == "[^/]*" else "[^/]*")
        elif mark == "?":
            parts.append("[^/]")
        elif mark == "[" and (end := step.find("]", index + (2 if step[index : index + 1] == "!" else 1))) > 0:
            inner = step[index:end]
            negated = inner.startswith("!")
            listed = re.sub(r"([\\\[\]^&~|])", r"\\\1", inner[negated:])
            parts.append(f"(?!/)[{'^' if negated else ''}{listed}]")
            index = end + 1
        else:
            parts.append(re.escape(mark))
    return "".join(parts)
