"""A server of HTTP on loopback, in a thread: what a function makes of each request goes over a real socket."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What goes over the wire; `cut` sends the head and half of the body, `reset` nothing at all."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    ends: str = "whole"


UNKNOWN = Reply(b"", 501)


def said(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """A reply of JSON."""
    return Reply(json.dumps(value).encode(), status, headers or {})


@contextmanager
def answering(
    answer: Callable[[Any], Reply] | None = None, tell: Callable[[str], Reply] | None = None
) -> Iterator[str]:
    """The server's address, with `/v1`, until the block ends.

    `answer` makes the reply to a POST of its JSON, `tell` to a GET of its path, each in a thread of its request; without one
    it is 501.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.reply(tell(self.path) if tell else UNKNOWN)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.reply(answer(body) if answer else UNKNOWN)

        def reply(self, reply: Reply) -> None:
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
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # a client that hangs up or was killed is no news
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
