"""Examples before a request: requests and right answers of other documents, as turns of user and assistant.

They are lines of `pagemill export --format chat`. A line serves requests for the same fields, but not for a document with one of
its pages, and a line with pictures only before a request with pictures (an endpoint may take none).
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from extractors.tokens import count_messages
from schemas.errors import ConfigurationError

MOST_KEPT = 50  # lines per task: a few are shown, the others replace those with pages of the same document
_PAGE = re.compile(r'<page number="\d+">(.*?)</page>', re.DOTALL)

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Example:
    """One line: `task` is the text after its pages, `pages` are hashes of its pages, `sent_bytes` the size of its pictures."""

    task: str
    pages: frozenset[str]
    turns: tuple[Message, Message]
    tokens: int
    images: int
    sent_bytes: int


def read_examples(lines: Iterable[str], tasks: Sequence[str]) -> tuple[Example, ...]:
    """The examples for `tasks`. Raises ConfigurationError, with its number, for a line of another task or without an example."""
    examples: list[Example] = []
    counts = {task.strip(): 0 for task in tasks}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            example = _example(json.loads(line))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise ConfigurationError(
                f"line {number}: invalid example; write the file with `pagemill export OUT FILE --format chat`"
            ) from None
        if example.task not in counts:
            raise ConfigurationError(
                f"line {number}: its request differs from those of this type; write the file again with "
                "`pagemill export OUT FILE --format chat`"
            )
        counts[example.task] += 1
        if counts[example.task] <= MOST_KEPT:
            examples.append(example)
    return tuple(examples)


def turns(
    examples: Iterable[Example], task: str, own: frozenset[str], count: int, *, has_images: bool
) -> tuple[Message, ...]:
    """The messages of the first `count` examples for `task` that share no page with `own`."""
    fitting = [
        example
        for example in examples
        if example.task == task.strip() and not example.pages & own and (has_images or not example.images)
    ]  # fmt: skip
    return tuple(message for entry in fitting[:count] for message in entry.turns)


def upper_bound(examples: Iterable[Example], count: int) -> tuple[int, int, int]:
    """Upper bound for `count` examples of one task: tokens, pictures, and bytes of the pictures as sent."""
    by_task: dict[str, list[Example]] = {}
    for example in examples:
        by_task.setdefault(example.task, []).append(example)

    def most(name: str) -> int:
        sums = (
            sum(sorted((getattr(row, name) for row in examples), reverse=True)[:count]) for examples in by_task.values()
        )
        return max(sums, default=0)

    return most("tokens"), most("images"), most("sent_bytes")


def page_keys(content: str | Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Keys of the pages of a message: hashes of their text and pictures; empty pages are left out."""
    return frozenset(
        hashlib.sha256(page.encode("utf-8", "replace")).hexdigest()
        for page in _PAGE.findall(_flat(content))
        if page.strip()
    )


def _example(line: Mapping[str, Any]) -> Example:
    user, assistant = line["messages"][-2:]
    if (user["role"], assistant["role"]) != ("user", "assistant") or not isinstance(assistant["content"], str):
        raise ValueError("no turn of user and assistant")
    kept = ({"role": "user", "content": user["content"]}, {"role": "assistant", "content": assistant["content"]})
    urls = [part["image_url"]["url"] for part in _parts(user["content"]) if part["type"] == "image_url"]
    return Example(
        task=_flat(user["content"]).rpartition("</page>")[2].strip(),
        pages=page_keys(user["content"]),
        turns=kept,
        tokens=count_messages(kept),
        images=len(urls),
        sent_bytes=sum(map(len, urls)),
    )


def _parts(content: Any) -> Sequence[Mapping[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _flat(content: Any) -> str:
    return "".join(part["text"] if part["type"] == "text" else part["image_url"]["url"] for part in _parts(content))
