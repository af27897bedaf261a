"""Access control of the review page, before anything else sees a request, and the security headers of every answer.

Whoever has the token of the printed address is given a cookie that no script and no other site can use; without it every
request is refused. A browser that another site has talked into asking is told by the name of the host (DNS rebinding), by its
origin, and by a second token that only the page knows, which every change must carry in a header, with a body of JSON.
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BODY_BYTES = 200_000  # of a request's body: no correction is longer
HEADER = "x-pagemill-token"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_SAID = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_READS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Secrets:
    """The token of the address and the cookie, and the one that changes carry. Made anew for each server."""

    entry: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    changes: str = field(default_factory=lambda: secrets.token_urlsafe(32))


class Guard:
    """The application `app` behind its guard, on loopback at `port`."""

    def __init__(self, app: ASGIApp, tokens: Secrets, port: int) -> None:
        self._app = app
        self._tokens = tokens
        self._hosts = frozenset(f"{name}:{port}" for name in ("127.0.0.1", "localhost"))
        self._cookie = f"pagemill_{port}"  # cookies know no ports: two servers must not take each other's

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it."""
        if scope["type"] != "http":
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _SAID.items():
                    headers[name] = value
            await send(message)

        answer = self._answer(scope)
        await (answer or self._app)(scope, receive, marked)

    def _answer(self, scope: Scope) -> Response | None:
        """A refusal, or the way in; null for a request that may pass."""
        headers = Headers(scope=scope)
        if headers.getlist("host") != [headers.get("host")] or headers["host"] not in self._hosts:
            return _refused(403, "this server is asked by its address on loopback only")
        origin = headers.get("origin")
        if origin is not None and origin not in {f"http://{host}" for host in self._hosts}:
            return _refused(403, "another site asks")
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        if scope["path"] == "/" and scope["method"] == "GET" and given:
            return self._entrance(given)
        if not self._is_known(headers):
            return _refused(403, "open the whole address that `pagemill review` has printed")
        return None if scope["method"] in _READS else self._refused_change(headers)

    def _entrance(self, given: Iterable[str]) -> Response:
        if not any(_same(value, self._tokens.entry) for value in given):
            return _refused(403, "the token is of another server; open the address that `pagemill review` has printed")
        answer = RedirectResponse("/", 303)
        answer.set_cookie(self._cookie, self._tokens.entry, httponly=True, samesite="strict", path="/")
        return answer

    def _is_known(self, headers: Mapping[str, str]) -> bool:
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return False
        return cookie is not None and _same(cookie.value, self._tokens.entry)

    def _refused_change(self, headers: Headers) -> Response | None:
        if not _same(headers.get(HEADER, ""), self._tokens.changes):
            return _refused(403, "a change carries the page's own token")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return _refused(415, "a change is JSON")
        length = headers.get("content-length", "")
        if not length.isdecimal():
            return _refused(411, "a change says how long it is")
        return (
            _refused(413, f"a change has {MOST_BODY_BYTES:,} bytes at most") if int(length) > MOST_BODY_BYTES else None
        )


def _refused(status: int, why: str) -> Response:
    return PlainTextResponse(f"{why}\n", status)


def _same(given: str, wanted: str) -> bool:
    return secrets.compare_digest(given.encode(), wanted.encode())
