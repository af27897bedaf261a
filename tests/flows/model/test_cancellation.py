"""What is guarded ends when it is cut, but for what says that it must run to its end."""

import asyncio
from collections.abc import Callable

import pytest

from flows.model.cancellation import Cancellation
from schemas.errors import RunStoppedError

REASON = RunStoppedError("stopped")


def together(story: Callable) -> None:
    asyncio.run(story())


def test_work_gives_its_result_or_its_error() -> None:
    async def story() -> None:
        async def fail() -> None:
            raise ValueError("x")

        interrupt = Cancellation()
        assert await interrupt.guard(asyncio.sleep(0, "done")) == "done"
        with pytest.raises(ValueError, match="x"):
            await interrupt.guard(fail())

    together(story)


def test_what_is_at_work_and_what_comes_later_ends_with_the_reason() -> None:
    async def story() -> None:
        interrupt = Cancellation()
        working = [asyncio.create_task(interrupt.guard(asyncio.sleep(600))) for _ in range(3)]
        await asyncio.sleep(0.01)
        interrupt.cut(REASON)
        assert await asyncio.gather(*working, return_exceptions=True) == [REASON] * 3
        with pytest.raises(RunStoppedError):
            await interrupt.guard(asyncio.sleep(600))

    together(story)


def test_what_was_paid_for_is_kept_to_its_end() -> None:
    async def story() -> None:
        interrupt, kept = Cancellation(), []

        async def paid() -> str:
            interrupt.release()
            await asyncio.sleep(0.05)
            kept.append("answer")
            return "answer"

        working = asyncio.create_task(interrupt.guard(paid()))
        await asyncio.sleep(0.01)
        interrupt.cut(REASON)
        assert await working == "answer"
        assert kept == ["answer"]

    together(story)


def test_a_cancellation_from_outside_stays_one() -> None:
    async def story() -> None:
        interrupt = Cancellation()
        working = asyncio.create_task(interrupt.guard(asyncio.sleep(600)))
        await asyncio.sleep(0.01)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working

    together(story)
