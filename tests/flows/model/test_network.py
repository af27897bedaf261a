"""The way to an endpoint: proxies, authorities and client certificates of companies, and faults in words."""

import asyncio
import base64
import http.server
import json
import select
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import trustme

from flows.model.budget import Spending
from flows.model.concurrency import Outage
from flows.model.endpoint import Endpoint
from flows.model.network import proxy_of
from flows.model.outage_notice import OutageNotice
from flows.model.wire import Refusal
from flows.settings import load_settings
from schemas.errors import ConfigurationError
from schemas.step_data import Completion, Request
from tests.support.answering import Reply, answering, said
from tests.support.children import thread_server
from tests.support.waiting import wait_until

ASKED = Request("id", 0, 0, "some/model", ({"role": "user", "content": "x"},), "x", {"type": "object"}, 0.0, 16, 5)
ANSWER = {
    "choices": [{"message": {"content": "{}"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 1},
}
HOST = "endpoint.test"  # which only the proxy knows


class Answering(http.server.BaseHTTPRequestHandler):
    """A model server that answers everything alike."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


class Proxy(http.server.BaseHTTPRequestHandler):
    """A proxy that leads every name to `there`, after its login where it has one, and notes the names."""

    asked: list[str]
    login: str | None
    there: int

    def do_CONNECT(self) -> None:
        self.asked.append(self.path)
        if self.login is not None and self.headers.get("Proxy-Authorization") != self.login:
            self.send_error(407)
            return
        self.send_response(200)
        self.end_headers()
        with socket.create_connection(("127.0.0.1", self.there), timeout=5) as there:
            pair = (self.connection, there)
            while ready := select.select(pair, [], [], 10)[0]:
                for one in ready:
                    data = one.recv(65536)
                    if not data:
                        return
                    pair[1 - pair.index(one)].sendall(data)

    def log_message(self, *_: Any) -> None:
        pass


@dataclass(frozen=True)
class Network:
    """A company's network: an authority, an endpoint behind TLS, a proxy."""

    authority: trustme.CA
    ca_file: Path
    port: int
    proxy: str
    asked: list[str]

    def client_cert(self, folder: Path) -> tuple[Path, Path]:
        """A certificate of the authority for a caller, and its key."""
        made = self.authority.issue_cert("caller@company.test")
        made.cert_chain_pems[0].write_to_path(folder / "cert.pem")
        made.private_key_pem.write_to_path(folder / "key.pem")
        return folder / "cert.pem", folder / "key.pem"


@contextmanager
def network(folder: Path, *, login: str | None = None, wants_client: bool = False) -> Iterator[Network]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST, "127.0.0.1").configure_cert(context)
    if wants_client:
        context.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(context)
    endpoint = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    endpoint.handle_error = lambda *_: None  # type: ignore[method-assign] # a refused handshake
    endpoint.socket = context.wrap_socket(endpoint.socket, server_side=True, do_handshake_on_connect=False)
    asked: list[str] = []
    with thread_server(endpoint) as port:
        handler = type("Ours", (Proxy,), {"asked": asked, "login": login, "there": port})
        with thread_server(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)) as proxy:
            yield Network(authority, folder / "ca.pem", port, f"http://127.0.0.1:{proxy}", asked)


@pytest.fixture(autouse=True)
def without_a_network_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
    ):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def posted(url: str, key: str = "key", **options: Any) -> Completion | Refusal:
    async def post() -> Completion | Refusal:
        endpoint = Endpoint(load_settings(base_url=url, request_timeout=5.0, **options), url, key, Spending())
        try:
            return await endpoint.post(ASKED, 0, 1)
        finally:
            await endpoint.close()

    return asyncio.run(post())


def words(url: str, **options: Any) -> str:
    refusal = posted(url, **options)
    assert isinstance(refusal, Refusal), refusal
    return refusal.reason


@pytest.mark.parametrize("by", ["PAGEMILL_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_an_endpoint_of_a_companys_own_authority_is_reached_with_it_and_not_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    with network(tmp_path) as here:
        url = f"https://127.0.0.1:{here.port}/v1"
        assert "is not trusted" in (told := words(url))
        assert "PAGEMILL_CA_BUNDLE" in told
        monkeypatch.setenv(by, str(here.ca_file))
        assert isinstance(posted(url), Completion)


def test_calls_go_through_the_proxy_of_the_environment_with_its_login_and_past_it_where_it_is_not_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = "Basic " + base64.b64encode(b"user:word").decode()
    with network(tmp_path, login=login) as here:
        url = f"https://{HOST}/v1"
        monkeypatch.setenv("HTTPS_PROXY", here.proxy.replace("//", "//user:word@"))
        assert isinstance(posted(url, ca_bundle=here.ca_file), Completion)
        assert here.asked == [f"{HOST}:443"]
        local = posted(f"https://127.0.0.1:{here.port}/v1", ca_bundle=here.ca_file)
        assert isinstance(local, Completion)  # this machine's own ports need no proxy
        assert here.asked == [f"{HOST}:443"]
        monkeypatch.setenv("HTTPS_PROXY", here.proxy)
        refused = words(url, ca_bundle=here.ca_file)
        assert "refused to connect" in refused
        assert "HTTPS_PROXY" in refused
        monkeypatch.setenv("NO_PROXY", f"other.test,{HOST}")
        assert f"the name of {HOST} was not found" in words(url, ca_bundle=here.ca_file)
        assert proxy_of(url) is None


def test_a_proxy_that_is_not_there_is_named_without_its_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://user:canary@127.0.0.1:9")
    assert (told := words(f"http://{HOST}/v1")).startswith("nobody listens at the proxy 127.0.0.1:9")
    assert "canary" not in told


def test_a_client_certificate_is_shown_to_an_endpoint_that_wants_one(tmp_path: Path) -> None:
    with network(tmp_path, wants_client=True) as here:
        url = f"https://127.0.0.1:{here.port}/v1"
        cert, key = here.client_cert(tmp_path)
        assert isinstance(posted(url, ca_bundle=here.ca_file, client_cert=cert, client_key=key), Completion)
        assert isinstance(posted(url, ca_bundle=here.ca_file), Refusal)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"ca_bundle": "nowhere.pem"}, "PAGEMILL_CA_BUNDLE"),
        ({"ca_bundle": "text"}, "PAGEMILL_CA_BUNDLE"),
        ({"client_cert": "nowhere.pem"}, "PAGEMILL_CLIENT_CERT"),
        ({"client_cert": "text"}, "PAGEMILL_CLIENT_CERT"),
        ({"client_key": "text"}, "PAGEMILL_CLIENT_KEY"),
    ],
)
def test_files_that_are_none_are_refused_before_anything_is_sent(tmp_path: Path, given: dict, named: str) -> None:
    (tmp_path / "text").write_text("no certificate")
    options = {name: tmp_path / file for name, file in given.items()}
    with pytest.raises(ConfigurationError, match=named):
        posted("https://127.0.0.1:9/v1", **options)


def test_what_stands_in_the_way_is_said_in_words(tmp_path: Path) -> None:
    assert "nobody listens at 127.0.0.1:9" in words("http://127.0.0.1:9/v1")
    assert "the name of nowhere.invalid was not found" in words("http://nowhere.invalid/v1")
    with network(tmp_path) as here:
        assert "broke before the answer was whole" in words(f"http://127.0.0.1:{here.port}/v1")
    with thread_server(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)) as port:
        assert "no TLS with" in words(f"https://127.0.0.1:{port}/v1")


def test_an_outage_is_told_once_after_its_time_with_its_cause_and_told_again_when_it_is_over() -> None:
    told: list[str] = []
    notice = OutageNotice("endpoint.test", 3600.0, quiet=True, tell=told.append, tell_after=300.0)
    for seconds in (10.0, 299.0, 300.0, 900.0):
        notice(Outage(seconds, "nobody listens at endpoint.test", 60.0))
    wait_until(lambda: len(told) == 1)
    assert "nobody listens at endpoint.test" in told[0]
    assert "the run waits for 55 min more" in told[0]
    notice(None)
    wait_until(lambda: len(told) == 2)
    assert told[1] == "endpoint.test answers again; the run goes on"
    notice(Outage(10.0, "again", 60.0))
    notice(None)  # a short one is told to nobody
    assert len(told) == 2


@pytest.mark.parametrize("login", ["user:secret-word", "us%40er:se%2Fcret%20word", "user:"])
def test_a_login_in_the_address_is_in_no_answer_in_whatever_form_it_is_repeated(login: str) -> None:
    plain = unquote(login)
    forms = [login, plain, *(base64.b64encode(text.encode()).decode() for text in (login, plain))]

    def answer(_: Any) -> Reply:
        return said({"error": {"message": " ".join(["the-key", *forms, plain.partition(":")[2]])}}, 400)

    with answering(answer) as url:
        refusal = posted(url.replace("//", f"//{login}@"), key="the-key")
    assert isinstance(refusal, Refusal)
    assert not any(form in str(refusal) for form in ["the-key", *forms])
    assert "secret" not in str(refusal)
    assert "cret word" not in str(refusal)
