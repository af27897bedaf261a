"""`pagemill correct` and `pagemill why`: one value of a document, as a person knows it to be, and how it came about."""

import getpass
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.options import AsJson, DatasetArgument, TypeOfDataset, type_in
from flows.ui.terminal import print_json, print_lines

Named = Annotated[str, typer.Argument(metavar="DOCUMENT", help="an id or its prefix, a path, a file name")]
Who = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="who says so; default: the name you are logged in by")
]


def correct_command(
    out: DatasetArgument,
    document: Named,
    field: Annotated[
        str | None,
        typer.Argument(metavar="FIELD", help="a JSON pointer: /total, /items/0/amount, /items/-; or a column"),
    ] = None,
    value: Annotated[str | None, typer.Argument(metavar="VALUE", help="as you would type it; JSON for an item")] = None,
    is_null: Annotated[bool, typer.Option("--null", help="the document states no value; takes out an item")] = False,
    is_accepted: Annotated[bool, typer.Option("--accept", help="the whole record is right as it stands")] = False,
    by: Who = None,
    note: Annotated[str | None, typer.Option(help="why")] = None,
    type_name: TypeOfDataset = None,
    as_json: AsJson = False,
) -> int:
    """Correct a published value: it stays so, whatever is extracted later. The same value again confirms it."""
    from flows.review.correct import correct, corrected_line, document_named, open_with_type
    from flows.type_loader import load_type
    from schemas.errors import ConfigurationError
    from schemas.record_tables import pointer_of

    if is_accepted == (field is not None) or (field is not None and is_null == (value is not None)):
        raise ConfigurationError("give FIELD and VALUE, FIELD and --null, or --accept alone")
    dataset, document_type = open_with_type(out, load_type(type_name) if type_name is not None else None)
    document_id = document_named(dataset, document)
    pointer = pointer_of(document_type, field or "")
    who = login_name() if by is None else by
    done = correct(dataset, document_type, document_id, pointer, value, by=who, note=note)
    if as_json:
        names = ("correction_id", "document_id", "field", "old", "new", "by")
        print_json({**{name: getattr(done, name) for name in names}, "status": done.after.record.status})
    else:
        print_lines([corrected_line(done, done.after.document["file_name"])])
    return 0


def why_command(
    out: DatasetArgument,
    document: Named,
    field: Annotated[
        str, typer.Argument(metavar="FIELD", help="a JSON pointer: /total, /line_items/0/amount; or a column")
    ],
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="draw it: the place on its page, as one web page")
    ] = None,
    type_name: TypeOfDataset = None,
    as_json: AsJson = False,
) -> int:
    """Tell how a value came about: page, quote, answer, recipe, checks, corrections."""
    from flows.review.correct import document_named
    from flows.review.why import draw_why, why, why_json, why_lines
    from flows.settings import load_settings
    from flows.storage.open import read_dataset
    from schemas.record_tables import pointer_of

    dataset = read_dataset(out)
    document_type = type_in(dataset, type_name)
    explanation = why(dataset, document_type, document_named(dataset, document), pointer_of(document_type, field))
    if html is not None:
        from flows.ui.html import check_target

        check_target(html)
        draw_why(explanation, dataset, load_settings(), html)
    print_json(why_json(explanation)) if as_json else print_lines(why_lines(explanation))
    return 0


def login_name() -> str:
    """Login name of the user; empty where the machine has none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def review_command(
    out: DatasetArgument,
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
    from flows.review.correct import open_with_type
    from flows.review.server import serve_review

    dataset, document_type = open_with_type(out, document_type)
    who = by or login_name() or "unknown"
    serve_review(dataset, document_type, settings, by=who, port=port, opens=opens, tell=_tell)
    return 0


def _tell(url: str) -> None:
    typer.echo(f"review at {url}")
    typer.echo("only this machine can reach it, and only with this address; Ctrl-C ends it", err=True)
