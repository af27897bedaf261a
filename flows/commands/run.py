"""The commands that extract: `run` and `refresh`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.options import (
    AsJson,
    ChunkTokens,
    DatasetArgument,
    ImagesOption,
    LogFormat,
    ModelName,
    OrderOption,
    OutOption,
    Sources,
    Type,
)
from flows.runs.canary import FAILED, PARTIAL, Canary
from flows.ui.terminal import asker, complain, print_json, print_lines
from flows.ui.text import dollars
from schemas.errors import exit_code_of


def run_command(
    sources: Sources,
    type_name: Type,
    out: OutOption,
    model: ModelName = None,
    budget: Annotated[float | None, typer.Option(min=0, help="hard cap in USD")] = None,
    limit: Annotated[int | None, typer.Option(min=0, help="most documents of this run; the rest is deferred")] = None,
    concurrency: Annotated[int | None, typer.Option(help="requests in flight")] = None,
    shard_size: Annotated[int | None, typer.Option(help="documents published together")] = None,
    images: ImagesOption = None,
    chunk_tokens: ChunkTokens = None,
    allow_empty: Annotated[bool, typer.Option("--allow-empty", help="a SOURCE may match nothing")] = False,
    rehash: Annotated[bool, typer.Option("--rehash", help="open every document, also what looks unchanged")] = False,
    allow_gone: Annotated[
        bool, typer.Option("--allow-gone", help="what is missing is gone, also when it is more than 5 % of a source")
    ] = False,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="read what links in SOURCE lead to, also outside of it")
    ] = False,
    order: Annotated[OrderOption, typer.Option(help="what is extracted first")] = "listed",
    until: Annotated[str | None, typer.Option(metavar="HH:MM", help="begin nothing after this time of the day")] = None,
    log_format: LogFormat = None,
    since: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="only what was changed then (UTC) or later")
    ] = None,
    before: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="only what was changed before then")] = None,
    part_of: Annotated[
        str | None,
        typer.Option(
            "--part", metavar="K/N", help="only part K of N, by a hash of each address: N runs share the work"
        ),
    ] = None,
    canary: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="so many documents first; go on only if they turn out well")
    ] = None,
    canary_failed: Annotated[float, typer.Option(min=0, max=1, help="share of them that may fail")] = FAILED,
    canary_partial: Annotated[float, typer.Option(min=0, max=1, help="share that may be partial")] = PARTIAL,
    canary_cost: Annotated[float | None, typer.Option(min=0, help="most that a page may cost, in USD")] = None,
    as_json: AsJson = False,
) -> int:
    """Extract what is new in SOURCE and publish it to OUT."""
    from flows.settings import load_settings, require_model
    from flows.type_loader import load_type

    flags = {"model": model, "concurrency": concurrency, "shard_size": shard_size, "images": images}
    flags |= {"log_format": log_format, "follow_links": follow_links or None}
    settings = load_settings(**flags, chunk_tokens=chunk_tokens)
    require_model(settings)
    document_type = load_type(type_name)
    from flows.runs.request import RunRequest
    from flows.runs.resources import engine
    from flows.runs.run import run
    from flows.sources.selection import day, deadline, part

    with engine(settings) as shared:
        request = RunRequest(
            sources, document_type, out, budget, limit, allow_empty=allow_empty, rehash=rehash, allow_gone=allow_gone,
            confirm=asker(),
            order=order, deadline=deadline(until), since=day("--since", since), before=day("--before", before),
            part=part(part_of),
            canary=None if canary is None else Canary(canary, canary_failed, canary_partial, canary_cost),
        )  # fmt: skip
        outcome = run(shared, request)
    from flows.reports.status import run_lines, tell_end

    tell_end(outcome.summary, out)
    print_json(outcome.summary) if as_json else print_lines(run_lines(outcome.summary, out))
    if outcome.stopped is not None:
        complain(outcome.stopped)
    return outcome.exit_code


def refresh_command(
    out: DatasetArgument,
    is_all: Annotated[bool, typer.Option("--all", help="every document of an older recipe")] = False,
    is_partial: Annotated[bool, typer.Option("--partial", help="documents that are partial")] = False,
    documents: Annotated[
        list[str] | None,
        typer.Option("--document", metavar="DOCUMENT", help="an id or its prefix, a path, a file name"),
    ] = None,
    where: Annotated[str | None, typer.Option(metavar="SQL", help='columns of documents, such as "pages > 10"')] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="show what would change in N documents; publishes nothing")
    ] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="draw what a sample shows as one web page")] = None,
    into: Annotated[
        str | None, typer.Option(metavar="NEW", help="a new dataset, where the type's columns changed")
    ] = None,
    use_stored: Annotated[
        bool, typer.Option("--replay", help="today's parser over stored answers, calling nothing")
    ] = False,
    budget: Annotated[float | None, typer.Option(min=0, help="hard cap in USD")] = None,
    type_name: Annotated[
        str | None,
        typer.Option(
            "--type",
            help="the type as it is now, where it is a file (of file.py:Class the code is run); default: the dataset's",
        ),
    ] = None,
    model: ModelName = None,
    images: ImagesOption = None,
    chunk_tokens: ChunkTokens = None,
    log_format: LogFormat = None,
    as_json: AsJson = False,
) -> int:
    """Make published rows anew: under today's recipe, as a sample first, or from stored answers for nothing."""
    from flows.settings import load_settings, require_model
    from flows.type_loader import load_type

    document_type = load_type(type_name) if type_name is not None else None
    settings = load_settings(model=model, images=images, chunk_tokens=chunk_tokens, log_format=log_format)
    if use_stored:
        from flows.runs.refresh_request import refresh_lines, tell_refreshed
        from flows.runs.replay import replay

        replayed = replay(out, settings, document_type)
        tell_refreshed(replayed, out, is_sample=False)
        print_json(asdict(replayed)) if as_json else print_lines(refresh_lines(replayed, out, is_sample=False))
        return 0
    require_model(settings)
    from flows.runs.recipe_differences import difference_lines, draw_differences
    from flows.runs.refresh import refresh
    from flows.runs.refresh_request import RefreshRequest, refresh_lines, tell_refreshed
    from flows.runs.resources import engine

    if into is not None:
        from flows.reports.status import run_lines, tell_end
        from flows.runs.migrate import refresh_into

        with engine(settings) as shared:
            outcome = refresh_into(shared, out, into, document_type, budget, asker())
        tell_end(outcome.summary, into)
        print_json(outcome.summary) if as_json else print_lines(run_lines(outcome.summary, into))
        if outcome.stopped is not None:
            complain(outcome.stopped)
        return outcome.exit_code
    request = RefreshRequest(
        out, document_type, is_all, is_partial, documents or (), where, sample, budget, confirm=asker()
    )
    with engine(settings) as shared:
        done, stopped = refresh(shared, request)
    tell_refreshed(done, out, is_sample=sample is not None)
    if html is not None and sample is not None:
        about = {"dataset": out, "documents looked at": str(done.refreshed), "cost": dollars(done.cost_usd)}
        draw_differences(done.differences, done.refreshed, about, html, done.disagreements)
    if as_json:
        print_json(asdict(done))
    else:
        print_lines(refresh_lines(done, out, is_sample=sample is not None))
        print_lines(difference_lines(done.differences, done.refreshed))
    if stopped is not None:
        complain(stopped)
    return exit_code_of(stopped, failed=0)
