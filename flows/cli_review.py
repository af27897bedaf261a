"""`pagemill review`: the page on which people check and correct, served on this machine or as one file."""

from pathlib import Path
from typing import Annotated

import typer

from flows.commands.options import Dataset, TypeOfDataset, print_lines
from flows.commands.review import Who, login_name

app = typer.Typer()


@app.command("review")
def review_command(
    out: Dataset,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="write the worst documents as one web page that stands alone")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="documents of --html")] = 20,
    by: Who = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="on this machine; default: any that is free")] = 0,
    opens: Annotated[bool, typer.Option("--open", help="open it in the browser")] = False,
    type_name: TypeOfDataset = None,
) -> int:
    """Serve a page on this machine, worst documents first, to check and correct values beside their page."""
    from flows.settings import load_settings
    from flows.type_loader import load_type

    settings = load_settings()
    document_type = load_type(type_name) if type_name is not None else None
    if html is not None:
        from flows.review.export import export, export_line

        print_lines([export_line(export(out, document_type, settings, html, limit), html)])
        return 0
    from flows.review.correct import opened
    from flows.review.server import serve

    dataset, document_type = opened(out, document_type)
    who = by or login_name() or "unknown"
    serve(dataset, document_type, settings, by=who, port=port, opens=opens, tell=_tell)
    return 0


def _tell(url: str) -> None:
    typer.echo(f"review at {url}")
    typer.echo("only this machine can reach it, and only with this address; Ctrl-C ends it", err=True)
