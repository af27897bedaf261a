"""The terminal: lines, JSON and complaints, with nothing in them that could command it."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import typer

from flows.log import harmless
from schemas.errors import PagemillError


def print_lines(lines: list[str]) -> None:
    """Lines on standard output, without what could command a terminal: documents and models wrote parts of them."""
    sys.stdout.write("".join(f"{harmless(line)}\n" for line in lines))


def print_json(value: Any) -> None:
    """One JSON object on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")


def complain(error: object) -> None:
    """Print an error on standard error."""
    from flows.log import LOG, say

    known = {"error": type(error).__name__} if isinstance(error, PagemillError) else {}
    say(str(error) if LOG.is_json else f"pagemill: {error}", "complaint", **known)


@dataclass(frozen=True, slots=True)
class Section:
    """A table with a title; the columns named in `numbers` stand to the right."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: frozenset[str] = frozenset()


def plain_lines(found: Sequence[Section]) -> list[str]:
    """The tables as lines, a row each, for pipes and files."""
    lines = []
    for entry in found:
        for row in entry.rows:
            cells = [
                f"{heading} {cell}" if heading in entry.numbers else cell
                for heading, cell in zip(entry.headings, row, strict=True)
            ]
            lines.append(f"{entry.title}: {'  '.join(cell for cell in cells if cell)}")
    return lines


def show_tables(found: Sequence[Section]) -> None:
    """The tables on the terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    for entry in found:
        table = Table(title=Text(entry.title), title_justify="left", box=SIMPLE_HEAD, show_header=any(entry.headings))
        for heading in entry.headings:
            table.add_column(heading, justify="right" if heading in entry.numbers else "left", overflow="fold")
        for row in entry.rows:
            table.add_row(*map(Text, row))
        console.print(table)


def asker() -> Callable[[str], bool] | None:
    """Asks whoever sits at the terminal; null where nobody does, or where a program reads what is said."""
    from flows.log import LOG

    if LOG.is_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    return lambda text: typer.confirm(f"{text}. Go on?", err=True)
