"""`pagemill schedules`: those of this machine and of the Prefect server that is configured, listed, removed, paused."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.schedules.schedule_folder import ScheduleFolder, schedule_folders
from schemas.errors import ConfigurationError

TAG = "pagemill"  # of our deployments on a server
_FLOWS = ("nightly", "backfill")


@dataclass(frozen=True, slots=True)
class ListedSchedule:
    """A schedule as it is listed. `state` is served, stopped, or deployed (on a server), or paused."""

    name: str
    state: str
    cron: str
    timezone: str
    out: str
    document_type: str
    sources: Sequence[str]
    where: str


def schedules(cache: Path) -> list[ListedSchedule]:
    """The schedules of this machine, then those on the server that PREFECT_API_URL names."""
    served = [_listed(folder) for folder in schedule_folders(cache)]
    return [*served, *(asyncio.run(_deployed()) if _server() else [])]


def remove(cache: Path, name: str) -> list[str]:
    """Remove a schedule: its folder, or its deployments, and the safeguards with the last of them; a line for each.

    Raises ConfigurationError for an unknown name, and for one that is being served. Datasets stay as they are.
    """
    lines = []
    for folder in _named(cache, name):
        folder.remove()
        lines.append(f"{name}: removed, with the history of its runs; the dataset stays as it is")
    if _server():
        lines += asyncio.run(_remove_deployed(name))
    return _some(lines, cache, name)


def pause(cache: Path, name: str, *, is_paused: bool) -> list[str]:
    """Pause the nightly of a schedule, or resume it, now and for later starts; a line for each.

    Raises ConfigurationError for an unknown name.
    """
    lines, what = [], "paused; nothing begins by itself" if is_paused else "resumed"
    for folder in _named(cache, name):
        folder.pause(is_paused=is_paused)
        if folder.is_served:
            with _reached(folder):
                asyncio.run(_pause_deployed(name, is_paused=is_paused))
        lines.append(f"{name}: {what}")
    if _server():
        lines += [f"{name} on the server: {what}"] if asyncio.run(_pause_deployed(name, is_paused=is_paused)) else []
    return _some(lines, cache, name)


def _named(cache: Path, name: str) -> list[ScheduleFolder]:
    return [folder for folder in schedule_folders(cache) if folder.facts.get("name") == name]


def _some(lines: list[str], cache: Path, name: str) -> list[str]:
    if not lines:
        known = sorted({str(folder.facts.get("name")) for folder in schedule_folders(cache)})
        raise ConfigurationError(
            f"no schedule is called {name}; known on this machine: {', '.join(known) or 'none'} (`pagemill schedules list`)"
        )
    return lines


def _listed(folder: ScheduleFolder) -> ListedSchedule:
    facts = folder.facts
    state = "served" if folder.is_served else "stopped"
    return ListedSchedule(
        str(facts.get("name")), f"{state}, paused" if folder.is_paused else state, str(facts.get("cron")),
        str(facts.get("timezone")), str(facts.get("out")), str(facts.get("document_type")), facts.get("sources") or [],
        f"this machine, port {facts.get('port')}",
    )  # fmt: skip


def _server() -> str | None:
    from prefect.settings import PREFECT_API_URL

    url: str | None = PREFECT_API_URL.value()
    return url


@contextmanager
def _reached(folder: ScheduleFolder) -> Iterator[None]:
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    named: dict[Any, Any] = {PREFECT_API_URL: f"http://127.0.0.1:{folder.facts['port']}/api"}
    with temporary_settings({**named, PREFECT_API_AUTH_STRING: folder.login()}):
        yield


async def _deployed() -> list[ListedSchedule]:
    from prefect import get_client

    async with get_client() as client:
        found = [entry for entry in await client.read_deployments() if TAG in entry.tags]
    listed = []
    for entry in found:
        for times in entry.schedules:
            said = entry.parameters
            listed.append(
                ListedSchedule(
                    entry.name, "deployed" if times.active and not entry.paused else "deployed, paused",
                    getattr(times.schedule, "cron", ""), getattr(times.schedule, "timezone", None) or "",
                    str(said.get("out")), str(said.get("document_type")), said.get("sources") or [],
                    f"Prefect's server, pool {entry.work_pool_name}",
                )
            )  # fmt: skip
    return listed


async def _remove_deployed(name: str) -> list[str]:
    from prefect import get_client
    from prefect.exceptions import ObjectNotFound

    lines = []
    async with get_client() as client:
        for flow in _FLOWS:
            try:
                found = await client.read_deployment_by_name(f"{flow}/{name}")
            except ObjectNotFound:
                continue
            await client.delete_deployment(found.id)
            lines.append(f"{flow}/{name}: removed from the server")
        if lines and not any(TAG in entry.tags for entry in await client.read_deployments()):
            for automation in await client.read_automations():
                if automation.name.startswith("pagemill: "):
                    await client.delete_automation(automation.id)
                    lines.append(f"{automation.name}: removed from the server, since no schedule is left")
    return lines


async def _pause_deployed(name: str, *, is_paused: bool) -> bool:
    """True where the server has a nightly of that name."""
    from prefect import get_client
    from prefect.exceptions import ObjectNotFound

    async with get_client() as client:
        try:
            found = await client.read_deployment_by_name(f"nightly/{name}")
        except ObjectNotFound:
            return False
        for times in found.schedules:
            await client.update_deployment_schedule(found.id, times.id, active=not is_paused)
    return True
