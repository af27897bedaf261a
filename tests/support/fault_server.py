"""A model server that speaks the chat-completions protocol and fails on demand.

What it can do wrong is in `KINDS`; `--faults RATE` draws for
each call, from one seed, whether and how it fails. A right answer is the embedded model's. Every call whose model work
was done is billed, whether or not the client got anything for it (`error-finish` too); refusals (4xx, 5xx and the error
in the body of a 200) are not. `GET /bill` is what the provider would put on the invoice.

`started` runs it in threads, for tests; as a program (`started_apart`), for benchmarks, it prints its port and ends when its
standard input closes.
"""

import argparse
import hashlib
import json
import random
import re
import socket
import struct
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from extractors.tokens import count_text
from flows.offline import asked
from flows.offline.server import RequestError, complete
from tests.support.children import child_server, print_port, thread_server

MODEL, WINDOW = "mistralai/mistral-small-3.1-24b-instruct", 128_000
DEGENERATE_LENGTH = 4_000  # characters
DRIP_PIECES = 10


class Refusal(NamedTuple):
    """An answer without model work: nothing is billed."""

    status: int
    message: str
    headers: Mapping[str, str] = {}
    code: str | None = None


REFUSALS = {
    "429": Refusal(429, "Rate limit exceeded"),
    "429-after": Refusal(429, "Rate limit exceeded", {"Retry-After": "0.3"}),
    "429-reset": Refusal(429, "Rate limit exceeded", {"x-ratelimit-reset-requests": "300ms"}),
    "500": Refusal(500, "Internal server error"),
    "503": Refusal(503, "No provider is available"),
    "context": Refusal(
        400,
        f"This model's maximum context length is {WINDOW} tokens. However, your messages resulted in {WINDOW + 1} tokens. "
        "Please reduce the length of the messages.",
        code="context_length_exceeded",
    ),
    "body-error": Refusal(200, "The provider broke while it wrote", code="502"),
}
SEVERED = ("hang", "reset", "drip")  # the work is done and billed, and the answer never arrives whole


# ---- what becomes of a right answer ------------------------------------------------------------------------------------


@dataclass
class Answer:
    """A right answer to `body`, for a fault to spoil. `chance` is the call's own."""

    value: dict[str, Any]
    body: Mapping[str, Any]
    chance: random.Random

    @property
    def choice(self) -> dict[str, Any]:
        return self.value["choices"][0]

    @property
    def text(self) -> str:
        return self.choice["message"]["content"]

    @property
    def tokens(self) -> tuple[int, int]:
        return self.value["usage"]["prompt_tokens"], self.value["usage"]["completion_tokens"]

    @property
    def half(self) -> str:
        return self.text[: max(1, len(self.text) // 2)]

    def write(self, content: Any, finish_reason: str = "stop", completion_tokens: int | None = None) -> None:
        self.choice["message"]["content"] = content
        self.choice["finish_reason"] = finish_reason
        if completion_tokens is not None:
            prompt_tokens = self.tokens[0]
            self.value["usage"] |= {
                "completion_tokens": completion_tokens,
                "total_tokens": prompt_tokens + completion_tokens,
            }

    def to_the_limit(self, content: str) -> None:
        """Written until the output limit, as it claims."""
        limit = self.body.get("max_completion_tokens") or self.body.get("max_tokens") or count_text(content)
        self.write(content, "length", limit)


def types(answer: Answer) -> None:
    """One leaf outside the lists and one within a list item get a value that their type cannot hold."""
    schema = asked.schema(answer.body)
    value = json.loads(answer.text)
    found = list(_spoilable(schema, schema, value))
    for inside in (False, True):
        leaves = [leaf for leaf in found if leaf.in_list == inside]
        stated = [leaf for leaf in leaves if leaf.holder[leaf.key] is not None]
        if leaves:
            leaf = answer.chance.choice(stated or leaves)
            leaf.holder[leaf.key] = leaf.impossible
    answer.write(json.dumps(value, ensure_ascii=False))


def degenerate(answer: Answer) -> None:
    """A valid beginning, up to a comma, then white space or one phrase again and again."""
    begun = answer.half[: answer.half.rfind(",") + 1] or "{"
    filler = answer.chance.choice((" ", "\n  ", "and so on, "))
    opening = "" if filler.isspace() else ' "'
    answer.to_the_limit(begun + opening + filler * ((DEGENERATE_LENGTH - len(begun)) // len(filler)))


def refusal(answer: Answer) -> None:
    answer.write(None, "stop", 8)
    answer.choice["message"]["refusal"] = "I am sorry, I cannot help with that."


def error_finish(answer: Answer) -> None:
    answer.write(answer.half, "error")
    answer.choice["error"] = {"code": 502, "message": "The provider broke while it wrote"}


def usage(answer: Answer) -> None:
    absurd = answer.chance.choice(("missing", -5, 10**30))
    if absurd == "missing":
        del answer.value["usage"]
    else:
        answer.value["usage"] = dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), absurd)


def parts(answer: Answer) -> None:
    half = answer.half
    texts = (half, answer.text[len(half) :])
    answer.write([{"type": "text", "text": text} for text in texts])


SPOILED: dict[str, Callable[[Answer], None]] = {
    "truncated": lambda answer: answer.write(answer.half),
    "fenced": lambda answer: answer.write(f"Here is the JSON that you asked for:\n\n```json\n{answer.text}\n```"),
    "types": types,
    "length": lambda answer: answer.to_the_limit(answer.half),
    "degenerate": degenerate,
    "empty": lambda answer: answer.write("", "stop", 0),
    "error-finish": error_finish,
    "filter": lambda answer: answer.write("", "content_filter", 0),
    "refusal": refusal,
    "parts": parts,
}
MISCOUNTED = {"usage": usage}  # after the bill, which is right
KINDS = (*REFUSALS, *SEVERED, *SPOILED, *MISCOUNTED)


class _Leaf(NamedTuple):
    holder: dict[str, Any]
    key: str
    impossible: str
    in_list: bool


def _spoilable(root: Mapping[str, Any], schema: Any, value: Any, in_list: bool = False) -> Iterator[_Leaf]:
    """The leaves of `value` that are numbers, booleans or dates by the schema, null ones included."""
    for name, child, held in _children(root, schema, value):
        if isinstance(held, dict):
            yield from _spoilable(root, child, held, in_list)
        elif isinstance(held, list):
            for row in held:
                if isinstance(row, dict):
                    yield from _spoilable(root, child.get("items"), row, True)
        elif _kinds(child) & {"number", "integer", "boolean"}:
            yield _Leaf(value, name, "many", in_list)
        elif str(child.get("format")).startswith("date") or "YYYY" in child.get("description", ""):
            yield _Leaf(value, name, "soon", in_list)


def _number_items(root: Mapping[str, Any], schema: Any, value: Any) -> None:
    """Where items say which item they are, as in requests for single items of a list, they do."""
    for _, child, held in _children(root, schema, value):
        if isinstance(held, dict):
            _number_items(root, child, held)
        elif isinstance(held, list):
            own = _plain(root, child.get("items")).get("properties", {}).get("item")
            if own is not None and "integer" in _kinds(_plain(root, own)):
                for index, row in enumerate(held):
                    row["item"] = index


def _children(root: Mapping[str, Any], schema: Any, value: Any) -> Iterator[tuple[str, Mapping[str, Any], Any]]:
    """Name, schema and value of each property that is there."""
    for name, child in _plain(root, schema).get("properties", {}).items():
        if name in value:
            yield name, _plain(root, child), value[name]


def _plain(root: Mapping[str, Any], schema: Any) -> Mapping[str, Any]:
    """`schema` with its reference followed and without its way to be null."""
    if not isinstance(schema, Mapping):
        return {}
    if isinstance(schema.get("$ref"), str):
        return _plain(root, root.get("$defs", {}).get(schema["$ref"].rpartition("/")[2]))
    for variant in schema.get("anyOf", ()):
        if variant.get("type") != "null":
            return {**schema, **_plain(root, variant)}
    return schema


def _kinds(schema: Mapping[str, Any]) -> set[str]:
    kinds = schema.get("type", ())
    return {kinds} if isinstance(kinds, str) else set(kinds)


def _blank(root: Mapping[str, Any], schema: Any) -> Any:
    plain = _plain(root, schema)
    if "properties" in plain:
        return {name: _blank(root, child) for name, child in plain["properties"].items()}
    return [] if "array" in _kinds(plain) else None


def right_answer(body: Mapping[str, Any], fixed: bool) -> dict[str, Any]:
    """What a server without faults answers. Raises RequestError for what is no request."""
    schema = asked.schema(body)
    if fixed:
        text = json.dumps(_blank(schema, schema))
        value: dict[str, Any] = {
            "id": "chatcmpl-fixed",
            "object": "chat.completion",
            "created": int(time.time()),
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": len(str(body["messages"])) // 4, "completion_tokens": len(text) // 4},
        }
        value["usage"]["total_tokens"] = sum(value["usage"].values())
    else:
        value = complete(body)
        message = value["choices"][0]["message"]
        if '"item"' in json.dumps(schema) and value["choices"][0]["finish_reason"] == "stop":
            filled = json.loads(message["content"])
            _number_items(schema, schema, filled)
            message["content"] = json.dumps(filled, ensure_ascii=False)
    return {**value, "model": body.get("model")}


# ---- the server --------------------------------------------------------------------------------------------------------


class Server(ThreadingHTTPServer):
    """What the calls share: the log, the bill, the dice and the slots."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.options = options
        self._lock = threading.Lock()
        self._log = options.log.open("a", encoding="utf-8")
        self._random = random.Random(options.seed)
        self.ended = threading.Event()
        self._began = time.monotonic()
        self._first_call: float | None = None
        self._in_flight = 0
        self._tally: dict[str, dict[str, Any]] = defaultdict(lambda: {"calls": 0, "cost": 0.0})
        self._billed = 0

    def note(self, event: str, **facts: Any) -> None:
        """A line of the log, written when this returns."""
        with self._lock:
            line = {"event": event, "at": round(time.monotonic() - self._began, 4), **facts}
            self._log.write(json.dumps(line) + "\n")
            self._log.flush()

    def count(self, kind: str | None, cost: float | None = None) -> None:
        """A call, on the bill when it has a cost."""
        with self._lock:
            tally = self._tally[kind or "right"]
            tally["calls"] += 1
            if cost is not None:
                self._billed += 1
                tally["cost"] += cost

    def bill(self) -> dict[str, Any]:
        """The invoice: what was billed, and every call by its kind."""
        with self._lock:
            cost = sum(tally["cost"] for tally in self._tally.values())
            return {"cost": cost, "calls": self._billed, "by_kind": dict(self._tally)}

    def enter(self) -> tuple[str, Refusal] | None:
        """Take a slot, or say why there is none; the time runs from the first call."""
        options = self.options
        with self._lock:
            now = time.monotonic()
            self._first_call = now if self._first_call is None else self._first_call
            age = now - self._first_call
            if options.only:
                return "only", Refusal(options.only, f"always {options.only}")
            if age < options.only_429_for:
                return "outage", REFUSALS["429"]
            if self._in_flight >= slots_at(options.capacity, options.slots, age):
                return "busy", Refusal(429, "Too many calls at once")
            self._in_flight += 1
        return None

    def leave(self) -> None:
        """Give the slot back: the model's work is done."""
        with self._lock:
            self._in_flight -= 1

    def draw(self) -> tuple[str | None, random.Random]:
        """Whether and how a call fails, and dice of its own."""
        with self._lock:
            fails, kind = self._random.random() < self.options.faults, self._random.choice(self.options.kinds)
            return kind if fails else None, random.Random(self._random.getrandbits(64))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news; whatever else fails is."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def slots_at(capacity: Iterable[tuple[float, int]], usual: float, age: float) -> float:
    """The slots `age` seconds after the first call: those of the last step that has begun."""
    slots = usual
    for since, number in capacity:
        slots = number if age >= since else slots
    return slots


class Handler(BaseHTTPRequestHandler):
    """One connection, call after call."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        options = self.server.options
        if self.path == "/bill":
            self._reply(200, self.server.bill())
        elif not self._is_admitted():
            self._refuse(WRONG_KEY)
        elif self.path == "/v1/models":
            entries = [{"id": MODEL, "object": "model", "context_length": WINDOW}]
            entries += [{"id": name, "object": "model"} for name in options.models]
            self._reply(200, {"object": "list", "data": entries})
        else:
            self._refuse(NOT_HERE)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        self.server.note("asked", request=request, **({"body": body} if self.server.options.log_bodies else {}))
        if self.path != "/v1/chat/completions":
            self._fail(request, "path", NOT_HERE)
        elif not self._is_admitted():
            self._fail(request, "key", WRONG_KEY)
        elif (turned_away := self.server.enter()) is not None:
            self._fail(request, *turned_away)
        else:
            self._work(body, request)

    def _is_admitted(self) -> bool:
        key = self.server.options.key
        return key is None or self.headers.get("Authorization") == f"Bearer {key}"

    def _work(self, body: dict[str, Any], request: str) -> None:
        """A call that has a slot, which it gives back before anything is sent: the client may then send the next."""
        kind, chance = self.server.draw()
        try:
            if kind not in REFUSALS:
                time.sleep(self.server.options.latency)
                answer = Answer(right_answer(body, self.server.options.answer == "fixed"), body, chance)
        except RequestError as error:
            kind, answered = "request", Refusal(error.status, str(error))
        else:
            answered = REFUSALS.get(kind or "")
        finally:
            self.server.leave()
        if answered is not None:
            self._fail(request, kind, answered)
            return
        if kind in SPOILED:
            SPOILED[kind](answer)
        facts = self._billed(answer, request, kind)
        if kind in MISCOUNTED:
            MISCOUNTED[kind](answer)
        if kind is not None:
            self.server.note("fault", **facts)
        if kind in SEVERED:
            self._sever(kind, json.dumps(answer.value).encode())
        elif self._client_is_gone():
            self.server.note("fault", request=request, kind="gone")
            self.close_connection = True
        else:
            self.server.note("answered", **facts)
            self._reply(200, answer.value)

    def _billed(self, answer: Answer, request: str, kind: str | None) -> dict[str, Any]:
        options = self.server.options
        tokens_in, tokens_out = answer.tokens
        cost = (options.price_in * tokens_in + options.price_out * tokens_out) / 1e6
        facts = {"request": request, "kind": kind, "status": 200, "cost": cost}
        facts |= {"prompt_tokens": tokens_in, "completion_tokens": tokens_out}
        self.server.count(kind, cost)
        self.server.note("billed", **facts)
        return facts

    def _fail(self, request: str, kind: str | None, answered: Refusal) -> None:
        self.server.count(kind)
        self.server.note("fault", request=request, kind=kind, status=answered.status)
        self._refuse(answered)

    def _refuse(self, answered: Refusal) -> None:
        error = {"message": answered.message, "code": answered.code or answered.status}
        self._reply(answered.status, {"error": error}, answered.headers)

    def _sever(self, kind: str, data: bytes) -> None:
        """End the connection without the answer, or within it."""
        self.close_connection = True
        seconds = self.server.options.hang
        if kind == "hang":
            self.server.ended.wait(seconds)
        elif kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.rfile.close()
            self.connection.close()  # at once, without the goodbye that the server would say
        else:
            self._begin(200, len(data))
            size = max(1, len(data) // 2 // DRIP_PIECES)
            for start in range(0, len(data) // 2, size):
                self.wfile.write(data[start : start + size])
                time.sleep(seconds / DRIP_PIECES)

    def _client_is_gone(self) -> bool:
        try:
            return self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _reply(self, status: int, value: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        data = json.dumps(value).encode()
        self._begin(status, len(data), headers)
        self.wfile.write(data)

    def _begin(self, status: int, length: int, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, text in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        """The log is ours."""


WRONG_KEY = Refusal(401, "Incorrect API key provided", code="invalid_api_key")
NOT_HERE = Refusal(404, "Nothing here")


def _kinds_option(text: str) -> list[str]:
    kinds = text.split(",")
    if unknown := set(kinds) - set(KINDS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: not among {', '.join(KINDS)}")
    return kinds


def capacity_option(text: str) -> list[tuple[float, int]]:
    if not re.fullmatch(r"[\d.]+:\d+(,[\d.]+:\d+)*", text):
        raise argparse.ArgumentTypeError("SECONDS:SLOTS,SECONDS:SLOTS,...")
    return [(float(since), int(slots)) for since, slots in (step.split(":") for step in text.split(","))]


def made(*words: str) -> Server:
    """A server with the options of the command line, not yet answering."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", type=Path, required=True, help="JSON lines: asked, answered, billed, fault")
    parser.add_argument("--log-bodies", action="store_true")
    parser.add_argument("--faults", type=float, default=0.0, metavar="RATE", help="share of calls that fail")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", type=_kinds_option, default=list(KINDS), help="default: all")
    parser.add_argument("--hang", type=float, default=3.0, help="seconds that `hang` and `drip` take")
    parser.add_argument("--answer", choices=("read", "fixed"), default="read", help="fixed: nulls and empty lists")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds per call")
    parser.add_argument("--slots", type=int, default=float("inf"), help="calls at once; more get 429")
    parser.add_argument("--capacity", type=capacity_option, default=[], help="slots over the seconds, as 0:64,20:8")
    parser.add_argument("--only-429-for", type=float, default=0.0, metavar="SECONDS", help="since the first call")
    parser.add_argument("--only", type=int, metavar="STATUS", help="for good")
    parser.add_argument("--key", help="any other key gets 401")
    parser.add_argument("--price-in", type=float, default=0.0, help="USD per million tokens")
    parser.add_argument("--price-out", type=float, default=0.0, help="USD per million tokens")
    parser.add_argument("--models", type=lambda text: text.split(","), default=[], help="listed besides the usual one")
    options = parser.parse_args(words)
    count_text("warm")  # loads the vocabulary once, and not within the first calls
    return Server(options)


# ---- for those who start it --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FaultServer:
    """A fault server that runs, and what it was asked."""

    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def environment(self) -> dict[str, str]:
        return {"PAGEMILL_BASE_URL": self.url, "PAGEMILL_API_KEY": "canary-key"}

    def entries(self, *events: str) -> list[dict[str, Any]]:
        """The lines of the log, all or those of `events`, in order."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [entry for entry in map(json.loads, lines) if not events or entry["event"] in events]

    def bill(self) -> dict[str, Any]:
        """The provider's own account."""
        connection = HTTPConnection("127.0.0.1", self.port)
        connection.request("GET", "/bill")
        bill = json.loads(connection.getresponse().read())
        connection.close()
        return bill


@contextmanager
def started(log: Path, *options: object) -> Iterator[FaultServer]:
    """A fault server with `options`, in threads of this process, for as long as the block runs."""
    server = made("--log", str(log), *map(str, options))
    try:
        with thread_server(server) as port:
            yield FaultServer(port, log)
    finally:
        server.ended.set()


@contextmanager
def started_apart(log: Path, *options: object) -> Iterator[FaultServer]:
    """The same in a process of its own, which takes seconds to start and no time from what is measured here."""
    with child_server("tests.support.fault_server", "--log", log, *options) as port:
        yield FaultServer(port, log)


if __name__ == "__main__":
    print_port(made(*sys.argv[1:]))
