"""Work and the flow that records it: two loops, one beside the other, without Prefect."""

import asyncio
import threading
from concurrent.futures import Future

import pytest

from flows.runs.recording import Recording


def recorded(into: list[int], may_begin: threading.Event, failure: Exception | None = None) -> object:
    """A flow that begins when it may, and notes each shard that has ended."""

    async def body(recording: Recording) -> None:
        async def one(place: int, done: "Future[None]") -> None:
            await asyncio.wrap_future(done)
            into.append(place)

        await recording.each_shard(one)

    def flow(recording: Recording) -> None:
        assert may_begin.wait(60)
        if failure is not None:
            raise failure
        asyncio.run(body(recording))

    return flow


def test_what_ended_before_the_flow_began_is_recorded() -> None:
    into: list[int] = []
    may_begin = threading.Event()

    async def work() -> BaseException | None:
        recording = Recording(recorded(into, may_begin), lambda _: None)
        for place in range(3):
            await recording.shard(place, asyncio.sleep(0))
        assert into == []
        may_begin.set()
        return await recording.end()

    assert asyncio.run(work()) is None
    assert sorted(into) == [0, 1, 2]


def test_a_flow_that_cannot_begin_is_told_while_the_work_goes_on() -> None:
    told: list[BaseException] = []
    may_begin = threading.Event()
    may_begin.set()

    async def work() -> BaseException | None:
        heard = asyncio.Event()

        def hear(error: BaseException) -> None:
            told.append(error)
            heard.set()

        recording = Recording(recorded([], may_begin, OSError("no server")), hear)
        await recording.shard(0, heard.wait())
        return await recording.end()

    assert str(asyncio.run(work())) == "no server"
    assert len(told) == 1


def test_an_error_of_the_work_is_the_task_s_and_the_work_s() -> None:
    may_begin = threading.Event()
    may_begin.set()

    async def broken() -> None:
        raise ValueError("broken")

    async def work() -> BaseException | None:
        recording = Recording(recorded([], may_begin), lambda _: None)
        with pytest.raises(ValueError, match="broken"):
            await recording.shard(0, broken())
        return await recording.end()

    assert isinstance(asyncio.run(work()), ValueError)


def test_work_that_is_lost_waits_for_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.runs.recording._LOST", 0.01)
    may_begin = threading.Event()

    async def work() -> None:
        recording = Recording(recorded([], may_begin), lambda _: None)
        await recording.end(is_lost=True)

    asyncio.run(work())
    may_begin.set()  # its loop is closed, and nobody hears of it
