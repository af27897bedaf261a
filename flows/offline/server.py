"""The embedded model's protocol: OpenAI chat completions over loopback, in a daemon thread that ends with the process."""

import hmac
import json
import logging
import secrets
import time
import uuid
from collections.abc import Mapping
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
_LARGEST_BODY = 512 * 1024 * 1024
_IDLE = 600.0  # seconds after which an idle connection is closed

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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "pagemill-offline"
    disable_nagle_algorithm = True  # otherwise headers and body wait for an acknowledgement
    timeout = _IDLE
    server: _Server

    def do_GET(self) -> None:
        self._answer({"/v1/models": _models})

    def do_POST(self) -> None:
        self._answer({"/v1/chat/completions": complete})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
        _log.debug(format, *args)

    def _answer(self, routes: Mapping[str, Any]) -> None:
        try:
            body = self._body()  # read first: an unread body is taken for the next request
            if not hmac.compare_digest(
                self.headers.get("Authorization", "").encode(), f"Bearer {self.server.token}".encode()
            ):
                raise RequestError(HTTPStatus.UNAUTHORIZED, "wrong or missing bearer token")  # noqa: TRY301 - answered below
            route = routes.get(self.path.partition("?")[0])
            if route is None:
                raise RequestError(HTTPStatus.NOT_FOUND, f"no {self.command} {self.path} here")  # noqa: TRY301
            self._send(HTTPStatus.OK, route(body))
        except RequestError as error:
            self._send(error.status, _error(str(error), error.status))
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except Exception as error:  # noqa: BLE001 - the client gets an answer in every case
            _log.exception("the embedded model failed")
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            self._send(status, _error(f"{type(error).__name__}: {error}", status))

    def _body(self) -> Mapping[str, Any]:
        length = self.headers.get("Content-Length", "0")
        if (
            not length.isdigit()
            or int(length) > _LARGEST_BODY
            or "chunked" in self.headers.get("Transfer-Encoding", "")
        ):
            self.close_connection = True
            raise RequestError(HTTPStatus.BAD_REQUEST, "a body needs a Content-Length of at most 512 MB")
        data = self.rfile.read(int(length))
        if not data:
            return {}
        try:
            body = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise RequestError(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {error}") from error
        if not isinstance(body, dict):
            raise RequestError(HTTPStatus.BAD_REQUEST, "the body must be a JSON object")
        return body

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
