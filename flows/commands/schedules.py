"""The commands of schedules: `serve`, `deploy`, and `schedules` for those that there are."""

from dataclasses import asdict
from typing import Annotated, Literal

import typer

from flows.commands.options import AsJson, ModelName, OrderOption, OutOption, Sources, Type
from flows.ui.terminal import print_json, print_lines
from schemas.errors import ConfigurationError

ScheduleAction = Literal["list", "remove", "pause", "resume"]

Cron = Annotated[str, typer.Option(help="when the nightly runs: minute, hour, day, month, weekday")]


Zone = Annotated[
    str | None, typer.Option("--timezone", help="of --cron, such as Europe/Berlin; default: this machine's")
]


NightOrder = Annotated[OrderOption, typer.Option(help="what is extracted first: newest, oldest, smallest, or listed")]


Until = Annotated[str | None, typer.Option(metavar="HH:MM", help="begin nothing after this time of the day")]


Budget = Annotated[float | None, typer.Option(min=0, help="hard cap of a run in USD")]


ScheduleName = Annotated[str | None, typer.Option("--name", help="of the schedule; default: the last name of --out")]


def serve_command(
    sources: Sources,
    type_name: Type,
    out: OutOption,
    cron: Cron = "0 2 * * *",
    timezone: Zone = None,
    order: NightOrder = "newest",
    until: Until = None,
    budget: Budget = None,
    model: ModelName = None,
    name: ScheduleName = None,
    port: Annotated[int, typer.Option(min=1024, max=65535, help="of Prefect's page on this machine")] = 4200,
) -> int:
    """Run a nightly schedule on this machine, Prefect's server included, until it is told to stop."""
    from flows.schedules.schedule import require_places, schedule_of
    from flows.schedules.serve import serve
    from flows.settings import load_settings, require_model

    settings = load_settings(model=model)
    require_model(settings)
    flags = {"order": order, "until": until, "budget_usd": budget, "model": model}
    schedule = schedule_of(sources, type_name, out, cron, timezone, flags, settings.origin, name)
    require_places(schedule)
    serve(schedule, settings.cache_dir, port, settings.webhook, settings.keep)
    return 0


def deploy_command(
    sources: Sources,
    type_name: Type,
    out: OutOption,
    cron: Cron = "0 2 * * *",
    timezone: Zone = None,
    order: NightOrder = "newest",
    until: Until = None,
    budget: Budget = None,
    model: ModelName = None,
    name: ScheduleName = None,
    pool: Annotated[str, typer.Option(help="work pool, made when it is not there")] = "pagemill",
) -> int:
    """Set a nightly and a backfill up on the Prefect server that PREFECT_API_URL names, with the safeguards."""
    from flows.schedules.schedule import schedule_of
    from flows.schedules.serve import deploy_to_server
    from flows.settings import load_settings, require_model

    settings = load_settings(model=model)
    require_model(settings)
    flags = {"order": order, "until": until, "budget_usd": budget, "model": model}
    schedule = schedule_of(sources, type_name, out, cron, timezone, flags, settings.origin, name)
    print_lines(
        [*deploy_to_server(schedule, pool, settings.webhook), f"start a worker: prefect worker start --pool {pool}"]
    )
    return 0


def schedules_command(
    action: Annotated[ScheduleAction, typer.Argument(help="list, remove, pause or resume")] = "list",
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="of the schedule, as it is listed")] = None,
    as_json: AsJson = False,
) -> int:
    """List the schedules of this machine and of the Prefect server that is configured; remove, pause or resume one."""
    from flows.schedules.manage import pause, remove, schedules
    from flows.settings import load_settings

    cache = load_settings().cache_dir
    if action == "list":
        found = schedules(cache)
        if as_json:
            print_json({"schedules": [asdict(entry) for entry in found]})
        else:
            print_lines(
                [
                    f"{entry.name}: {entry.state}; {entry.cron} {entry.timezone}; {entry.document_type} to {entry.out}; "
                    f"{entry.where}"
                    for entry in found
                ]
                or ["no schedules; `pagemill serve` and `pagemill deploy` make them"]
            )
        return 0
    if name is None:
        raise ConfigurationError(
            f"`schedules {action}` needs the NAME of a schedule; `pagemill schedules list` has them"
        )
    print_lines(remove(cache, name) if action == "remove" else pause(cache, name, is_paused=action == "pause"))
    return 0
