"""The commands on a dataset: `status`, `forget`, `retry`, `move`."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.options import AsJson, DatasetArgument
from flows.ui.terminal import asker, complain, print_json, print_lines
from flows.ui.text import count_documents
from schemas.errors import ConfigurationError


def forget_command(
    out: DatasetArgument,
    documents: Annotated[
        list[str] | None, typer.Argument(metavar="DOCUMENT...", help="an id or its prefix, a path, a file name")
    ] = None,
    where: Annotated[str | None, typer.Option(metavar="SQL", help='columns of documents, such as "pages > 10"')] = None,
    yes: Annotated[bool, typer.Option("--yes", help="remove what --where lists without asking")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="do not wait for a run that works on one")] = False,
    as_json: AsJson = False,
) -> int:
    """Remove documents from every table and keep them out."""
    from flows.runs.forget import forget, forget_lines
    from flows.settings import load_settings
    from flows.storage.find import find_documents
    from flows.storage.open import read_dataset

    if not documents and where is None:
        raise ConfigurationError("name a DOCUMENT or a condition with --where")
    found = find_documents(read_dataset(out), documents or [], where)
    if where is not None and not yes:
        lines = [f"{entry.document_id[:12]}  {entry.source_uri}" for entry in found]
        ask = None if as_json else asker()
        if ask is None or not found:
            print_json({"documents": [asdict(entry) for entry in found]}) if as_json else print_lines(lines)
            complain(f"{count_documents(len(found))}, none removed; remove with --yes")
            return 0
        print_lines(lines)
        if not ask(f"{len(found):,} documents are removed for good"):
            raise ConfigurationError("not confirmed; nothing was removed")
    done = forget(out, found, load_settings(), wait=not no_wait)
    print_json(asdict(done)) if as_json else print_lines(forget_lines(done, out))
    return 0


def retry_command(
    out: DatasetArgument,
    error: Annotated[str | None, typer.Option(metavar="NAME", help="only failures of this error")] = None,
    as_json: AsJson = False,
) -> int:
    """Make failures due again at the next run, also those that no waiting cures."""
    from flows.runs.retry import retry, retry_lines

    counts = retry(out, error)
    print_json({"due": sum(counts.values()), "errors": counts}) if as_json else print_lines(retry_lines(counts, out))
    return 0


def move_command(
    out: DatasetArgument,
    old: Annotated[
        str, typer.Argument(metavar="OLD_PREFIX", help="beginning of the addresses as they are in the tables")
    ],
    new: Annotated[str, typer.Argument(metavar="NEW_PREFIX", help="what it is now")],
    as_json: AsJson = False,
) -> int:
    """Change addresses after an archive has moved, without reading or asking anything again."""
    from flows.storage.move import move_addresses, move_lines

    counts = move_addresses(out, old, new)
    print_json({"moved": counts}) if as_json else print_lines(move_lines(counts, out, old, new))
    return 0


def status_command(
    out: DatasetArgument,
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
        from flows.reports.run_page import draw_run

        drawn = {"html": str(html), "drawn": draw_run(out, html, run_id)}
        if not verifies and not as_json:
            print_lines([f"run {drawn['drawn']} is drawn in {html}"])
            return 0
    from flows.reports.last_run import sections
    from flows.reports.status import status, status_lines
    from flows.ui.terminal import plain_lines, show_tables

    result = {**status(out), **drawn}
    lines = status_lines(result, out)
    if verifies:
        from flows.storage.verify import verify, verify_lines

        found = verify(out)
        result["findings"] = [asdict(entry) for entry in found]
        lines += verify_lines(found, out)
    if as_json:
        print_json(result)
    elif sys.stdout.isatty():
        print_lines(lines)
        show_tables(sections(result["last_run"]))
    else:
        print_lines([*lines, *plain_lines(sections(result["last_run"]))])
    return 1 if result.get("findings") else 0
