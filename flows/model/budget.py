"""Spending of a run against its cap, in nano-USD: reserved before a call and settled after it."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from schemas.errors import BudgetExceededError
from schemas.step_data import Completion


@dataclass(frozen=True, slots=True)
class Spent:
    """Amounts in nano-USD and counts, as one process reports them to another."""

    spent_nusd: int = 0
    cut_nusd: int = 0
    cut_calls: int = 0
    expected_nusd: int = 0
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Spending:
    """The money of one run. `cut_nusd` is the part of `spent_nusd` for calls without an answer, which may be billed."""

    def __init__(self, cap_nusd: int | None = None) -> None:
        self.cap_nusd = cap_nusd
        self.spent_nusd = 0
        self.reserved_nusd = 0
        self.cut_nusd = 0
        self.cut_calls = 0
        self.expected_nusd = 0  # estimated cost of the sent requests
        self.requests = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.refused_nusd = 0  # highest cost of the last call that did not fit the budget
        self._changed = asyncio.Condition()

    @property
    def spent(self) -> Spent:
        """Amounts spent so far."""
        return Spent(**{field.name: getattr(self, field.name) for field in fields(Spent)})

    def enter(self, spent: Spent) -> None:
        """Add the spending of another process of this run."""
        for field in fields(Spent):
            setattr(self, field.name, getattr(self, field.name) + getattr(spent, field.name))

    def enter_calls(self, calls: Iterable[Mapping[str, Any]]) -> None:
        """Add answers (rows of `calls`) that a killed process had paid for."""
        for call in calls:
            self.spent_nusd += round((call["cost_usd"] or 0.0) * 1e9)
            self.requests += min(call["attempts"], 1)
            self.prompt_tokens += call["prompt_tokens"]
            self.completion_tokens += call["completion_tokens"]

    async def reserve(self, amount: int | None) -> int:
        """Reserve the highest cost of a call (nano-USD), waiting for room while other calls are in flight.

        Raises BudgetExceededError when no call is in flight and the cap would be exceeded.
        """
        wanted = amount or 0
        async with self._changed:
            while self.cap_nusd is not None and self.spent_nusd + self.reserved_nusd + wanted > self.cap_nusd:
                if not self.reserved_nusd:
                    self.refused_nusd = wanted
                    raise BudgetExceededError(
                        f"${(self.cap_nusd - self.spent_nusd) / 1e9:.4f} of the budget of ${self.cap_nusd / 1e9:g} is left, "
                        f"and the next call may cost ${wanted / 1e9:.4f}; raise --budget to go on"
                    )
                await self._changed.wait()
            self.reserved_nusd += wanted
        return wanted

    async def release(self, reserved: int) -> None:
        """Return a reservation: the call was refused and not billed."""
        async with self._changed:
            self.reserved_nusd -= reserved
            self._changed.notify_all()

    async def cut(self, reserved: int) -> None:
        """Count a reservation as spent: the call was broken off after it was sent, and may be billed in full."""
        self.cut_calls += 1
        self.cut_nusd += reserved
        self.spent_nusd += reserved
        await self.release(reserved)

    async def settle(self, reserved: int, completion: Completion) -> None:
        """Replace a reservation by the cost of the answer."""
        self.spent_nusd += completion.cost_nusd or 0
        self.requests += 1
        self.prompt_tokens += completion.prompt_tokens
        self.completion_tokens += completion.completion_tokens
        await self.release(reserved)
