"""`pagemill deploy`: the flows `nightly` and `backfill` on a Prefect server, with their safeguards.

Applied again, it brings them up to date. The safeguards (PREFECT.md has what Prefect does without them): runs send a
heartbeat, and one that falls silent is called Crashed; a worker that dies does not take its run along; what needs a person's
eye, and every crash, goes to a webhook where one is named.
"""

import datetime
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect import get_client
from prefect.automations import Automation
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.schedules import CronSchedule
from prefect.events.actions import CallWebhook, ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound
from prefect.flows import Flow
from prefect.types.entrypoint import EntrypointType
from pydantic import SecretStr

from flows.backfill import backfill
from flows.nightly import nightly
from flows.runs.prefect_server import CHILDREN
from flows.runs.scheduled import EVENT
from flows.schedules.manage import TAG
from flows.schedules.schedule import Schedule
from schemas.errors import ConfigurationError

POOL = "pagemill"
_ENDPOINT = "endpoint: "  # before the endpoint of a deployment, in one of its tags
HEARTBEAT = 30  # seconds: the least that Prefect takes
RETRIES = 9  # the pause doubles from 2 s: a run that ends while its server is away waits for it a quarter of an hour
SILENCE = 100  # seconds without one after which a run is taken for dead: more than three of them
_ENDS = (
    "Completed", "CompletedWithFailures", "BudgetReached", "Failed", "Cancelled", "Crashed", "Suspended", "Paused",
)  # fmt: skip


async def deploy(
    schedule: Schedule, pool: str, webhook: SecretStr | None, folder: Path | None, *, is_paused: bool = False
) -> list[str]:
    """Make or update the work pool, the deployments and the safeguards; a line for each.

    Flows work in `folder`, and where it is None in one that the worker makes: with the present one, which may be anybody's,
    Prefect would import from it. Raises ConfigurationError where a name is taken by the schedule of another dataset, and where
    the pool serves another endpoint: its worker has one environment, so one endpoint and one key.
    """
    async with get_client() as client:
        await _require_name(client, schedule)
        await _require_endpoint(client, schedule, pool)
        try:
            await client.read_work_pool(pool)
        except ObjectNotFound:
            await client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
    cron = CronSchedule(cron=schedule.cron, timezone=schedule.timezone)
    parameters = {**schedule.parameters, **schedule.flags}
    for flow, times in ((nightly, None if is_paused else cron), (backfill, None)):
        await _deployment(
            flow, schedule, parameters, pool, cron if flow is nightly else None, folder, is_paused=times is None
        )
    lines = [
        f"nightly/{schedule.name}: {schedule.cron} {schedule.timezone}",
        f"backfill/{schedule.name}: when you start it",
    ]
    await _automation(_silent_runs())
    lines.append(f"a run that is silent for {SILENCE} s is called Crashed")
    if webhook is not None:
        for automation in await _told_to(webhook):
            await _automation(automation)
        lines.append("crashes, and runs that need attention, go to the webhook")
    return lines


async def _require_name(client: PrefectClient, schedule: Schedule) -> None:
    try:
        there = await client.read_deployment_by_name(f"nightly/{schedule.name}")
    except ObjectNotFound:
        return
    out = there.parameters.get("out")
    if out not in {None, schedule.parameters["out"]}:
        raise ConfigurationError(
            f"nightly/{schedule.name} is the schedule of {out}; call this one something else with --name, or remove that one "
            f"with `prefect deployment delete nightly/{schedule.name}`"
        )


async def _require_endpoint(client: PrefectClient, schedule: Schedule, pool: str) -> None:
    mine = _endpoint_tag(schedule)
    for entry in await client.read_deployments():
        other = next((tag for tag in entry.tags if tag.startswith(_ENDPOINT)), mine)
        if entry.work_pool_name == pool and entry.name != schedule.name and other != mine:
            raise ConfigurationError(
                f"pool {pool} serves {other.removeprefix(_ENDPOINT)} for {entry.name}, and its worker has one key: give "
                f"{schedule.name}, whose endpoint is {schedule.endpoint}, a pool and a worker of its own with --pool"
            )


def _endpoint_tag(schedule: Schedule) -> str:
    return f"{_ENDPOINT}{schedule.endpoint}"


async def _deployment(
    flow: Flow[..., Any],
    schedule: Schedule,
    parameters: Mapping[str, Any],
    pool: str,
    cron: CronSchedule | None,
    folder: Path | None,
    *,
    is_paused: bool,
) -> None:
    made = await flow.ato_deployment(
        name=schedule.name,
        parameters=dict(parameters),
        schedules=[] if cron is None else [DeploymentScheduleCreate(schedule=cron, active=not is_paused)],
        tags=[TAG, _endpoint_tag(schedule)],
        work_pool_name=pool,
        job_variables={
            "stream_output": False,  # with it, a worker that dies takes its run along
            **({} if folder is None else {"working_dir": str(folder)}),  # Prefect makes an empty one else
            "command": f"{sys.executable} -P -m prefect.engine",
            "env": {
                **CHILDREN,
                "PAGEMILL_ENV_FILE": str(Path.cwd() / ".env"),
                "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT),
                "PREFECT_CLIENT_MAX_RETRIES": str(RETRIES),
                "PREFECT_LOGGING_TO_API_ENABLED": "true",  # lines of the run, for the Logs tab of its page
            },
        },
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    await made.aapply()


def _silent_runs() -> Automation:
    return Automation(
        name="pagemill: silent runs are crashed",
        description="A run whose process is gone without a word is not Running.",
        trigger=EventTrigger(
            posture=Posture.Proactive,
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.heartbeat", *(f"prefect.flow-run.{end}" for end in _ENDS)},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            threshold=1,
            within=datetime.timedelta(seconds=SILENCE),
        ),
        actions=[
            ChangeFlowRunState(name="Crashed", state=StateType.CRASHED, message=f"silent for {SILENCE} s", force=False)
        ],
    )


async def _told_to(webhook: SecretStr) -> list[Automation]:
    block = Webhook(method="POST", url=webhook, allow_private_urls=True)
    saved = await block.asave("pagemill-webhook", overwrite=True)
    return [
        Automation(
            name="pagemill: runs that need attention",
            trigger=EventTrigger(
                posture=Posture.Reactive,
                expect={EVENT},
                match={"prefect.resource.id": "pagemill.dataset.*"},
                threshold=1,
            ),
            actions=[CallWebhook(block_document_id=saved, payload=_PAYLOAD)],
        ),
        Automation(
            name="pagemill: crashed runs",
            trigger=EventTrigger(
                posture=Posture.Reactive,
                expect={"prefect.flow-run.Crashed"},
                match={"prefect.resource.id": "prefect.flow-run.*"},
                threshold=1,
            ),
            actions=[CallWebhook(block_document_id=saved, payload=_CRASHED)],
        ),
    ]


def _posted(text: str) -> str:
    """A template of Jinja's, which Prefect fills in with the event that fired. Chats read `text`, Apprise `body`."""
    return f'{{"title": "Pagemill", "text": {{{{ ({text}) | tojson }}}}, "body": {{{{ ({text}) | tojson }}}}}}'


_PAYLOAD = _posted(
    '"Pagemill on " ~ event.payload.host ~ ", " ~ event.payload.command ~ " of " ~ event.payload.dataset ~ " ("'
    ' ~ event.payload.out ~ "): " ~ event.payload.why'
)
_CRASHED = _posted('"Pagemill: run " ~ event.resource.name ~ " crashed; the next scheduled run goes on with its work"')


async def _automation(automation: Automation) -> None:
    """Make the automation, or bring the one of its name up to date; one that is the same knows who has fallen silent."""
    async with get_client() as client:
        known = await client.read_automations_by_name(automation.name)
        if len(known) == 1 and _said(known[0]) == _said(automation):
            return
        for entry in known:
            await client.delete_automation(entry.id)
    await automation.acreate()


def _said(automation: AutomationCore) -> dict[str, Any]:
    """Content of an automation, without the fields that a server adds."""
    whole = automation.model_dump(mode="json", include={"trigger", "actions", "enabled", "description"})
    whole["trigger"] = {key: value for key, value in whole["trigger"].items() if key != "id"}
    for key in ("after", "expect", "for_each"):
        whole["trigger"][key] = sorted(whole["trigger"].get(key) or ())
    return whole
