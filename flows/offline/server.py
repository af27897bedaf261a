"""The embedded model's protocol: OpenAI chat completions over loopback, in a daemon thread that ends with the process."""

import hmac
import io
import json
import logging
import secrets
import socket
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, NamedTuple

from extractors.tokens import count_messages, count_text
from flows.offline import asked
from flows.offline.reader import read

MODEL = "offline"
WINDOW = 128_000  # tokens, as of Mistral Small 3.1
MOST_BYTES = 64 * 1024 * 1024  # of a request's body: pictures of one are 20 MB, where no setting says otherwise
READING_SECONDS = 60.0  # for one request, from its first byte on
_IDLE = 600.0  # seconds after which an idle connection is closed
_LINGER_SECONDS, _LINGER_BYTES = 1.0, 1 << 20  # of a refused body, so that the refusal arrives

_log = logging.getLogger(__name__)


class LocalEndpoint(NamedTuple):
    """Address of the embedded model, and the token that it requires."""

    base_url: str
    api_key: str


class OfflineModel:
    """`with OfflineModel() as endpoint:` serves on a random port of 127.0.0.1 until the block ends."""

    def __init__(self) -> None:
        self._server: _Server | None = None

    def __enter__(self) -> LocalEndpoint:
        count_text("warm")  # loads the vocabulary once, before several first requests do it in parallel
        self._server = _Server(("127.0.0.1", 0), _Handler)
        thread = Thread(target=self._server.serve_forever, args=(0.05,), name="offline-model", daemon=True)
        thread.start()
        return LocalEndpoint(f"http://127.0.0.1:{self._server.server_port}/v1", self._server.token)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class RequestError(Exception):
    """A request that cannot be answered; `status` is the HTTP status."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


def complete(body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to one chat completions request, in the protocol's form."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise RequestError(HTTPStatus.BAD_REQUEST, "`messages` must be a list of objects")
    if body.get("stream"):
        raise RequestError(HTTPStatus.BAD_REQUEST, "this model does not stream; leave `stream` out")
    try:
        prompt_tokens = count_messages(messages)
    except (ValueError, TypeError, AttributeError) as error:
        raise RequestError(HTTPStatus.BAD_REQUEST, f"a message cannot be read: {error}") from error
    text = json.dumps(read(asked.schema(body), asked.pages(body)), ensure_ascii=False)
    text, finish_reason, completion_tokens = _cut(text, body.get("max_completion_tokens") or body.get("max_tokens"))
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": finish_reason,
                "logprobs": None,
            }
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }


def _cut(text: str, limit: Any) -> tuple[str, str, int]:
    """`text` within `limit` tokens, its finish reason and its tokens: a longer answer is cut, as by any model."""
    tokens = count_text(text)
    if not isinstance(limit, int) or tokens <= limit:
        return text, "stop", tokens
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count_text(text[:middle]) <= limit else (low, middle - 1)
    return text[:low], "length", count_text(text[:low])


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # idle connections must not delay the end of a run
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.token = secrets.token_urlsafe(32)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the signature is http.server's
        """Log at debug level only: clients close connections all the time."""
        _log.debug("connection of %s ended", client_address, exc_info=True)


class _TimedReader(io.RawIOBase):
    """Bytes of a connection. A request has so many seconds from its first byte on, however slowly the others come."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__()
        self._connection = connection
        self._end: float | None = None

    def await_request(self) -> None:
        """Wait for the first byte of the next request."""
        self._end = None
        self._connection.settimeout(_IDLE)

    def readable(self) -> bool:
        """True: it is read from only."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what is there. Raises TimeoutError after the time of the request."""
        if self._end is not None:
            left = self._end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._connection.settimeout(left)
        count = self._connection.recv_into(buffer)
        self._end = self._end or time.monotonic() + READING_SECONDS
        return count


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "pagemill-offline"
    disable_nagle_algorithm = True  # otherwise headers and body wait for an acknowledgement
    timeout = _IDLE
    server: _Server

    def setup(self) -> None:
        super().setup()
        self._reader = _TimedReader(self.connection)
        self.rfile = io.BufferedReader(self._reader)

    def handle_one_request(self) -> None:
        self._reader.await_request()
        super().handle_one_request()

    def do_GET(self) -> None:
        self._answer({"/v1/models": _models})

    def do_POST(self) -> None:
        self._answer({"/v1/chat/completions": complete})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
        _log.debug(format, *args)

    def _answer(self, routes: Mapping[str, Any]) -> None:
        try:
            length = self._admitted()
            body = self._body(length)  # also of an unknown address: an unread body is taken for the next request
            route = routes.get(self.path.partition("?")[0])
            if route is None:
                raise RequestError(HTTPStatus.NOT_FOUND, f"no {self.command} {self.path} here")  # noqa: TRY301
            self._send(HTTPStatus.OK, route(body))
        except RequestError as error:
            self._send(error.status, _error(str(error), error.status))
            if self.close_connection:
                self._linger()
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except Exception as error:  # noqa: BLE001 - the client gets an answer in every case
            _log.exception("the embedded model failed")
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            self._send(status, _error(f"{type(error).__name__}: {error}", status))

    def _admitted(self) -> int:
        """Length of the body, by the headers alone. Raises RequestError, with the body unread, for one that is not taken."""
        is_open, self.close_connection = self.close_connection, True  # where the body stays unread
        given = self.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {self.server.token}".encode()):
            raise RequestError(HTTPStatus.UNAUTHORIZED, "wrong or missing bearer token")
        lengths = self.headers.get_all("Content-Length", ["0"])
        if "Transfer-Encoding" in self.headers:
            raise RequestError(HTTPStatus.BAD_REQUEST, "a body needs a Content-Length, and no Transfer-Encoding")
        if len(lengths) > 1 or not (lengths[0].isascii() and lengths[0].isdecimal()):
            raise RequestError(HTTPStatus.BAD_REQUEST, "a body needs one Content-Length, a number")
        if len(lengths[0]) > len(str(MOST_BYTES)) or int(lengths[0]) > MOST_BYTES:
            raise RequestError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {MOST_BYTES:,} bytes; send fewer pages"
            )
        self.close_connection = is_open
        return int(lengths[0])

    def _body(self, length: int) -> Mapping[str, Any]:
        data = self.rfile.read(length)
        self.connection.settimeout(_IDLE)
        if not data:
            return {}
        try:
            body = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise RequestError(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {error}") from error
        if not isinstance(body, dict):
            raise RequestError(HTTPStatus.BAD_REQUEST, "the body must be a JSON object")
        return body

    def _linger(self) -> None:
        """Take a little of what the client still sends: a connection that is closed before loses the answer."""
        end, taken = time.monotonic() + _LINGER_SECONDS, 0
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            while taken < _LINGER_BYTES and (left := end - time.monotonic()) > 0:
                self.connection.settimeout(left)
                if not (block := self.connection.recv(65_536)):
                    return
                taken += len(block)

    def _send(self, status: HTTPStatus, value: Mapping[str, Any]) -> None:
        data = json.dumps(value).encode("ascii")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)


def _models(_body: Mapping[str, Any]) -> dict[str, Any]:
    entry = {"id": MODEL, "object": "model", "created": 0, "owned_by": "pagemill", "max_model_len": WINDOW}
    return {"object": "list", "data": [entry]}


def _error(message: str, status: HTTPStatus) -> dict[str, Any]:
    kind = "invalid_request_error" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error"
    return {"error": {"message": message, "type": kind, "code": status.phrase.lower().replace(" ", "_")}}
