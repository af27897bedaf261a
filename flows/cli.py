"""The terminal: arguments in, one call, an exit code out. The one place that catches what ends a run."""

import gc
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flows.canary import FAILED, PARTIAL, Canary
from flows.cli_correct import app as correct_app
from flows.cli_review import app as review_app
from flows.cli_shared import (
    AsJson,
    ChunkTokens,
    Dataset,
    Document,
    Images,
    LogFormat,
    ModelName,
    Order,
    Out,
    Sources,
    Type,
    complain,
    print_json,
    print_lines,
)
from flows.cli_truth import app as truth_app
from schemas.errors import ConfigurationError, ModelUnavailableError, PagemillError, exit_code_of

app = typer.Typer(
    name="pagemill",
    help="Turn archives of PDFs into typed, checkable Parquet tables with a multimodal model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(correct_app)
app.add_typer(review_app)
app.add_typer(truth_app)


@app.command("run")
def run_command(
    sources: Sources,
    type_name: Type,
    out: Out,
    model: ModelName = None,
    budget: Annotated[float | None, typer.Option(min=0, help="hard cap in USD")] = None,
    limit: Annotated[int | None, typer.Option(min=0, help="most documents of this run; the rest is deferred")] = None,
    concurrency: Annotated[int | None, typer.Option(help="requests in flight")] = None,
    shard_size: Annotated[int | None, typer.Option(help="documents published together")] = None,
    images: Images = None,
    chunk_tokens: ChunkTokens = None,
    allow_empty: Annotated[bool, typer.Option("--allow-empty", help="a SOURCE may match nothing")] = False,
    rehash: Annotated[bool, typer.Option("--rehash", help="open every document, also what looks unchanged")] = False,
    allow_gone: Annotated[
        bool, typer.Option("--allow-gone", help="what is missing is gone, also when it is more than 5 % of a source")
    ] = False,
    order: Annotated[Order, typer.Option(help="what is extracted first")] = "listed",
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
    from flows.types import load_type

    flags = {"model": model, "concurrency": concurrency, "shard_size": shard_size, "images": images}
    flags["log_format"] = log_format
    settings = load_settings(**flags, chunk_tokens=chunk_tokens)
    require_model(settings)
    document_type = load_type(type_name)
    from flows.engine import engine
    from flows.order import day, deadline, part
    from flows.run import RunRequest, run

    with engine(settings) as shared:
        request = RunRequest(
            sources, document_type, out, budget, limit, allow_empty=allow_empty, rehash=rehash, allow_gone=allow_gone,
            confirm=_asker(),
            order=order, deadline=deadline(until), since=day("--since", since), before=day("--before", before),
            part=part(part_of),
            canary=None if canary is None else Canary(canary, canary_failed, canary_partial, canary_cost),
        )  # fmt: skip
        outcome = run(shared, request)
    from flows.report import run_lines, tell_end

    tell_end(outcome.summary, out)
    print_json(outcome.summary) if as_json else print_lines(run_lines(outcome.summary, out))
    if outcome.stopped is not None:
        complain(outcome.stopped)
    return outcome.exit_code


@app.command("try")
def try_command(
    document: Document,
    type_name: Type,
    model: ModelName = None,
    images: Images = None,
    chunk_tokens: ChunkTokens = None,
    as_json: AsJson = False,
) -> int:
    """Extract one document now and show each value with its page and quote; publishes nothing."""
    from flows.look import try_document, try_lines
    from flows.settings import load_settings, require_model
    from flows.types import load_type

    settings = load_settings(model=model, images=images, chunk_tokens=chunk_tokens)
    require_model(settings)
    result = try_document(document, load_type(type_name), settings)
    print_json(result) if as_json else print_lines(try_lines(result))
    return 0


@app.command("estimate")
def estimate_command(
    sources: Sources,
    type_name: Annotated[str | None, typer.Option("--type", help="a built-in type or a file")] = None,
    model: ModelName = None,
    images: Images = None,
    chunk_tokens: ChunkTokens = None,
    exact: Annotated[bool, typer.Option("--exact", help="split every document, however many")] = False,
    as_json: AsJson = False,
) -> int:
    """Count documents, pages, tokens and requests, and what they would cost; sends nothing."""
    from flows.estimate import estimate, estimate_lines
    from flows.settings import load_settings
    from flows.types import load_type

    document_type = load_type(type_name) if type_name is not None else None
    settings = load_settings(model=model, images=images, chunk_tokens=chunk_tokens)
    result = estimate(sources, document_type, settings, exact=exact)
    print_json(result) if as_json else print_lines(estimate_lines(result))
    return 0


@app.command("show")
def show_command(
    document: Document,
    type_name: Type,
    model: ModelName = None,
    images: Images = None,
    chunk_tokens: ChunkTokens = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="draw it as one web page that stands alone")] = None,
    as_json: AsJson = False,
) -> int:
    """Show what would be sent for one document: page by page, with the reason, tokens and hidden text."""
    from flows.look import show_document, show_lines
    from flows.settings import load_settings
    from flows.types import load_type

    settings = load_settings(model=model, images=images, chunk_tokens=chunk_tokens)
    result = show_document(document, load_type(type_name), settings, html)
    if as_json:
        print_json(result)
    else:
        print_lines([f"drawn in {html}"] if html is not None else show_lines(result))
    return 0


@app.command("refresh")
def refresh_command(
    out: Dataset,
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
        str | None, typer.Option("--type", help="the type as it is now, where it is a file; default: the dataset's own")
    ] = None,
    model: ModelName = None,
    images: Images = None,
    chunk_tokens: ChunkTokens = None,
    log_format: LogFormat = None,
    as_json: AsJson = False,
) -> int:
    """Make published rows anew: under today's recipe, as a sample first, or from stored answers for nothing."""
    from flows.settings import load_settings, require_model
    from flows.types import load_type

    document_type = load_type(type_name) if type_name is not None else None
    settings = load_settings(model=model, images=images, chunk_tokens=chunk_tokens, log_format=log_format)
    if use_stored:
        from flows.refresh import refresh_lines, tell_refreshed
        from flows.replay import replay

        replayed = replay(out, settings, document_type)
        tell_refreshed(replayed, out, is_sample=False)
        print_json(asdict(replayed)) if as_json else print_lines(refresh_lines(replayed, out, is_sample=False))
        return 0
    require_model(settings)
    from flows.difference import difference_lines, draw_differences
    from flows.engine import engine
    from flows.refresh import RefreshRequest, refresh, refresh_lines, tell_refreshed

    if into is not None:
        from flows.into import refresh_into
        from flows.report import run_lines, tell_end

        with engine(settings) as shared:
            outcome = refresh_into(shared, out, into, document_type, budget, _asker())
        tell_end(outcome.summary, into)
        print_json(outcome.summary) if as_json else print_lines(run_lines(outcome.summary, into))
        if outcome.stopped is not None:
            complain(outcome.stopped)
        return outcome.exit_code
    request = RefreshRequest(
        out, document_type, is_all, is_partial, documents or (), where, sample, budget, confirm=_asker()
    )
    with engine(settings) as shared:
        done, stopped = refresh(shared, request)
    tell_refreshed(done, out, is_sample=sample is not None)
    if html is not None and sample is not None:
        said = {"dataset": out, "documents looked at": str(done.refreshed), "cost": _dollars(done.cost_usd)}
        draw_differences(done.differences, done.refreshed, said, html, done.disagreements)
    if as_json:
        print_json(asdict(done))
    else:
        print_lines(refresh_lines(done, out, is_sample=sample is not None))
        print_lines(difference_lines(done.differences, done.refreshed))
    if stopped is not None:
        complain(stopped)
    return exit_code_of(stopped, failed=0)


@app.command("forget")
def forget_command(
    out: Dataset,
    documents: Annotated[
        list[str] | None, typer.Argument(metavar="DOCUMENT...", help="an id or its prefix, a path, a file name")
    ] = None,
    where: Annotated[str | None, typer.Option(metavar="SQL", help='columns of documents, such as "pages > 10"')] = None,
    yes: Annotated[bool, typer.Option("--yes", help="remove what --where lists without asking")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="do not wait for a run that works on one")] = False,
    as_json: AsJson = False,
) -> int:
    """Remove documents from every table and keep them out."""
    from flows.find import find_documents
    from flows.forget import forget, forget_lines
    from flows.settings import load_settings
    from flows.storage.dataset import read_dataset

    if not documents and where is None:
        raise ConfigurationError("name a DOCUMENT or a condition with --where")
    found = find_documents(read_dataset(out), documents or [], where)
    if where is not None and not yes:
        lines = [f"{each.document_id[:12]}  {each.source_uri}" for each in found]
        ask = None if as_json else _asker()
        if ask is None or not found:
            print_json({"documents": [asdict(each) for each in found]}) if as_json else print_lines(lines)
            complain(f"{len(found):,} document{'' if len(found) == 1 else 's'}, none removed; remove with --yes")
            return 0
        print_lines(lines)
        if not ask(f"{len(found):,} documents are removed for good"):
            raise ConfigurationError("not confirmed; nothing was removed")
    done = forget(out, found, load_settings(), wait=not no_wait)
    print_json(asdict(done)) if as_json else print_lines(forget_lines(done, out))
    return 0


@app.command("retry")
def retry_command(
    out: Dataset,
    error: Annotated[str | None, typer.Option(metavar="NAME", help="only failures of this error")] = None,
    as_json: AsJson = False,
) -> int:
    """Make failures due again at the next run, also those that no waiting cures."""
    from flows.retry import retry, retry_lines

    counts = retry(out, error)
    print_json({"due": sum(counts.values()), "errors": counts}) if as_json else print_lines(retry_lines(counts, out))
    return 0


@app.command("check")
def check_command(model: ModelName = None, as_json: AsJson = False) -> int:
    """Look at the endpoint before the night: key, model, window, price, pictures, schema; for less than a cent."""
    from flows.check import check, check_lines
    from flows.settings import load_settings

    checked = check(load_settings(model=model))
    if as_json:
        findings = [asdict(finding) for finding in checked.findings]
        print_json({"ok": checked.is_ok, "findings": findings, "cost_usd": checked.cost_usd})
    else:
        print_lines(check_lines(checked))
    return 2 if checked.is_refused else 0 if checked.is_ok else 1


@app.command("status")
def status_command(
    out: Dataset,
    verifies: Annotated[bool, typer.Option("--check", help="verify every key, count, sum and checksum")] = False,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="draw a run as one web page that stands alone")
    ] = None,
    run_id: Annotated[str | None, typer.Option("--run", metavar="RUN_ID", help="which run --html draws")] = None,
    as_json: AsJson = False,
) -> int:
    """The accounting of a dataset, and what its newest run did; writes nothing into it."""
    if run_id is not None and html is None:
        raise ConfigurationError("--run names the run that --html FILE draws; give both")
    drawn = {}
    if html is not None:
        from flows.run_page import draw_run

        drawn = {"html": str(html), "drawn": draw_run(out, html, run_id)}
        if not verifies and not as_json:
            print_lines([f"run {drawn['drawn']} is drawn in {html}"])
            return 0
    from flows.last_run import plain_lines, sections, show_tables
    from flows.report import status, status_lines

    result = {**status(out), **drawn}
    lines = status_lines(result, out)
    if verifies:
        from flows.verify import verify, verify_lines

        found = verify(out)
        result["findings"] = [asdict(each) for each in found]
        lines += verify_lines(found, out)
    if as_json:
        print_json(result)
    elif sys.stdout.isatty():
        print_lines(lines)
        show_tables(sections(result["last_run"]))
    else:
        print_lines([*lines, *plain_lines(sections(result["last_run"]))])
    return 1 if result.get("findings") else 0


Cron = Annotated[str, typer.Option(help="when the nightly runs: minute, hour, day, month, weekday")]
Zone = Annotated[
    str | None, typer.Option("--timezone", help="of --cron, such as Europe/Berlin; default: this machine's")
]
NightOrder = Annotated[Order, typer.Option(help="what is extracted first: newest, oldest, smallest, or listed")]
Until = Annotated[str | None, typer.Option(metavar="HH:MM", help="begin nothing after this time of the day")]
Budget = Annotated[float | None, typer.Option(min=0, help="hard cap of a run in USD")]
ScheduleName = Annotated[str | None, typer.Option("--name", help="of the schedule; default: the last name of --out")]


@app.command("serve")
def serve_command(
    sources: Sources,
    type_name: Type,
    out: Out,
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
    from flows.schedule import require_places, schedule_of
    from flows.serve import serve
    from flows.settings import load_settings, require_model

    settings = load_settings(model=model)
    require_model(settings)
    nightly = {"order": order, "until": until, "budget_usd": budget, "model": model}
    schedule = schedule_of(sources, type_name, out, cron, timezone, nightly, name)
    require_places(schedule)
    serve([schedule], settings.cache_dir / "serve", port, settings.webhook)
    return 0


@app.command("deploy")
def deploy_command(
    sources: Sources,
    type_name: Type,
    out: Out,
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
    from flows.schedule import schedule_of
    from flows.serve import deploy_to_server
    from flows.settings import load_settings, require_model

    settings = load_settings(model=model)
    require_model(settings)
    nightly = {"order": order, "until": until, "budget_usd": budget, "model": model}
    schedule = schedule_of(sources, type_name, out, cron, timezone, nightly, name)
    print_lines(
        [*deploy_to_server([schedule], pool, settings.webhook), f"start a worker: prefect worker start --pool {pool}"]
    )
    return 0


types_app = typer.Typer(help="List and check document types.", invoke_without_command=True, rich_markup_mode=None)
app.add_typer(types_app, name="types")


@types_app.callback()
def types_command(context: typer.Context) -> int | None:
    """List the built-in document types."""
    if context.invoked_subcommand is not None:
        return None
    from schemas.document_types import DOCUMENT_TYPES

    print_lines([f"{name:12} {each.description}" for name, each in DOCUMENT_TYPES.items()])
    return 0


@types_app.command("check")
def types_check(name: Annotated[str, typer.Argument(metavar="TYPE")]) -> int:
    """Check a document type and show the tables and columns that it makes."""
    from flows.types import load_type
    from schemas.tables import record_tables

    lines = []
    for table in record_tables(load_type(name)):
        lines.append(table.name)
        lines += [f"  {field.name}: {field.type}" for field in table.schema]
    print_lines(lines)
    return 0


@types_app.command("infer")
def types_infer(examples: Annotated[list[Path], typer.Argument(metavar="EXAMPLE.json...")]) -> int:
    """Draft a JSON Schema from examples of the answers that you would like; descriptions are left for you to fill in."""
    from flows.drafts import draft_schema

    loaded = []
    for path in examples:
        try:
            loaded.append(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{path} cannot be read as JSON: {error}") from error
        if not isinstance(loaded[-1], dict):
            raise ConfigurationError(f"{path}: an example is one JSON object, the answer for one document")
    print_lines([json.dumps(draft_schema(loaded, examples[0]), indent=2, ensure_ascii=False)])
    return 0


@app.command("tour")
def tour_command(
    samples: Annotated[Path, typer.Option(help="folder of the sample documents")] = Path("sample_docs"),
    out: Annotated[Path, typer.Option(help="folder for the three datasets")] = Path("out"),
) -> int:
    """Extract the sample documents with the embedded model and look around: what `make run` does."""
    from flows.tour import tour

    return tour(samples, out)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code. No error of ours, and no interrupt, shows a traceback."""
    from flows.log import LOG

    LOG.use(_log_format(sys.argv[1:] if arguments is None else arguments))
    try:
        code = app(args=arguments, standalone_mode=False)
    except PagemillError as error:
        complain(error)
        is_refused = isinstance(error, ModelUnavailableError) and error.refused
        return 2 if is_refused or isinstance(error, ConfigurationError) else 1
    except KeyboardInterrupt:
        complain("stopped; what was answered is kept, run the same command again to go on")
        return 1
    except typer.Exit as leaving:
        return leaving.exit_code
    except typer.Abort:
        return 1
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as error:
        if error.__class__.__module__.startswith(("click", "typer")) and hasattr(error, "format_message"):
            complain(error.format_message()) if LOG.is_json else error.show()  # type: ignore[attr-defined]
            return 2
        raise
    return code if isinstance(code, int) else 0


def entry() -> None:
    """The console command: `main`, and its code to the shell."""
    gc.set_threshold(
        50_000, 20, 100
    )  # imports make many objects and no waste: a third of their time was looking for it
    sys.modules["__main__"].__dict__.pop("__file__", None)  # or each split process imports the command line again
    code = main()
    gc.freeze()  # or the interpreter looks for waste among all that ends with it: 0.3 to 0.5 s after a run
    sys.exit(code)


def _log_format(arguments: list[str]) -> str | None:
    """The form of the lines on standard error that the flag names: errors of the other flags are to have it, too."""
    for place, each in enumerate(arguments):
        if each.startswith("--log-format="):
            return each.partition("=")[2]
        if each == "--log-format":
            return next(iter(arguments[place + 1 :]), None)
    return None


def _asker() -> Callable[[str], bool] | None:
    """Asks whoever sits at the terminal; null where nobody does, or where a program reads what is said."""
    from flows.log import LOG

    if LOG.is_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    return lambda text: typer.confirm(f"{text}. Go on?", err=True)


def _dollars(amount: float | None) -> str:
    return "unknown" if amount is None else f"${amount:.4f}"


if __name__ == "__main__":
    entry()
