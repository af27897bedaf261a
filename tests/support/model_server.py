"""A model server of a process of its own, speaking the chat-completions protocol over a socket, for tests.

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
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from flows.offline.server import complete

POISON = '{"number": "P\\ud800-\\u0000-7", "issue_date": "2026-01-02", "gross_total": 1%s, "line_items": []}' % (
    "0" * 30
)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    options: argparse.Namespace
    lock = threading.Lock()
    calls = 0

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
            time.sleep(300)  # no client waits as long
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


def main() -> None:
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
    options = parser.parse_args()
    server = Server(("127.0.0.1", 0), Handler)
    server.options = options
    threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown()), daemon=True).start()
    print(server.server_port, flush=True)
    server.serve_forever(0.05)


if __name__ == "__main__":
    main()
