"""Documents of numbered rows, and a model in a thread that reads the rows of a request's text, as far as its limits go.

It cuts its answer at the output limit, as real models do, and can forget a share of the rows of long requests.
"""

import hashlib
import json
import random
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pymupdf

from extractors.tokens import count_messages
from flows.offline.server import _cut
from tests.support.answering import answering, said

ROW = re.compile(r"(ART-\d{5})[ |]+(.+?)[ |]+(\d+)[ |]+(\d+\.\d\d)[ |]*$", re.MULTILINE)
SCHEMA = {
    "title": "stock list",
    "type": "object",
    "required": ["number"],
    "properties": {
        "number": {"type": "string", "description": "Number of the list"},
        "rows": {
            "type": "array",
            "description": "The articles, in printed order",
            "items": {
                "type": "object",
                "properties": {
                    "article": {"type": "string"}, "name": {"type": "string"}, "quantity": {"type": "integer"},
                    "price": {"type": "number", "format": "decimal"},
                },
            },
        },
    },
}  # fmt: skip
_NAMES = ("Bow shackle", "Deck screw", "Anchor chain", "Fender line", "Bilge pump", "Hatch seal")
_COLUMNS = (60, 140, 400, 480)  # points: where two texts begin and two numbers end


def row(number: int) -> tuple[str, str, int, str]:
    return (
        f"ART-{number:05d}",
        f"{_NAMES[number % 6]} {number % 17} mm",
        number % 40 + 1,
        f"{number * 7 % 900 + 1}.{number % 100:02d}",
    )


def write(path: Path, rows: Sequence[tuple[str, str, int, str]], per_page: int) -> Path:
    """A PDF with the rows in a ruled table, a header on each page and a carried total below it."""
    with pymupdf.open() as document:
        for start in range(0, max(1, len(rows)), per_page):
            page = document.new_page()
            if start == 0:
                page.insert_text((60, 40), f"Stock list number: L-{len(rows)}", fontsize=9)
            y = 60.0
            for place, text in enumerate(("Article", "Name", "Quantity", "Price")):
                page.insert_text((_COLUMNS[place] - (30 if place > 1 else 0), y), text, fontsize=7)
            for each in rows[start : start + per_page]:
                y += 9.5
                page.insert_text((_COLUMNS[0], y), each[0], fontsize=7)
                page.insert_text((_COLUMNS[1], y), each[1], fontsize=7)
                for place, text in ((2, str(each[2])), (3, each[3])):
                    page.insert_text((_COLUMNS[place] - pymupdf.get_text_length(text, fontsize=7), y), text, fontsize=7)
            total = f"{sum(float(each[3]) for each in rows[: start + per_page]):.2f}"
            page.insert_text((60, y + 14), "Total carried forward", fontsize=7)
            page.insert_text((_COLUMNS[3] - pymupdf.get_text_length(total, fontsize=7), y + 14), total, fontsize=7)
        path.parent.mkdir(parents=True, exist_ok=True)
        document.save(path, garbage=3, deflate=True)
    return path


@dataclass
class RowModel:
    """A model that runs: where it is and what it answered."""

    url: str
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def row_model(forgets: float = 0.0, above: int = 150) -> Iterator[RowModel]:
    """`forgets` is the share of rows left out of a request that shows more than `above`."""
    state = RowModel("")
    with answering(lambda body: said(_answer(body, state, forgets, above))) as state.url:
        yield state


def _answer(body: dict[str, Any], state: RowModel, forgets: float, above: int) -> dict[str, Any]:
    content = body["messages"][-1]["content"]
    text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
    found = ROW.findall(text)
    if forgets and len(found) > above:
        chance = random.Random(hashlib.sha256(text.encode()).digest())
        found = [each for each in found if chance.random() >= forgets]
    number = re.search(r"Stock list number:\s*(\S+)", text)
    rows = [
        {"article": article, "name": name.strip(), "quantity": int(quantity), "price": float(price)}
        for article, name, quantity, price in found
    ]
    whole = json.dumps({"number": number[1] if number else None, "rows": rows})
    answer, finish_reason, tokens = _cut(whole, body["max_tokens"])
    prompt_tokens = count_messages(body["messages"])
    with state.lock:
        state.calls += 1
        state.prompt_tokens += prompt_tokens
        state.completion_tokens += tokens
    choice = {"message": {"content": answer}, "finish_reason": finish_reason}
    return {"choices": [choice], "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": tokens}}
