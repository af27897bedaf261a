"""Output to the terminal: lines, JSON and errors, without control characters."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import typer

from flows.log import harmless
from schemas.errors import PagemillError


def print_lines(lines: list[str]) -> None:
    """Print lines on standard output, without control characters: parts of them come from documents and models."""
    sys.stdout.write("".join(f"{harmless(line)}\n" for line in lines))


def print_json(value: Any) -> None:
    """Print one JSON object on standard output; characters that could command a terminal are escaped."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    sys.stdout.write("".join(mark if mark.isprintable() else _escaped(mark) for mark in text) + "\n")


def _escaped(mark: str) -> str:
    """A character as JSON escapes it, in one unit of UTF-16 or two."""
    return json.dumps(mark)[1:-1]


def complain(error: object) -> None:
    """Print an error on standard error."""
    from flows.log import LOG, say

    facts = {"error": type(error).__name__} if isinstance(error, PagemillError) else {}
    say(str(error) if LOG.is_json else f"pagemill: {error}", "complaint", **facts)


@dataclass(frozen=True, slots=True)
class Section:
    """A table with a title; the columns in `numbers` are aligned right."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: frozenset[str] = frozenset()


def plain_lines(sections: Sequence[Section]) -> list[str]:
    """The tables as lines, one per row, for pipes and files."""
    lines = []
    for entry in sections:
        for row in entry.rows:
            cells = [
                f"{heading} {cell}" if heading in entry.numbers else cell
                for heading, cell in zip(entry.headings, row, strict=True)
            ]
            lines.append(f"{entry.title}: {'  '.join(cell for cell in cells if cell)}")
    return lines


def show_tables(sections: Sequence[Section]) -> None:
    """Print the tables on the terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    for entry in sections:
        table = Table(title=Text(entry.title), title_justify="left", box=SIMPLE_HEAD, show_header=any(entry.headings))
        for heading in entry.headings:
            table.add_column(heading, justify="right" if heading in entry.numbers else "left", overflow="fold")
        for row in entry.rows:
            table.add_row(*map(Text, row))
        console.print(table)


def asker() -> Callable[[str], bool] | None:
    """Function that asks the user a question; None without an interactive terminal, and where output is JSON."""
    from flows.log import LOG

    if LOG.is_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    return lambda text: typer.confirm(f"{text}. Go on?", err=True)
