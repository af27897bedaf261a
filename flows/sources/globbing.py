"""Files below a folder or by a glob, with their facts, in a stable order. A folder that cannot be listed is reported."""

import os
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from flows.sources.ignored import Ignored
from schemas.errors import ConfigurationError

Seen = tuple[str, os.stat_result | None]  # a path, and its facts where it exists
Identity = tuple[int, int]  # device and inode
GLOB_MARKS = frozenset("*?[")
LEADS_OUT = "a link that leads out of the source; --follow-links follows it"


@dataclass(slots=True)
class Sweep:
    """One look through folders: files with `extensions`, without the folder `left_out` (the dataset).

    A folder that cannot be listed is added to `troubles`, as text for people; files that are left out to `ignored`. Links
    that lead out of the folder where the look begins are followed only on demand.
    """

    extensions: Collection[str]
    left_out: Identity | None = None
    follows_links: bool = False
    troubles: list[str] = field(default_factory=list)
    ignored: Ignored = field(default_factory=Ignored)
    _entered: set[str] = field(default_factory=set)  # folders behind links

    def folder(self, folder: str) -> Iterator[Seen]:
        """The files below `folder`. A link to a folder within it is not followed: that is read at its own place."""

        def enter(link: str, target: str) -> str | None:
            del link
            return "a link to a folder that is read at its own place" if lies_within(target, real) else None

        real = os.path.realpath(folder)
        return self._walk(folder, real, lambda _: True, lambda _: True, enter)

    def glob(self, pattern: str) -> list[Seen]:
        """The files that the absolute `pattern` matches (`**` for any number of folders), by name."""
        base = fixed_part(pattern)
        depth = None if "**" in pattern.split("/") else pattern.count("/")
        shown = glob_pattern(pattern)

        def reaches(path: str) -> bool:
            return depth is None or path.count("/") < depth

        def is_shown(path: str) -> bool:
            return shown.fullmatch(path) is not None

        found = self._walk(base, os.path.realpath(base), is_shown, reaches, lambda _link, _target: None)
        return sorted(found, key=lambda entry: entry[0])

    def _walk(
        self,
        top: str,
        real: str,
        is_wanted: Callable[[str], bool],
        reaches: Callable[[str], bool],
        refuse: Callable[[str, str], str | None],
    ) -> Iterator[Seen]:
        """Files below `top`, whose path without links is `real`; `refuse` gives the reason not to enter a link."""
        waiting = [top]
        while waiting:
            here = waiting.pop()
            files: list[os.DirEntry[str]] = []
            folders: list[os.DirEntry[str]] = []
            try:
                with os.scandir(here) as entries:
                    for entry in entries:
                        self._sort(entry, files, folders, is_wanted)
            except OSError as error:
                self.troubles.append(f"{here}: cannot be listed ({error.strerror or error})")
                continue
            for file in sorted(files, key=_name):
                if not file.is_symlink() or self.follows_links or lies_within(os.path.realpath(file.path), real):
                    yield file.path, _facts(file)
                else:
                    self.ignored.note_link(file.path, LEADS_OUT)
            below = [
                folder.path
                for folder in folders
                if not _is(folder, self.left_out) and reaches(folder.path) and self._enters(folder, real, refuse)
            ]
            waiting += sorted(below, reverse=True)

    def _sort(
        self,
        entry: os.DirEntry[str],
        files: list[os.DirEntry[str]],
        folders: list[os.DirEntry[str]],
        is_wanted: Callable[[str], bool],
    ) -> None:
        if _is_folder(entry):
            folders.append(entry)
        elif os.path.splitext(entry.name)[1].lower() in self.extensions:  # noqa: PTH122 - a million names at times
            if is_wanted(entry.path):
                files.append(entry)
        elif is_wanted(entry.path):
            self.ignored.note_kind(entry.path)

    def _enters(self, folder: os.DirEntry[str], real: str, refuse: Callable[[str, str], str | None]) -> bool:
        """True for a folder to look through; a link that is not followed is noted."""
        if not folder.is_symlink():
            return True
        target = os.path.realpath(folder.path)
        reason = refuse(folder.path, target)
        if not (self.follows_links or lies_within(target, real)):
            reason = LEADS_OUT
        elif lies_within(os.path.realpath(os.path.dirname(folder.path)), target):  # noqa: PTH120
            reason = "a link to a folder above it"
        elif target in self._entered:
            reason = "a link to a folder that another link leads to"
        if reason is not None:
            self.ignored.note_link(folder.path, reason)
            return False
        self._entered.add(target)
        return True


def lies_within(path: str, folder: str) -> bool:
    """True for `folder` and all below it; both are paths without links."""
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


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
