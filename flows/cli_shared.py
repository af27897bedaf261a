"""What the commands of the terminal share: their options, and how they speak."""

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from schemas.errors import PagemillError

if TYPE_CHECKING:
    from flows.storage.dataset import Dataset as Stored
    from schemas.document_type import DocumentType

_UNKNOWN = "\ufffd"
_COMMANDS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
)  # controls, and marks that turn text around
Sources = Annotated[list[str], typer.Argument(metavar="SOURCE...", help="files, folders, globs, s3:// URLs, @lists")]
Type = Annotated[str, typer.Option("--type", help="a built-in type, path/to/schema.json, or path/to/file.py:Class")]
Out = Annotated[
    str, typer.Option("--out", help="folder of the dataset or s3://bucket/prefix, made when it is not there")
]
ModelName = Annotated[str | None, typer.Option("--model", help="model slug, or `offline` for the embedded model")]
Images = Annotated[str | None, typer.Option("--images", help="auto, never or pages")]
ChunkTokens = Annotated[int | None, typer.Option(help="most tokens of pages in one request, for care over cost")]
AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else")]
LogFormat = Annotated[
    Literal["text", "json"] | None,
    typer.Option("--log-format", help="of lines on standard error: text, or json objects"),
]
Order = Literal["listed", "newest", "oldest", "smallest"]
Document = Annotated[Path, typer.Argument(metavar="DOCUMENT", help="a file")]
Dataset = Annotated[str, typer.Argument(metavar="OUT", help="folder of the dataset or s3://bucket/prefix")]
TypeOfDataset = Annotated[
    str | None, typer.Option("--type", help="the dataset's type where it is a class: path/to/file.py:Class")
]


def type_in(dataset: "Stored", type_name: str | None) -> "DocumentType":
    """The type that --type names, else the dataset's own. Raises ConfigurationError where only its class would tell it."""
    from flows.types import load_type, type_of

    return load_type(type_name) if type_name else type_of(dataset.document_type, dataset.schema, dataset.place)


def print_lines(lines: list[str]) -> None:
    """Lines on standard output, without what could command a terminal: documents and models wrote parts of them."""
    sys.stdout.write("".join(f"{_COMMANDS.sub(_UNKNOWN, line)}\n" for line in lines))


def print_json(value: Any) -> None:
    """One JSON object on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")


def complain(error: object) -> None:
    """What went wrong, on standard error."""
    from flows.log import LOG, say

    known = {"error": type(error).__name__} if isinstance(error, PagemillError) else {}
    say(str(error) if LOG.is_json else f"pagemill: {error}", "complaint", **known)
