"""The commands on document types: `types`, `types check`, `types infer`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from flows.ui.terminal import print_lines
from schemas.errors import ConfigurationError

types_app = typer.Typer(help="List and check document types.", invoke_without_command=True, rich_markup_mode=None)


@types_app.callback()
def types_command(context: typer.Context) -> int | None:
    """List the built-in document types."""
    if context.invoked_subcommand is not None:
        return None
    from schemas.document_types import DOCUMENT_TYPES

    print_lines([f"{name:12} {entry.description}" for name, entry in DOCUMENT_TYPES.items()])
    return 0


@types_app.command("check")
def types_check(name: Annotated[str, typer.Argument(metavar="TYPE")]) -> int:
    """Check a document type and show the tables and columns that it makes."""
    from flows.type_loader import load_type
    from schemas.record_tables import record_tables

    lines = []
    for table in record_tables(load_type(name)):
        lines.append(table.name)
        lines += [f"  {field.name}: {field.type}" for field in table.schema]
    print_lines(lines)
    return 0


@types_app.command("infer")
def types_infer(examples: Annotated[list[Path], typer.Argument(metavar="EXAMPLE.json...")]) -> int:
    """Draft a JSON Schema from examples of the answers that you would like; descriptions are left for you to fill in."""
    from schemas.schema_draft import draft_schema

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
