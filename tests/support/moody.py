"""A model in a thread that answers every field with what a test has set, and counts what it was asked."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.answering import Reply, answering, said


@dataclass
class Moody:
    """Where it is; `says` has its answer by field, `fails` words of documents that it refuses with an error.

    `tells`, where it is set, makes the answer from a request; `delay` is in seconds, `bodies` what came over the wire.
    """

    url: str
    says: dict[str, Any] = field(default_factory=dict)
    fails: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)
    tells: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    delay: float = 0.0
    bodies: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def moody(**says: Any) -> Iterator[Moody]:
    """The model, until the block ends."""
    state = Moody("", says)
    lock = threading.Lock()

    def answer(body: dict[str, Any]) -> Reply:
        text = json.dumps(body["messages"][-1]["content"], ensure_ascii=False)
        with lock:
            state.asked.append(text)
            state.bodies.append(body)
        time.sleep(state.delay)
        says = state.says if state.tells is None else state.tells(body)
        content = "no" if any(word in text for word in state.fails) else json.dumps(says)
        choice = {"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
        return said({"choices": [choice], "usage": {"prompt_tokens": 1000, "completion_tokens": 10}})

    with answering(answer) as state.url:
        yield state
