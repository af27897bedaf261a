"""A model server that speaks the chat-completions protocol over a socket, for tests: in a thread, or a process of its own.

It answers with the embedded model's reading of the request, writes every request and answer to a log (one JSON object
a line), and can be told to answer otherwise: `--poison TEXT` puts impossible values into answers to requests that
hold TEXT, `--delay` waits before answering, `--no-schema` answers 400 to `json_schema`, `--status` answers it always,
`--busy-calls N` answers 429 to the first N calls, `--hang-after N` answers no later one, `--body-error` an HTTP 200 with an error inside to every third,
`--broken TEXT` answers 500 to requests that hold TEXT, `--prose-for MODEL` answers that model's requests with prose,
`--refuse TEXT` answers 403 (moderation) and `--odd TEXT` with a list of parts and impossible usage to requests that hold TEXT.
"""

import argparse
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from flows.offline.server import complete
from tests.support.children import print_port, thread_server

POISON = '{"number": "P\\ud800-\\u0000-7", "issue_date": "2026-01-02", "gross_total": 1%s, "line_items": []}' % (
    "0" * 30
)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    options: argparse.Namespace

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.calls = 0

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up or was killed is no news; whatever else fails is."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def note(self, entry: dict[str, Any]) -> None:
        with self.lock, open(self.options.log, "a", encoding="utf-8") as log:
            log.write(json.dumps(entry) + "\n")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.reply(200, {"object": "list", "data": [{"id": "offline", "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        options = self.server.options
        self.server.note({"event": "asked", "body": body, "authorization": self.headers.get("Authorization")})
        time.sleep(options.delay)
        if options.status:
            self.reply(options.status, {"error": {"message": f"always {options.status}"}})
            return
        with self.server.lock:
            self.server.calls += 1
            number = self.server.calls
        if number > options.hang_after >= 0:
            self.server.ended.wait(300)  # no client waits as long
            self.close_connection = True
            return
        if number <= options.busy_calls:
            self.reply(429, {"error": {"message": "busy"}}, {"Retry-After": "0.2"} if number % 2 else {})
            return
        if options.body_error and number % 3 == 0:
            self.reply(200, {"error": {"message": "the provider broke", "code": 502}})
            return
        if options.no_schema and (body.get("response_format") or {}).get("type") == "json_schema":
            self.reply(400, {"error": {"message": "response_format json_schema is not supported"}})
            return
        if options.refuse and options.refuse in json.dumps(body["messages"][-1], ensure_ascii=False):
            self.reply(403, {"error": {"message": f"flagged by moderation, {self.headers.get('Authorization')}"}})
            return
        if options.broken and options.broken in json.dumps(body["messages"][-1], ensure_ascii=False):
            self.reply(500, {"error": {"message": f"out of order, {self.headers.get('Authorization')}"}})
            return
        answer = complete(body)
        if body["model"] == options.prose_for:
            answer["choices"][0]["message"]["content"] = "I would rather talk about the weather."
        if options.odd and options.odd in json.dumps(body["messages"][-1], ensure_ascii=False):
            answer["choices"][0]["message"]["content"] = [
                {"type": "text", "text": answer["choices"][0]["message"]["content"]}
            ]
            answer["usage"] = {"prompt_tokens": 10**30, "completion_tokens": -5, "cost": 1e300}
        if options.poison and options.poison in json.dumps(body["messages"][-1], ensure_ascii=False):
            answer["choices"][0]["message"]["content"] = POISON
        self.server.note({"event": "answered", "body": body, "usage": answer["usage"]})
        self.reply(200, answer)

    def reply(self, status: int, value: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        data = json.dumps(value).encode()
        try:
            self.send_response(HTTPStatus(status))
            self.send_header("Content-Type", "application/json")
            for name, text in (headers or {}).items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except ConnectionError:
            self.close_connection = True

    def log_message(self, *arguments: Any) -> None:
        pass


def made(*options: str) -> Server:
    """A server with the options of the command line, not yet answering."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--log", required=True)
    parser.add_argument("--poison")
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--status", type=int)
    parser.add_argument("--hang-after", type=int, default=-1)
    parser.add_argument("--busy-calls", type=int, default=0)
    parser.add_argument("--refuse")
    parser.add_argument("--odd")
    parser.add_argument("--broken")
    parser.add_argument("--prose-for")
    parser.add_argument("--body-error", action="store_true")
    parser.add_argument("--no-schema", action="store_true")
    server = Server(("127.0.0.1", 0), Handler)
    server.options = parser.parse_args(options)
    return server


@dataclass(frozen=True)
class ModelServer:
    """A model server that runs, and what it was asked."""

    url: str
    log: Path

    def entries(self, event: str) -> list[dict[str, Any]]:
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []
        return [entry for entry in map(json.loads, lines) if entry["event"] == event]

    def count(self, event: str) -> int:
        """How many `entries` there are, for who looks often: the pages in them are not read."""
        return self.log.read_bytes().count(json.dumps({"event": event})[:-1].encode()) if self.log.exists() else 0

    @property
    def environment(self) -> dict[str, str]:
        return {"PAGEMILL_BASE_URL": self.url, "PAGEMILL_API_KEY": "canary-key"}


@contextmanager
def serving(log: Path, *options: str) -> Iterator[ModelServer]:
    """A model server with options, in threads of this process, until the block ends."""
    server = made("--log", str(log), *options)
    try:
        with thread_server(server) as port:
            yield ModelServer(f"http://127.0.0.1:{port}/v1", log)
    finally:
        server.ended.set()


if __name__ == "__main__":
    print_port(made(*sys.argv[1:]))
