"""An endpoint in a thread that answers over a real socket what a test writes down, call by call."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.answering import Reply, answering, said

ROOM = 1_000_000  # tokens: what no answer of a test runs into


def answer(content: Any, finish_reason: str = "stop", **message: Any) -> Reply:
    """An answer as the protocol has it. `usage` in `message` replaces the right one."""
    usage = message.pop("usage", {"prompt_tokens": 100, "completion_tokens": 20})
    choice = {
        "index": 0,
        "finish_reason": finish_reason,
        "message": {"role": "assistant", "content": content, **message},
    }
    return said({"id": "x", "model": "scripted", "choices": [choice], "usage": usage})


def error(status: int, message: str, headers: Mapping[str, str] | None = None, **more: Any) -> Reply:
    """An error as the protocol has it."""
    return said({"error": {"message": message, **more}}, status, headers)


@dataclass
class Scripted:
    """The endpoint: where it is, and what it was asked."""

    url: str
    asked: list[dict[str, Any]]


@contextmanager
def scripted(replies: Sequence[Reply]) -> Iterator[Scripted]:
    """Answer with `replies` in order, and with the last of them from then on."""
    asked: list[dict[str, Any]] = []
    lock = threading.Lock()

    def next_reply(body: Any) -> Reply:
        with lock:
            reply = replies[min(len(asked), len(replies) - 1)]
            asked.append(body)
        return reply

    with answering(next_reply) as url:
        yield Scripted(url, asked)
