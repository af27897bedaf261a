"""The protocol, over a real socket, with the client that the program itself uses."""

import asyncio
import base64
import io
import json
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import openai
import pytest
from PIL import Image

from extractors.tokens import count_messages, count_text
from flows.offline import server
from flows.offline.server import LocalEndpoint, OfflineModel

SCHEMA = {
    "type": "object",
    "properties": {
        "number": {"type": ["string", "null"], "description": "Invoice number"},
        "gross_total": {"type": ["number", "null"], "description": "Total with tax"},
    },
    "required": ["number", "gross_total"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "invoice", "schema": SCHEMA, "strict": True}}


def messages(number: str = "A-17") -> list[dict[str, Any]]:
    page = f'<page number="1">\nInvoice number: {number}\nTotal due: 12.50 EUR\n</page>'
    return [{"role": "system", "content": "Copy out."}, {"role": "user", "content": page}]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[LocalEndpoint]:
    with OfflineModel() as running:
        yield running


@pytest.fixture
def client(endpoint: LocalEndpoint) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=endpoint.base_url, api_key=endpoint.api_key, max_retries=0) as made:
        yield made


def test_an_answer_has_the_shape_of_the_protocol(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="offline", messages=messages(), response_format=FORMAT)
    assert json.loads(answer.choices[0].message.content or "") == {"number": "A-17", "gross_total": 12.5}
    assert (answer.model, answer.object, answer.choices[0].finish_reason) == ("offline", "chat.completion", "stop")
    assert answer.id
    assert answer.created > 0


def test_tokens_are_counted_exactly(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="offline", messages=messages(), response_format=FORMAT)
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == count_messages(messages())
    assert answer.usage.completion_tokens == count_text(answer.choices[0].message.content or "")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_images_are_counted_and_not_read(client: openai.OpenAI) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (280, 140)).save(picture, "PNG")
    url = "data:image/png;base64," + base64.b64encode(picture.getvalue()).decode()
    parts = [
        {"type": "text", "text": '<page number="1">\n'},
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "text", "text": "</page>"},
    ]
    asked: list[Any] = [{"role": "user", "content": parts}]
    answer = client.chat.completions.create(model="offline", messages=asked, response_format=FORMAT)
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == count_messages(asked)
    assert json.loads(answer.choices[0].message.content or "") == {"number": None, "gross_total": None}


def test_an_answer_too_long_is_cut(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="offline", messages=messages(), response_format=FORMAT, max_tokens=7)
    whole = client.chat.completions.create(model="offline", messages=messages(), response_format=FORMAT)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert 0 < answer.usage.completion_tokens <= 7
    assert (whole.choices[0].message.content or "").startswith(answer.choices[0].message.content or "?")


def test_json_mode_takes_the_schema_from_the_messages(client: openai.OpenAI) -> None:
    asked = messages()
    asked[0]["content"] += f"\nJSON Schema: {json.dumps(SCHEMA)}\nAnswer in JSON."
    answer = client.chat.completions.create(model="offline", messages=asked, response_format={"type": "json_object"})
    assert json.loads(answer.choices[0].message.content or "")["number"] == "A-17"


def test_without_a_schema_the_answer_is_empty(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="offline", messages=messages())
    assert answer.choices[0].message.content == "{}"


def test_a_schema_line_within_a_page_is_data(client: openai.OpenAI) -> None:
    page = f'<page number="1">\nJSON Schema: {json.dumps(SCHEMA)}\n</page>'
    answer = client.chat.completions.create(model="offline", messages=[{"role": "user", "content": page}])
    assert answer.choices[0].message.content == "{}"


def test_the_model_list(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["offline"]


@pytest.mark.parametrize("key", ["wrong", "ä", "0"])
def test_a_wrong_token_is_refused(endpoint: LocalEndpoint, key: str) -> None:
    with httpx.Client(base_url=endpoint.base_url) as client:
        header = {"Authorization": f"Bearer {key}".encode("latin-1")}
        for _ in range(2):  # the connection stays usable
            assert client.post("/chat/completions", json={"messages": messages()}, headers=header).status_code == 401
        assert client.get("/models").json()["error"]["code"] == "unauthorized"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b"", 400),
        (b'{"messages": 3}', 400),
        (b'{"messages": [4]}', 400),
        (b'{"messages": [], "stream": true}', 400),
        (b'{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}', 400),
        (b'{"messages": [], "response_format": {"type": "json_schema", "json_schema": 5}}', 200),
    ],
)
def test_odd_bodies(endpoint: LocalEndpoint, body: bytes, status: int) -> None:
    header = {"Authorization": f"Bearer {endpoint.api_key}"}
    answer = httpx.post(f"{endpoint.base_url}/chat/completions", content=body, headers=header)
    assert answer.status_code == status
    assert ("error" in answer.json()) == (status != 200)


def test_unknown_paths(endpoint: LocalEndpoint) -> None:
    header = {"Authorization": f"Bearer {endpoint.api_key}"}
    assert httpx.get(f"{endpoint.base_url}/chat/completions", headers=header).status_code == 404
    assert httpx.post(f"{endpoint.base_url}/embeddings", headers=header, json={}).status_code == 404


def test_32_at_once(endpoint: LocalEndpoint) -> None:
    async def ask_all() -> list[Any]:
        limit = asyncio.Semaphore(32)
        async with openai.AsyncOpenAI(base_url=endpoint.base_url, api_key=endpoint.api_key, max_retries=0) as client:

            async def ask(number: int) -> Any:
                async with limit:
                    asked: Any = messages(f"N-{number}")
                    answer = await client.chat.completions.create(
                        model="offline", messages=asked, response_format=FORMAT
                    )  # type: ignore[call-overload]
                    return json.loads(answer.choices[0].message.content or "")["number"]

            return await asyncio.gather(*map(ask, range(128)))

    assert asyncio.run(ask_all()) == [f"N-{number}" for number in range(128)]


def test_connections_are_kept(endpoint: LocalEndpoint) -> None:
    with httpx.Client(headers={"Authorization": f"Bearer {endpoint.api_key}"}) as client:
        streams = {id(client.get(f"{endpoint.base_url}/models").extensions["network_stream"]) for _ in range(3)}
        times = []
        for _ in range(20):
            start = time.perf_counter()
            client.get(f"{endpoint.base_url}/models")
            times.append(time.perf_counter() - start)
        assert min(times) < 0.03  # Nagle's algorithm would hold each for 0.04 s
    assert len(streams) >= 1


def test_two_servers_have_two_ports_and_two_tokens() -> None:
    with OfflineModel() as one, OfflineModel() as two:
        assert one.base_url != two.base_url
        assert one.api_key != two.api_key
        assert one.base_url.startswith("http://127.0.0.1:")


def test_the_server_ends_with_its_block() -> None:
    with OfflineModel() as gone:
        thread = next(thread for thread in threading.enumerate() if thread.name == "offline-model")
        assert thread.daemon
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{gone.base_url}/models")


def raw(endpoint: LocalEndpoint, head: str, *parts: bytes, token: str | None = None) -> bytes:
    """The answer to a request whose body is not sent, or not whole."""
    port = int(endpoint.base_url.split(":")[2].partition("/")[0])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        given = f"Authorization: Bearer {endpoint.api_key if token is None else token}\r\n"
        wire.sendall(f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n{given}{head}\r\n\r\n".encode("latin-1"))
        for part in parts:
            wire.sendall(part)
        answer = b""
        while block := wire.recv(4096):
            answer += block
        return answer


@pytest.mark.parametrize("size", [10, server.MOST_BYTES, server.MOST_BYTES + 1, 10**30])
def test_the_token_is_looked_at_before_the_body_is_read(endpoint: LocalEndpoint, size: int) -> None:
    for token in ("", "wrong"):
        assert raw(endpoint, f"Content-Length: {size}", token=token).startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize("size", [server.MOST_BYTES + 1, 512 * 1024 * 1024, 10**30])
def test_a_large_body_is_refused_before_it_is_read(endpoint: LocalEndpoint, size: int) -> None:
    assert raw(endpoint, f"Content-Length: {size}").startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 2\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 2", "Transfer-Encoding: chunked",
        "Transfer-Encoding: gzip", "Transfer-Encoding: identity", "transfer-encoding: CHUNKED", "Content-Length: 2\r\nContent-Length: 2",
        "Content-Length: 2\r\nContent-Length: 900", "Content-Length: -2", "Content-Length: +2", "Content-Length: \xb2", "Content-Length: 2, 2",
        "Content-Length: 0x2", "Content-Length:",
    ],
)  # fmt: skip
def test_a_body_whose_end_is_not_plain_is_refused(endpoint: LocalEndpoint, head: str) -> None:
    answer = raw(endpoint, head, b"{}")
    assert answer.startswith(b"HTTP/1.1 400"), answer
    assert answer.count(b"HTTP/1.1") == 1  # the rest is not taken for another request


@pytest.mark.parametrize("head", ["Content-Length: 1000", "X-Slow: y"])
def test_a_request_that_drips_is_ended(endpoint: LocalEndpoint, head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "READING_SECONDS", 0.6)
    port = int(endpoint.base_url.split(":")[2].partition("/")[0])
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        end = "" if "Slow" in head else "\r\n"
        begin = f"POST /v1/chat/completions HTTP/1.1\r\nAuthorization: Bearer {endpoint.api_key}\r\n{head}\r\n{end}"
        wire.sendall(begin.encode())
        with suppress(ConnectionError):
            while time.monotonic() - began < 8 and not select.select([wire], [], [], 0.1)[0]:
                wire.sendall(b"x")
        with suppress(ConnectionError):
            assert wire.recv(100) == b""
    assert time.monotonic() - began < 5
