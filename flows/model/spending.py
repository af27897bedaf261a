"""What a run spends, against its cap: counted in nano-USD, set aside before a call and settled after it."""

import asyncio

from schemas.errors import BudgetExceededError
from schemas.pipeline import Completion


class Spending:
    """The money of one run. `cut_nusd` is the part of `spent_nusd` that calls may have cost whose answer never came."""

    def __init__(self, cap_nusd: int | None = None) -> None:
        self.cap_nusd = cap_nusd
        self.spent_nusd = 0
        self.reserved_nusd = 0
        self.cut_nusd = 0
        self.cut_calls = 0
        self.expected_nusd = 0  # what the estimate would have said of the requests that were sent
        self.requests = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self._changed = asyncio.Condition()

    async def reserve(self, amount: int | None) -> int:
        """Set aside the most that a call may cost; while others are in flight, their settling may make room for it.

        Raises BudgetExceededError when nothing is in flight any more and the cap would still be passed.
        """
        wanted = amount or 0
        async with self._changed:
            while self.cap_nusd is not None and self.spent_nusd + self.reserved_nusd + wanted > self.cap_nusd:
                if not self.reserved_nusd:
                    raise BudgetExceededError(
                        f"${(self.cap_nusd - self.spent_nusd) / 1e9:.4f} of the budget of ${self.cap_nusd / 1e9:g} is left, "
                        f"and the next call may cost ${wanted / 1e9:.4f}; raise --budget to go on"
                    )
                await self._changed.wait()
            self.reserved_nusd += wanted
        return wanted

    async def release(self, reserved: int) -> None:
        """Give a reservation back: the call was turned away, and nothing was billed."""
        async with self._changed:
            self.reserved_nusd -= reserved
            self._changed.notify_all()

    async def cut(self, reserved: int) -> None:
        """Count a reservation as spent: the call was cut after it was sent, and the endpoint may bill all of it."""
        self.cut_calls += 1
        self.cut_nusd += reserved
        self.spent_nusd += reserved
        await self.release(reserved)

    async def settle(self, reserved: int, completion: Completion) -> None:
        """Replace a reservation by what the answer cost."""
        self.spent_nusd += completion.cost_nusd or 0
        self.requests += 1
        self.prompt_tokens += completion.prompt_tokens
        self.completion_tokens += completion.completion_tokens
        await self.release(reserved)
