"""A model in a thread that answers every field with what a test has set, and counts what it was asked."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


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

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            text = json.dumps(body["messages"][-1]["content"], ensure_ascii=False)
            with lock:
                state.asked.append(text)
                state.bodies.append(body)
            time.sleep(state.delay)
            says = state.says if state.tells is None else state.tells(body)
            content = "no" if any(word in text for word in state.fails) else json.dumps(says)
            choice = {"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
            data = json.dumps({"choices": [choice], "usage": {"prompt_tokens": 1000, "completion_tokens": 10}}).encode()
            try:
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except ConnectionError:  # whoever asked was killed
                self.close_connection = True

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # a client that was killed is no news
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
