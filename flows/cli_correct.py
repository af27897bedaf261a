"""`pagemill correct`: one value of a document, as a person knows it to be."""

import getpass
from typing import Annotated

import typer

from flows.cli_shared import AsJson, Dataset, TypeOfDataset, print_json, print_lines

app = typer.Typer()

Who = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="who says so; default: the name you are logged in by")
]


@app.command("correct")
def correct_command(
    out: Dataset,
    document: Annotated[str, typer.Argument(metavar="DOCUMENT", help="an id or its prefix, a path, a file name")],
    field: Annotated[
        str | None, typer.Argument(metavar="FIELD", help="a JSON pointer: /total, /line_items/0/amount, /line_items/-")
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
    from flows.correct import correct, corrected_line, document_named, opened
    from flows.types import load_type
    from schemas.errors import ConfigurationError

    if is_accepted == (field is not None) or (field is not None and is_null == (value is not None)):
        raise ConfigurationError("give FIELD and VALUE, FIELD and --null, or --accept alone")
    dataset, document_type = opened(out, load_type(type_name) if type_name is not None else None)
    document_id = document_named(dataset, document)
    done = correct(dataset, document_type, document_id, field or "", value, by=by or login_name(), note=note)
    if as_json:
        names = ("correction_id", "document_id", "field", "old", "new", "by")
        print_json({**{name: getattr(done, name) for name in names}, "status": done.after.record.status})
    else:
        print_lines([corrected_line(done, done.after.document["file_name"])])
    return 0


def login_name() -> str:
    """The name that somebody is logged in by; empty where the machine has none for them."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
