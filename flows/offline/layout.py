"""Rows of cells from page text: table rows and visual lines alike, so that one set of rules reads both."""

import re
from collections.abc import Iterable
from typing import NamedTuple

_GAP = re.compile(r"\s{3,}|\t+|\s\|\s")
_RULE_CELL = re.compile(r":?-+:?")
_BREAK = re.compile(r"\s*<br\s*/?>\s*", re.IGNORECASE)
_SPACES = re.compile(r"\s+")


class TextPage(NamedTuple):
    """One page block of the request."""

    number: int
    text: str


class TextRow(NamedTuple):
    """One visual line. `block` changes at blank lines and between tables; `level` is a heading's depth, else 0."""

    cells: tuple[str, ...]
    page: int
    block: int
    table: bool
    level: int


def text_rows(pages: Iterable[TextPage]) -> list[TextRow]:
    """All rows of all pages, in order; rules and blank lines are left out and start a new block."""
    rows: list[TextRow] = []
    block = 0
    in_table = False
    for page in pages:
        block += 1
        for line in page.text.splitlines():
            text = line.strip()
            table = len(text) > 1 and text.startswith("|") and text.endswith("|")
            if not text or table != in_table:
                block += 1
            in_table = table
            cells, level = _cells(text, table=table)
            if cells:
                rows.append(TextRow(cells, page.number, block, table, level))
    return rows


def _cells(text: str, *, table: bool) -> tuple[tuple[str, ...], int]:
    if table:
        cells = tuple(_tidy(cell) for cell in text[1:-1].replace("\\|", "\u2502").split("|"))
        filled = [cell for cell in cells if cell]
        if not filled or all(_RULE_CELL.fullmatch(cell) for cell in filled):
            return (), 0
        return cells, 0
    bare = text.lstrip("#")
    level = len(text) - len(bare)
    if level > 6 or (level and not bare.startswith(" ")):
        bare, level = text, 0
    cells = tuple(cell for cell in map(_tidy, _GAP.split(bare)) if cell)
    return cells, level


def _tidy(cell: str) -> str:
    return _SPACES.sub(" ", _BREAK.sub(" ", cell).replace("\u2502", "|")).strip()
