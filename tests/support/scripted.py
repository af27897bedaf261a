"""An endpoint in a thread that answers over a real socket what a test writes down, call by call."""

import json
import socket
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ROOM = 1_000_000  # tokens: what no answer of a test runs into


@dataclass(frozen=True)
class Reply:
    """What goes over the wire; `cut` sends the head and half of the body, `reset` nothing at all."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    ends: str = "whole"


def answer(content: Any, finish_reason: str = "stop", **message: Any) -> Reply:
    """An answer as the protocol has it. `usage` in `message` replaces the right one."""
    usage = message.pop("usage", {"prompt_tokens": 100, "completion_tokens": 20})
    choice = {
        "index": 0,
        "finish_reason": finish_reason,
        "message": {"role": "assistant", "content": content, **message},
    }
    return Reply(json.dumps({"id": "x", "model": "scripted", "choices": [choice], "usage": usage}).encode())


def error(status: int, message: str, headers: Mapping[str, str] | None = None, **more: Any) -> Reply:
    """An error as the protocol has it."""
    return Reply(json.dumps({"error": {"message": message, **more}}).encode(), status, headers or {})


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

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                reply = replies[min(len(asked), len(replies) - 1)]
                asked.append(body)
            if reply.ends == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.rfile.close()
                self.connection.close()
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body if reply.ends == "whole" else reply.body[: len(reply.body) // 2])
            self.close_connection = self.close_connection or reply.ends == "cut"

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # a client that hangs up is no news
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield Scripted(f"http://127.0.0.1:{server.server_port}/v1", asked)
    finally:
        server.shutdown()
        server.server_close()
