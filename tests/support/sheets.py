"""Pages made of words, with a table of rows, and answers for them that are looked for on these pages."""

import json
from typing import Any

from extractors.ground.ground import ground
from extractors.parse.parse import parse
from schemas.fields import field_tree
from schemas.step_data import Located, Page, Word
from tests.support.rows import SCHEMA

ROOT = field_tree(SCHEMA)
Row = tuple[str, str, int, str]
COLUMNS = (60.0, 140.0, 400.0, 480.0)


def line(y: float, texts: list[tuple[float, str, bool]]) -> list[Word]:
    """Words at a height; a number's position is its right edge."""
    words = []
    for x, text, is_right in texts:
        start = x - 4.0 * len(text) if is_right else x
        for word in text.split():
            words.append(Word(word, start, y, start + 4.0 * len(word), y + 7))
            start += 4.0 * (len(word) + 1)
    return words


def page(number: int, rows: list[Row], head: str | None = "Article Name Quantity Price") -> Page:
    """A page with a table of `rows` under the words of `head`, and a total below it."""
    words = [] if head is None else line(40, [(60, head, False)])
    for place, (article, name, quantity, price) in enumerate(rows):
        shown = [
            (COLUMNS[0], article, False),
            (COLUMNS[1], name, False),
            (COLUMNS[2], str(quantity), True),
            (COLUMNS[3], price, True),
        ]
        words += line(60 + 10.0 * place, shown)
    words += line(70 + 10.0 * len(rows), [(60, "Total carried forward", False), (480, "1234.50", True)])
    text = "\n".join(" ".join(map(str, each)) for each in rows)
    return Page(number, 595, 842, text, tuple(words), "text", "text is enough")


def items(rows: list[Row]) -> list[dict[str, Any]]:
    return [{"article": a, "name": n, "quantity": q, "price": float(p)} for a, n, q, p in rows]


def located(pages: list[Page], rows: list[Row]) -> Located:
    return ground(parse(json.dumps({"number": "7", "rows": items(rows)}), ROOT), ROOT, 0, pages)
