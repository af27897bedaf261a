"""What the commands share: arguments that several have, and how they print."""

import json
import sys
from typing import Annotated, Any

import typer

from schemas.errors import PagemillError

AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else")]
Dataset = Annotated[str, typer.Argument(metavar="OUT", help="folder of the dataset or s3://bucket/prefix")]


def print_lines(lines: list[str]) -> None:
    """Lines for people, on standard output."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def print_json(value: Any) -> None:
    """One JSON value for programs, on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")


def complain(error: object) -> None:
    """What is wrong, on standard error."""
    from flows.log import LOG, say

    known = {"error": type(error).__name__} if isinstance(error, PagemillError) else {}
    say(str(error) if LOG.is_json else f"pagemill: {error}", "complaint", **known)
