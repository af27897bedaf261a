"""Access control of the review page, applied before any other code reads a request, and security headers of every answer.

The token in the printed address is exchanged for a cookie that scripts and other sites cannot use; requests without it are
refused. Browsers send a cookie to every port of this machine, so a server of somebody else would be given it: its path is a
random word, which the paths of the whole page begin with, and no request to another server does. `--open` gives the browser
a ticket in place of the token, in a file, since everybody sees the words of a command: it lets in once.

Requests forged by other sites are recognised by the name of the host (DNS rebinding), by their origin, and by a missing second
token, which only the page has: every change must carry it in a header, with a body of JSON.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BODY_BYTES = 200_000  # of a request's body: corrections are shorter
_LENGTH_DIGITS = 12
HEADER = "x-pagemill-token"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_ONWARD = '<!doctype html><title>Review</title><meta http-equiv="refresh" content="0; url=./">'
_READS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Secrets:
    """Tokens of one server: `entry` in address and cookie, `changes` in the header of every change.

    `ticket` lets in once; `place` is the first step of every path.
    """

    place: str = field(default_factory=lambda: f"/{secrets.token_urlsafe(16)}")
    ticket: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    entry: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    changes: str = field(default_factory=lambda: secrets.token_urlsafe(32))


class Guard:
    """ASGI application that protects `app`, which listens on loopback at `port`."""

    def __init__(self, app: ASGIApp, tokens: Secrets, port: int) -> None:
        self._app = app
        self._tokens = tokens
        self._hosts = frozenset(f"{name}:{port}" for name in ("127.0.0.1", "localhost"))
        self._tickets = [tokens.ticket]  # that were not used
        self._cookie = f"pagemill_{port}"  # browsers share cookies among ports: two servers need different names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] != "http":
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
            await send(message)

        path, place = scope["path"], self._tokens.place
        inner = {**scope, "path": path.removeprefix(place)}
        is_placed = _same(path[: len(place) + 1], f"{place}/")
        answer = self._answer(inner, is_placed=is_placed)
        await (answer or self._app)(inner, receive, marked)

    def _answer(self, scope: Scope, *, is_placed: bool) -> Response | None:
        """A refusal, or the answer that sets the cookie; None for a request that may pass."""
        headers = Headers(scope=scope)
        if headers.getlist("host") != [headers.get("host")] or headers["host"] not in self._hosts:
            return _refused(403, "wrong host: use the address that `pagemill review` has printed")
        if (refusal := _refused_framing(headers)) is not None:
            return refusal
        origin = headers.get("origin")
        if origin is not None and origin not in {f"http://{host}" for host in self._hosts}:
            return _refused(403, "wrong origin: requests of other sites are refused")
        if not is_placed:
            return _refused(403, "wrong address: open the whole one that `pagemill review` has printed")
        query = parse_qs(scope["query_string"].decode("latin-1"))
        if scope["path"] == "/" and scope["method"] == "GET" and (query.keys() & {"token", "ticket"}):
            return self._entrance(query)
        if not self._is_known(headers):
            return _refused(403, "missing cookie: open the whole address that `pagemill review` has printed")
        return None if scope["method"] in _READS else self._refused_change(headers)

    def _entrance(self, query: Mapping[str, Sequence[str]]) -> Response:
        answer: Response
        if any(_same(value, ticket) for value in query.get("ticket", ()) for ticket in self._tickets):
            self._tickets.clear()
            answer = HTMLResponse(_ONWARD)  # a redirect of what a file began would not carry the cookie
        elif any(_same(value, self._tokens.entry) for value in query.get("token", ())):
            answer = RedirectResponse(f"{self._tokens.place}/", 303)
        else:
            return _refused(403, "wrong token: open the address that `pagemill review` has printed")
        path = f"{self._tokens.place}/"
        answer.set_cookie(self._cookie, self._tokens.entry, httponly=True, samesite="strict", path=path)
        return answer

    def _is_known(self, headers: Mapping[str, str]) -> bool:
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return False
        return cookie is not None and _same(cookie.value, self._tokens.entry)

    def _refused_change(self, headers: Headers) -> Response | None:
        if not _same(headers.get(HEADER, ""), self._tokens.changes):
            return _refused(403, "missing token of the page: load the page again")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return _refused(415, "wrong content type: expected application/json")
        return None if "content-length" in headers else _refused(411, "missing content length")


def _refused_framing(headers: Headers) -> Response | None:
    """A refusal of a body whose end can be read in two ways, that states no length beforehand, or is too long."""
    lengths = headers.getlist("content-length")
    if "transfer-encoding" in headers:
        return _refused(400 if lengths else 411, "transfer encoding: expected a content length in its place")
    if not lengths:
        return None
    length = lengths[0]
    if len(lengths) > 1 or not (length.isascii() and length.isdecimal()):
        return _refused(400, "invalid content length: expected one number")
    if len(length) > _LENGTH_DIGITS or int(length) > MOST_BODY_BYTES:
        return _refused(413, f"body too large: expected at most {MOST_BODY_BYTES:,} bytes")
    return None


def _refused(status: int, why: str) -> Response:
    return PlainTextResponse(f"{why}\n", status)


def _same(given: str, wanted: str) -> bool:
    return secrets.compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode())
