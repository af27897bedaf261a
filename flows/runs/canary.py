"""The first documents of a backfill, alone: whether the rest is worth its money."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flows.runs.accounting import Accounts
from schemas.errors import RunStoppedError

DOCUMENTS, FAILED, PARTIAL = 50, 0.1, 0.5  # what is taken where nobody says otherwise


@dataclass(frozen=True, slots=True)
class Canary:
    """Number of documents that go first, and limits on them. Shares are from 0 to 1, the cost is in USD."""

    documents: int = DOCUMENTS
    failed: float = FAILED
    partial: float = PARTIAL
    cost_per_page: float | None = None

    def judge(self, accounts: "Accounts", cost_usd: float) -> RunStoppedError | None:
        """Error that stops the run after its canary, or None. `accounts` and `cost_usd` are those of the run so far."""
        done, pages = accounts.done, accounts.pages
        if not done:
            return None
        reasons = [
            f"{count / done:.0%} {name} (limit {limit:.0%})"
            for name, count, limit in (
                ("failed", accounts.failed, self.failed),
                ("partial", accounts.partial, self.partial),
            )
            if count / done > limit
        ]
        if self.cost_per_page is not None and pages and cost_usd / pages > self.cost_per_page:
            reasons.append(f"${cost_usd / pages:.5f} a page (limit ${self.cost_per_page:.5f})")
        if not reasons:
            return None
        return RunStoppedError(
            f"the canary stopped the run: of its first {done:,} documents {' and '.join(reasons)}; look at `failures` and "
            "`problems`, then run again with what you have mended, or with other limits"
        )
