"""Outline by headings: a report's title, its sections, and lists of points under a heading with the list's name."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from flows.offline.layout import TextRow
from flows.offline.lexicon import words
from flows.offline.wanted import properties

_BULLET = re.compile(r"^[•▪●◦‣*\u2013-]\s+(?=\S)")
_FEW = 3  # headings of one level that make them sections


def title(rows: Sequence[TextRow]) -> str | None:
    """The largest heading of the first page, over as many lines as it takes."""
    lines = _title_rows(rows)
    return " ".join(" ".join(row.cells) for row in lines) or None


def outline_sections(item: Mapping[str, Any], rows: Sequence[TextRow]) -> list[dict[str, Any]]:
    """The headings of the topmost level with at least three, without the title."""
    own = _title_rows(rows)
    heads = [row for row in rows if row.level and row not in own]
    counts = Counter(row.level for row in heads)
    level = next((level for level in sorted(counts) if counts[level] >= _FEW), None)
    texts = [" ".join(row.cells) for row in heads if row.level == level]
    return [{key: text if key == "heading" else None for key in properties(item)} for text in texts]


def points(key: str, rows: Sequence[TextRow]) -> list[str]:
    """The bullets under a heading with the name of the property `key`."""
    name = words(key.replace("_", " "))
    bullets: list[str] = []
    inside = False
    block = -1
    for row in rows:
        text = " ".join(cell for cell in row.cells if cell)
        if row.level:
            inside = tuple(word for word in words(text) if not word.isdigit()) == name
        elif inside and (match := _BULLET.match(text)):
            bullets.append(text[match.end() :])
            block = row.block
        elif inside and bullets and row.block == block:
            bullets[-1] = f"{bullets[-1]} {text}"
    return bullets


def _title_rows(rows: Sequence[TextRow]) -> list[TextRow]:
    heads = [index for index, row in enumerate(rows) if row.level and row.page == 1]
    if not heads:
        return []
    first = min(heads, key=lambda index: (rows[index].level, index))
    last = first + 1
    while last < len(rows) and rows[last].level == rows[first].level and rows[last].page == 1:
        last += 1
    return list(rows[first:last])
