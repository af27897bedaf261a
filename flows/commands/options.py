"""Options that several commands of the terminal share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from flows.storage.dataset import Dataset as Stored
    from schemas.document_type import DocumentType

Sources = Annotated[list[str], typer.Argument(metavar="SOURCE...", help="files, folders, globs, s3:// URLs, @lists")]
Type = Annotated[
    str,
    typer.Option(
        "--type",
        help="a built-in type, path/to/schema.json, or path/to/file.py:Class, which runs the code of that file",
    ),
]
OutOption = Annotated[
    str, typer.Option("--out", help="folder of the dataset or s3://bucket/prefix, made when it is not there")
]
ModelName = Annotated[str | None, typer.Option("--model", help="model slug, or `offline` for the embedded model")]
ImagesOption = Annotated[str | None, typer.Option("--images", help="auto, never or pages")]
ChunkTokens = Annotated[int | None, typer.Option(help="most tokens of pages in one request, for care over cost")]
AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else")]
LogFormat = Annotated[
    Literal["text", "json"] | None,
    typer.Option("--log-format", help="of lines on standard error: text, or json objects"),
]
OrderOption = Literal["listed", "newest", "oldest", "smallest"]
DocumentArgument = Annotated[Path, typer.Argument(metavar="DOCUMENT", help="a file")]
DatasetArgument = Annotated[str, typer.Argument(metavar="OUT", help="folder of the dataset or s3://bucket/prefix")]
TypeOfDataset = Annotated[
    str | None,
    typer.Option("--type", help="the dataset's type where it is a class: path/to/file.py:Class, whose code is run"),
]


def type_in(dataset: "Stored", type_name: str | None) -> "DocumentType":
    """The type that --type names, else the dataset's own. Raises ConfigurationError where only its class would tell it."""
    from flows.type_loader import load_type, type_of

    return load_type(type_name) if type_name else type_of(dataset.document_type, dataset.schema, dataset.location)
