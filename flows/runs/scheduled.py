"""Common parts of the flows `nightly` and `backfill`: parameters to a run, its end to a Prefect state and an event."""

import datetime
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.states import Completed, Failed

from flows.log import say
from flows.reports.failing import failing_lines
from flows.reports.status import run_lines, tell_end
from flows.runs.canary import Canary
from flows.runs.request import Outcome, RunRequest
from flows.runs.resources import Engine, engine
from flows.runs.run import run
from flows.runs.webhook import post_message
from flows.settings import Settings, load_settings
from flows.sources.selection import SelectionOrder, beginning, deadline, part
from flows.type_loader import load_type
from schemas.errors import PagemillError

EVENT = "pagemill.run.needs-attention"  # what the automation of `pagemill deploy` sends on
_TO_PUBLISH = 30.0  # seconds that a run may take after its last answer
_AGAIN = 2.0  # seconds between two looks whether a run has ended


@dataclass(frozen=True, slots=True)
class Task:
    """The parameters of a scheduled run. `until` is a time of this machine's day, such as 07:00."""

    command: str
    sources: Sequence[str]
    document_type: str
    out: str
    order: SelectionOrder = "listed"
    until: str | None = None
    budget_usd: float | None = None
    limit: int | None = None
    model: str | None = None
    since: datetime.date | None = None
    before: datetime.date | None = None
    part: str | None = None
    canary: Canary | None = None


def run_scheduled(task: Task) -> State[Any]:
    """Carry out a scheduled run; the state describes its end. A run that needs attention emits an event."""
    settings = None
    try:
        settings = load_settings(model=task.model)
        with engine(settings) as started:
            outcome = _begun(started, task, settings.grace)
    except PagemillError as error:
        _tell(task, settings, str(error), {})
        return Failed(message=str(error))
    if outcome.live_run is not None:
        return Completed(
            message=f"run {outcome.live_run} of this schedule is still at work and goes on; nothing was begun"
        )
    tell_end(outcome.summary, task.out)
    text = "\n".join(run_lines(_without_names(outcome.summary), task.out))
    reasons = attention(outcome, settings)
    if reasons:
        _tell(task, settings, "; ".join(reasons), outcome.summary)
    if outcome.stopped is not None and outcome.exit_code != 3:
        return Failed(message=f"{outcome.stopped}\n{text}")
    if outcome.summary["failed"]:  # Failed by type: on Prefect's pages a completed run of any name is green
        return Failed(message=text, name="CompletedWithFailures")
    return Completed(message=text, name="BudgetReached" if outcome.exit_code == 3 else "Completed")


def _begun(started: Engine, task: Task, grace: float) -> Outcome:
    """The task's run. One that is resumed is a new process, and waits for the one that was suspended to end, within its grace."""
    from prefect.runtime import flow_run

    outcome = run(started, _request(task))
    end = time.monotonic() + grace + _TO_PUBLISH
    while outcome.live_run is not None and (flow_run.run_count or 0) > 1 and time.monotonic() < end:
        time.sleep(_AGAIN)
        outcome = run(started, _request(task))
    return outcome


def attention(outcome: Outcome, settings: Settings) -> list[str]:
    """Reasons to look at a run: the error that stopped it, too many failures or partial documents, drift."""
    summary = outcome.summary
    done = summary["ok"] + summary["partial"] + summary["failed"]
    reasons = [] if outcome.stopped is None else [str(outcome.stopped)]
    for name, most in (("failed", settings.tell_failed), ("partial", settings.tell_partial)):
        if done and summary[name] / done > most:
            reasons.append(
                f"{summary[name]:,} of {done:,} documents {name} ({summary[name] / done:.0%}, told above {most:.0%})"
            )
    return [*reasons, *(f"worse than in the nights before: {text}" for text in summary["drift"])]


def run_name() -> str:
    """Name of a flow run: flow, dataset, day."""
    from prefect.runtime import flow_run

    where = PurePosixPath(str(flow_run.parameters.get("out", ""))).name or "dataset"
    at = flow_run.scheduled_start_time or datetime.datetime.now(datetime.UTC)
    return f"{flow_run.flow_name}-{where}-{at:%Y%m%d-%H%M}"


def _request(task: Task) -> RunRequest:
    schedule = _schedule()
    return RunRequest(
        sources=task.sources,
        document_type=load_type(task.document_type),
        out=task.out,
        budget_usd=task.budget_usd,
        limit=task.limit,
        allow_empty=True,  # a night without a document is a quiet night
        command=task.command,
        order=task.order,
        deadline=deadline(task.until),
        since=None if task.since is None else beginning(task.since),
        before=None if task.before is None else beginning(task.before),
        part=part(task.part),
        canary=task.canary,
        schedule=schedule
        if schedule is None or task.part is None
        else f"{schedule} {task.part}",  # parts run side by side
    )


def _schedule() -> str | None:
    """Deployment of this run; None where the flow was called directly."""
    from prefect.runtime import deployment, flow_run

    return None if deployment.name is None else f"{flow_run.flow_name}/{deployment.name}"


def _without_names(summary: dict[str, Any]) -> dict[str, Any]:
    """The summary as Prefect may keep it: with the number of failing documents, and without their names."""
    return {**summary, "failing": []} if summary else {}


def _tell(task: Task, settings: Settings | None, text: str, summary: dict[str, Any]) -> None:
    """Tell the webhook; where this process knows none, or it takes nothing, an event tells that of the deployment."""
    name, host, page = PurePosixPath(task.out).name, socket.gethostname(), summary.get("report")
    end = [f"page of the run: {page}"] if page else []
    if settings is not None and settings.webhook is not None:
        names = failing_lines(summary, task.out) if summary else []
        message = f"Pagemill on {host}, {task.command} of {name} ({task.out}): {text}"
        fault = post_message(settings.webhook, "\n".join([message, *names, *end]))
        if fault is None:
            return
        say(fault, "webhook")
    count = summary.get("failing_count")
    told = [text, *([f"{count:,} failing; `pagemill status {task.out}` names them"] if count else ()), *end]
    emit_event(
        EVENT,
        resource={"prefect.resource.id": f"pagemill.dataset.{name}", "prefect.resource.name": name},
        payload={
            "command": task.command,
            "dataset": name,
            "out": task.out,
            "host": host,
            "why": "\n".join(told),
            "summary": _without_names(summary),
        },
    )
