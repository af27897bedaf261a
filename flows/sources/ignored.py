"""Files of a source that are left out: counted by kind, the first of them named with the reason."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from flows.storage.backends.layout import IGNORED_FILE
from flows.storage.dataset import Dataset

LINKS = "links"
NAMED = 10  # files
_MOST_KINDS = 100  # endings that are counted one by one: an archive may number its files in them
_OTHER = "other endings"


@dataclass(slots=True)
class Ignored:
    """Count by kind (an ending, `links`), and the first files, each with its reason: of millions no more is kept."""

    kinds: Counter[str] = field(default_factory=Counter)
    first: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Number of files and links that are left out."""
        return self.kinds.total()

    def note_kind(self, path: str) -> None:
        """Count a file whose name has the ending of no format."""
        ending = PurePath(path).suffix.lower()
        kind = ending or "no ending"
        self._note(
            kind if kind in self.kinds or len(self.kinds) < _MOST_KINDS else _OTHER,
            path,
            f"{ending} is no format that is read" if ending else "no ending that tells a format",
        )

    def note_link(self, path: str, reason: str) -> None:
        """Count a link that is not followed."""
        self._note(LINKS, path, reason)

    def figures(self) -> dict[str, Any]:
        """The count, the counts by kind with the most frequent first, and the named files, as `--json` has them."""
        return {
            "ignored": self.count,
            "ignored_kinds": dict(self.kinds.most_common()),
            "ignored_first": list(self.first),
        }

    def _note(self, kind: str, path: str, reason: str) -> None:
        self.kinds[kind] += 1
        if len(self.first) < NAMED:
            name = (
                path if path.isascii() else path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            )
            self.first.append(f"{name}: {reason}")


def ignored_lines(figures: Mapping[str, Any]) -> list[str]:
    """Files that a run has left out, as lines for people."""
    if not figures["ignored"]:
        return []
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in list(figures["ignored_kinds"].items())[:NAMED])
    more = figures["ignored"] - len(figures["ignored_first"])
    return [
        f"{figures['ignored']:,} files of the sources were left out ({kinds}):",
        *(f"  {entry}" for entry in figures["ignored_first"]),
        *([f"  and {more:,} more"] if more else []),
    ]


def keep_ignored(dataset: Dataset, run_id: str, ignored: Ignored) -> None:
    """Keep what a run has left out beside the dataset, for `status`."""
    dataset.store.write(IGNORED_FILE, json.dumps({"run_id": run_id, **ignored.figures()}).encode())


def ignored_count(dataset: Dataset, run_id: str | None) -> int | None:
    """Number of files that a run has left out; None where it is not known."""
    try:
        kept = json.loads(dataset.store.read(IGNORED_FILE))
        return int(kept["ignored"]) if kept["run_id"] == run_id else None
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None
