"""The accounting of a run, by address: discovered = already_done + skipped + ok + partial + failed + deferred."""

import datetime
from dataclasses import dataclass, field
from typing import Any

from schemas.errors import DatasetError

PARTS = ("already_done", "skipped", "ok", "partial", "failed", "deferred")  # of what was discovered


@dataclass
class Accounts:
    """Counts of one run. `deferred` is what was planned and neither done nor failed, so that nothing is lost in silence."""

    discovered: int = 0
    already_done: int = 0
    skipped: int = 0
    ok: int = 0
    partial: int = 0
    failed: int = 0
    deferred: int = 0
    pages: int = 0
    started_at: datetime.datetime = field(default_factory=lambda: datetime.datetime.now(datetime.UTC))

    @property
    def done(self) -> int:
        """Documents that this run has finished with, well or not."""
        return self.ok + self.partial + self.failed

    def enter(self, others: "Accounts") -> None:
        """Count what another process has done in this run's name."""
        for name in ("already_done", "skipped", "ok", "partial", "failed", "pages"):
            setattr(self, name, getattr(self, name) + getattr(others, name))

    def check(self) -> None:
        """Raises DatasetError when the sum does not add up."""
        parts = sum(getattr(self, name) for name in PARTS)
        if parts != self.discovered:
            raise DatasetError(
                f"the accounting does not add up: discovered {self.discovered} is not {parts} = already done "
                f"{self.already_done} + skipped {self.skipped} + ok {self.ok} + partial {self.partial} + failed "
                f"{self.failed} + deferred {self.deferred}; this is a fault of Pagemill, please report it"
            )

    def as_row(self) -> dict[str, Any]:
        """The counts, as `runs` and `--json` have them."""
        return {
            name: getattr(self, name)
            for name in ("discovered", "already_done", "skipped", "ok", "partial", "failed", "deferred")
        }
