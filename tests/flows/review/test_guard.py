"""Who may ask the server: nobody without the token, no other site, no other host's name, nothing but JSON, and no way out of it."""

import json
import re
import socket
from contextlib import suppress
from dataclasses import replace

import psutil
import pytest

from flows.review.guard import MOST_BODY_BYTES
from tests.support.reviewing import Reviewing

ID = "0" * 64
PATHS = [
    "/",
    "/review.js",
    "/review.css",
    "/api/documents",
    f"/api/documents/{ID}",
    f"/api/documents/{ID}/pages/1/picture",
]


def first(server: Reviewing) -> str:
    return server.get("/api/documents")["rows"][0]["id"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("cookie", [None, "", "pagemill_1=x", "x;;=y", "pagemill_{port}=", "pagemill_{port}=wrong"])
def test_without_the_cookie_nothing_is_told(server: Reviewing, path: str, cookie: str | None) -> None:
    port = server.host.rpartition(":")[2]
    answer = server.ask(path, cookie=None if cookie is None else cookie.format(port=port))
    assert answer.status == 403
    assert b"pagemill review" in answer.body


@pytest.mark.parametrize("query", ["token=", "token=wrong", "token=%00", "token=%E4%F6", "token"])
def test_a_wrong_token_gives_no_cookie(server: Reviewing, query: str) -> None:
    answer = server.ask(f"/?{query}", cookie=None)
    assert answer.status == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("place", ["/", "/x/", "//", "/{place}x/", "/%2f/"])
def test_without_the_word_of_its_path_nothing_is_told_though_the_cookie_is_known(server: Reviewing, place: str) -> None:
    other = replace(server)
    other.place = place.format(place=server.place.strip("/"))
    token = server.url.partition("?")[2]
    for path in (*PATHS, f"/?{token}"):
        answer = other.ask(path)
        assert (answer.status, "set-cookie" in answer.headers) == (403, False), path
    assert len(server.place) > 20


def test_the_cookie_is_for_this_site_and_no_script(server: Reviewing) -> None:
    answer = server.ask(f"/?{server.url.partition('?')[2]}", cookie=None)
    assert (answer.status, answer.headers["location"]) == (303, server.place)
    name, *rest = [part.strip() for part in answer.headers["set-cookie"].split(";")]
    assert name.startswith(f"pagemill_{server.host.rpartition(':')[2]}=")
    assert {each.lower() for each in rest} == {"httponly", "samesite=strict", f"path={server.place}".lower()}


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "0.0.0.0:{port}", None, ""]
)
def test_another_name_of_the_host_is_refused(server: Reviewing, host: str | None) -> None:
    given = None if host is None else host.format(port=server.host.rpartition(":")[2])
    assert server.ask("/api/documents", host=given).status in {400, 403}
    assert server.ask(f"/?{server.url.partition('?')[2]}", host=given).status in {400, 403}


def test_localhost_is_a_name_of_it(server: Reviewing) -> None:
    assert server.ask("/api/documents", host=f"localhost:{server.host.rpartition(':')[2]}").status == 200


@pytest.mark.parametrize("origin", ["null", "http://evil.example", "https://127.0.0.1", "http://127.0.0.1:1"])
def test_another_site_is_refused_though_it_has_the_cookie(server: Reviewing, origin: str) -> None:
    assert server.ask("/api/documents", origin=origin).status == 403
    assert server.ask("/api/documents", origin=f"http://{server.host}").status == 200


def change(server: Reviewing, body: bytes = b"{}", **headers: str | None) -> int:
    usual = {"content_type": "application/json", "x_pagemill_token": server.token}
    return server.ask(f"/api/documents/{first(server)}/corrections", "POST", body, **{**usual, **headers}).status


def test_a_change_needs_the_second_token_and_json(server: Reviewing) -> None:
    accept = json.dumps({"field": "", "value": None, "version": "old"}).encode()
    assert change(server, accept) == 409  # it comes through, to a record that is another one by now
    assert change(server, accept, content_type="Application/JSON; charset=utf-8") == 409
    assert change(server, accept, x_pagemill_token=None) == 403
    assert change(server, accept, x_pagemill_token=server.url.partition("token=")[2]) == 403
    for kind in (
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=application/json",
    ):
        assert change(server, accept, content_type=kind) == 415
    assert change(server, accept, cookie=None) == 403
    assert change(server, accept, origin="http://evil.example") == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_another_method_changes_nothing(server: Reviewing, method: str) -> None:
    assert server.ask("/api/documents", method).status == 403
    assert (
        server.ask(
            "/api/documents", method, b"{}", content_type="application/json", x_pagemill_token=server.token
        ).status
        == 405
    )


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"null", b"{", b'"x"', b"{}", b'{"field": 1}', b'{"field": "/number", "value": 7, "version": "x"}',
        b'{"field": "/number", "value": "7", "note": [], "version": "x"}', b"[" * 50_000, b"\xff", b'{"field": NaN}',
    ],
)  # fmt: skip
def test_what_is_no_change_is_refused_with_what_is_wrong(server: Reviewing, body: bytes) -> None:
    headers = {"content_type": "application/json", "x_pagemill_token": server.token}
    answer = server.ask(f"/api/documents/{first(server)}/corrections", "POST", body, **headers)
    assert answer.status in {400, 422}, answer
    assert answer.json["error"]


def test_a_change_says_how_long_it_is_and_is_not_too_long(server: Reviewing) -> None:
    assert change(server, b"x" * (MOST_BODY_BYTES + 1)) == 413
    assert change(server, b"", content_length=None) == 411
    assert change(server, b"", content_length=None, transfer_encoding="chunked") == 411


TWO = b"POST {place}api/documents/" + ID.encode() + b"/corrections HTTP/1.1\r\n"
FRAMINGS = {
    "both": b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
    "both, the other way round": b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
    "chunked": b"Transfer-Encoding: chunked\r\n",
    "another encoding": b"Transfer-Encoding: gzip, chunked\r\n",
    "identity": b"Transfer-Encoding: identity\r\nContent-Length: 2\r\n",
    "in capitals": b"TRANSFER-ENCODING: Chunked\r\nContent-Length: 2\r\n",
    "two lengths": b"Content-Length: 2\r\nContent-Length: 300000\r\n",
    "two lengths in one": b"Content-Length: 2, 300000\r\n",
    "negative": b"Content-Length: -2\r\n",
    "signed": b"Content-Length: +2\r\n",
    "no number": b"Content-Length: \xb2\r\n",
    "too long": b"Content-Length: 99999999999999999999\r\n",
}


@pytest.mark.parametrize("method", [b"POST", b"GET"])
@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_body_whose_end_is_not_plain_is_refused(server: Reviewing, framing: str, method: bytes) -> None:
    head = (
        TWO.replace(b"POST", method).replace(b"{place}", server.place.encode())
        + f"Host: {server.host}\r\nCookie: {server.cookie}\r\n".encode()
    )
    head += f"X-Pagemill-Token: {server.token}\r\nContent-Type: application/json\r\n".encode()
    body = b"30D40\r\n" + b"x" * 200_000 + b"\r\n0\r\n\r\n"
    with socket.create_connection(("127.0.0.1", int(server.host.rpartition(":")[2])), timeout=20) as wire:
        wire.sendall(head + FRAMINGS[framing] + b"Connection: close\r\n\r\n")
        with suppress(OSError):
            wire.sendall(body)
        answer = wire.recv(4096)
    assert answer.split()[1] in {b"400", b"411", b"413", b"501"}, answer


@pytest.mark.parametrize(
    "path",
    [
        "/../etc/passwd", "/..%2f..%2fetc%2fpasswd", "/static/../dom.js", "/api/documents/../../etc/passwd", "//etc/passwd",
        "/api/documents/" + "A" * 64, "/api/documents/" + "0" * 63, "/api/documents/..%2f..%2f" + "0" * 64,
        f"/api/documents/{ID}%00", f"/api/documents/{ID}/pages/0", f"/api/documents/{ID}/pages/-1", f"/api/documents/{ID}/pages/1e3",
        f"/api/documents/{ID}/pages/..%2f1/picture", "/docs", "/openapi.json", "/review.js/", "/review%2ejs/..",
        "/api/documents?start=-1", "/api/documents?start=x",
    ],
)  # fmt: skip
def test_no_path_leads_anywhere_else(server: Reviewing, path: str) -> None:
    answer = server.ask(path)
    assert answer.status in {307, 404, 422}, answer
    assert b"root:" not in answer.body
    assert "location" not in answer.headers or answer.headers["location"].startswith(f"http://{server.host}/")


@pytest.mark.parametrize("path", [*PATHS, "/nothing"])
@pytest.mark.parametrize("enters", [True, False])
def test_every_answer_says_what_may_be_done_with_it(server: Reviewing, path: str, enters: bool) -> None:
    headers = server.ask(path, cookie=server.cookie if enters else None).headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert {policy[each] for each in ("script-src", "style-src", "connect-src", "img-src")} == {"'self'"}
    assert policy["frame-ancestors"] == policy["form-action"] == policy["base-uri"] == "'none'"
    said = {
        name: headers[name]
        for name in ("x-content-type-options", "referrer-policy", "cache-control", "x-frame-options")
    }
    assert list(said.values()) == ["nosniff", "no-referrer", "no-store", "DENY"]
    assert "server" not in headers


def test_the_page_holds_no_script_style_or_address_of_its_own(server: Reviewing) -> None:
    page = server.ask("/").body.decode()
    assert re.findall(r"<script([^>]*)>", page) == [' type="application/json" id="data"', ' src="review.js"']
    assert "<style" not in page
    assert not re.search(r"\son\w+=|\sstyle=|https?:", page.partition('id="data"')[0])
    assert server.url.partition("token=")[2] not in page


def test_it_listens_on_loopback_alone(server: Reviewing) -> None:
    family = [psutil.Process(server.process.pid), *psutil.Process(server.process.pid).children(recursive=True)]
    listening = [each.laddr.ip for one in family for each in one.net_connections() if each.status == psutil.CONN_LISTEN]
    assert listening == ["127.0.0.1"]
