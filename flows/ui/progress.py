"""Progress of a run on standard error: documents, pages, cost. Without a terminal, a plain line every 15 seconds."""

import sys
import time
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from flows.log import LOG, say

if TYPE_CHECKING:  # imported with a terminal only
    from rich.progress import Progress

_PLAIN_EVERY = 15.0  # seconds between lines where there is no terminal


class ProgressLine:
    """Progress of one run; `update` limits its own output and may be called at any rate."""

    def __init__(self, total: int, *, quiet: bool = False) -> None:
        self._total = total
        self._quiet = quiet or total == 0
        self._last = time.monotonic()
        self._bar: Progress | None = None
        if not self._quiet and not LOG.is_json and sys.stderr.isatty():
            self._bar = _bar()
            self._task = self._bar.add_task("run", total=total, pages=0, cost=0.0)

    def __enter__(self) -> "ProgressLine":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, documents: int, pages: int, cost_usd: float) -> None:
        """Show the present counts."""
        if self._bar is not None:
            self._bar.update(self._task, completed=documents, pages=pages, cost=cost_usd)
        elif not self._quiet and time.monotonic() - self._last >= _PLAIN_EVERY:
            self._last = time.monotonic()
            text = f"{documents:,} of {self._total:,} documents, {pages:,} pages, ${cost_usd:.4f}"
            figures = {"documents": documents, "total": self._total, "pages": pages, "cost_usd": cost_usd}
            say(text, "progress", **figures)


@dataclass(frozen=True, slots=True)
class RunProgress:
    """Counts of a run in progress; `cost_usd` is paid so far."""

    documents: int
    total: int
    pages: int
    cost_usd: float

    @property
    def percent(self) -> float:
        """Finished documents in per cent."""
        return 100.0 * min(1.0, self.documents / self.total) if self.total else 100.0

    @property
    def text(self) -> str:
        """The counts in words."""
        return f"{self.documents:,} of {self.total:,} documents, {self.pages:,} pages, ${self.cost_usd:.4f}"


def _bar() -> "Progress":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("documents"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pages]:,} pages  ${task.fields[cost]:.4f}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
