"""Notice of an endpoint that is down: a line on the terminal, and the state of the Prefect run."""

import asyncio
import contextvars
import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from flows.log import flow_run_id, say
from flows.model.concurrency import Outage
from flows.ui.text import duration

_AGAIN = 60.0  # seconds between two lines about one outage
STATE = "AwaitingEndpoint"


class OutageNotice:
    """Notices of one run that its endpoint is down, or answers again; `patience` is in seconds.

    `tell` is called, in a thread, with the text of an outage that lasts `tell_after` seconds, and with that of its end.
    """

    def __init__(
        self,
        host: str,
        patience: float,
        *,
        quiet: bool,
        tell: Callable[[str], object] | None = None,
        tell_after: float = math.inf,
    ) -> None:
        self._tell, self._tell_after = tell, tell_after
        self._is_told = False
        self._host = host
        self._patience = patience
        self._quiet = quiet
        self._said_at: float | None = None
        self._is_shown = False  # by the state of the flow run
        self._tasks: set[asyncio.Task[None]] = set()
        self._present: str | None = None  # text of the present outage
        self._flow: tuple[asyncio.AbstractEventLoop, contextvars.Context] | None = None

    def enter_flow(self) -> None:
        """Set the state of the present flow run from now on, at once during an outage. To be called within the flow."""
        self._flow = asyncio.get_running_loop(), contextvars.copy_context()
        if self._present is not None:
            self._is_shown = True
            self._begin(STATE, self._present)

    def __call__(self, outage: Outage | None) -> None:
        """Report that the endpoint is down, at most once a minute, or that it answers again."""
        if outage is None:
            self._said_at = self._present = None
            self._is_shown = False
            self._say(f"{self._host} answers again; the run goes on")
            if self._is_told:
                self._is_told = False
                self._tell_somebody(f"{self._host} answers again; the run goes on")
            self._set_state("Running", "the endpoint answers again")
            return
        left = max(0.0, self._patience - outage.seconds)
        text = (
            f"{self._host} does not answer ({outage.reason}); next try in {outage.next_try:.0f} s, the run waits for "
            f"{duration(left)} more (PAGEMILL_PATIENCE)"
        )
        self._present = text
        if outage.seconds >= self._tell_after and not self._is_told:
            self._is_told = True
            self._tell_somebody(text)
        if not self._is_shown:
            self._is_shown = self._flow is not None or flow_run_id() is not None
            self._set_state(STATE, text)
        if self._said_at is None or time.monotonic() - self._said_at >= _AGAIN:
            self._said_at = time.monotonic()
            self._say(text)

    def _tell_somebody(self, text: str) -> None:
        if self._tell is not None:
            threading.Thread(target=self._tell, args=(text,), name="outage", daemon=True).start()

    def _say(self, text: str) -> None:
        if not self._quiet:
            say(text, "endpoint")

    def _set_state(self, name: str, message: str) -> None:
        if self._flow is None:
            if flow_run_id() is not None:  # in a worker of a cluster each task has the flow's context
                self._begin(name, message)
            return  # otherwise the server is still starting; a lasting outage is reported again
        loop, context = self._flow
        with suppress(RuntimeError):  # the flow has ended
            loop.call_soon_threadsafe(self._begin, name, message, context=context)

    def _begin(self, name: str, message: str) -> None:
        task = asyncio.get_running_loop().create_task(_set_flow_state(name, message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _set_flow_state(name: str, message: str) -> None:
    """Set the name of the flow run's state, whose type stays Running: Prefect must not schedule it again."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.objects import State, StateType
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    with suppress(Exception):  # an unreachable Prefect server must not stop the run
        async with get_client() as client:
            state = State(type=StateType.RUNNING, name=name, message=message)
            await client.set_flow_run_state(context.flow_run.id, state, force=True)
