"""`pagemill run` through real servers: llama.cpp's own, and the one of its Python package, with a tiny random model.

`make test-real` builds both and runs this; a plain `make test` leaves it out. The model answers noise, so nothing here
asks for a value: what is asked for is what must hold whatever a server says.
"""

import json
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from extractors.tokens import count_messages
from tests.conftest import SAMPLES
from tests.support.tiny_model import write_tiny_model

pytestmark = pytest.mark.real_server

WINDOW = 8192  # tokens of the servers here
START_SECONDS = 120.0
KEY = f"canary-{secrets.token_hex(8)}"
NOTE = {
    "title": "note",
    "type": "object",
    "properties": {
        "kind": {"type": "string", "enum": ["invoice", "letter", "list"], "description": "What the document is"},
        "is_paid": {"type": "boolean", "description": "True when the document says that it is paid"},
        "positions": {"type": "integer", "description": "Number of positions"},
        "sender": {"type": "string", "description": "Who wrote it"},
    },
}  # every answer ends soon: the grammar bounds all but the string, and the tiny model closes those
SYSTEM = {"role": "system", "content": "You read documents and copy out data as JSON."}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@dataclass(frozen=True)
class RealServer:
    """A server that answers. `log` is what it printed."""

    url: str
    log: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PAGEMILL_BASE_URL": f"{self.url}/v1",
            "PAGEMILL_API_KEY": KEY,
            "PAGEMILL_MODEL": "tiny",
            "PAGEMILL_CONCURRENCY": "1",
            "PAGEMILL_CHUNK_TOKENS": "3000",
            "PAGEMILL_PATIENCE": "20",
        }

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", headers={"Authorization": f"Bearer {KEY}"}, timeout=60)

    def chat(self, content: Any, key: str = KEY, **more: Any) -> httpx.Response:
        body = {"model": "tiny", "messages": [SYSTEM, {"role": "user", "content": content}], "max_tokens": 1, **more}
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.post(f"{self.url}/v1/chat/completions", json=body, headers=headers, timeout=300)

    @property
    def prompt_tokens_read(self) -> float:
        """What llama.cpp's own server has read since it started, by its own count (its cached beginnings aside)."""
        lines = self.get("/metrics").text.splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith("llamacpp:prompt_tokens_total "))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def llama_server(tiny_model: Path) -> Iterator[RealServer]:
    """llama.cpp's own server, which the README names, for text only: it is given no image encoder."""
    options = ["--ctx-size", WINDOW, "--parallel", 1, "--threads", 2, "--seed", 7, "--metrics", "--no-ui", "--offline"]
    command = [_built_server(), "--model", tiny_model, "--alias", "tiny", "--api-key", KEY, *options]
    with serving(command, tiny_model.with_name("llama-server.log"), "/health") as server:
        yield server


@pytest.fixture(scope="module")
def python_server(tiny_model: Path) -> Iterator[RealServer]:
    """The server of the package llama-cpp-python: the same engine behind another program."""
    options = ["--api_key", KEY, "--n_ctx", WINDOW, "--n_threads", 2, "--seed", 7, "--verbose", "false"]
    command = [sys.executable, "-m", "llama_cpp.server", "--model", tiny_model, "--model_alias", "tiny", *options]
    with serving(command, tiny_model.with_name("python-server.log"), "/v1/models") as server:
        yield server


def _built_server() -> Path:
    spec = find_spec("llama_cpp")  # who asks for these tests by their marker is told what is missing, not passed over
    assert spec is not None, "llama-cpp-python is missing: `make test-real`"
    assert spec.origin is not None
    path = Path(spec.origin).parent.parent / "bin" / "llama-server"
    assert path.is_file(), "llama-cpp-python was built without llama.cpp's server: `make test-real` builds it"
    return path


@contextmanager
def serving(command: list[object], log: Path, ready: str) -> Iterator[RealServer]:
    """Run `command` on a free port until `ready` answers; end it by its id with the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = RealServer(f"http://127.0.0.1:{port}", log)
    arguments = [*map(str, command), "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(server, ready):
            assert process.poll() is None, log.read_text(errors="replace")[-2000:]
            assert time.monotonic() < deadline, log.read_text(errors="replace")[-2000:]
            time.sleep(0.2)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(server: RealServer, path: str) -> bool:
    try:
        return server.get(path).status_code == 200
    except httpx.TransportError:
        return False


def rows(out: Path, table: str, columns: str = "*") -> list[tuple]:
    return duckdb.sql(f"select {columns} from '{out}/{table}/*.parquet'").fetchall()


def note_type(folder: Path) -> Path:
    path = folder / "note.schema.json"
    path.write_text(json.dumps(NOTE))
    return path


def documents(folder: Path) -> Path:
    """Three sample PDFs, one too long for a single request, and two texts: no page that needs a picture."""
    folder.mkdir()
    for name in ("invoices/harrow_finch.pdf", "invoices/nordlicht.pdf", "prices/kestrel_2026.pdf"):
        (folder / Path(name).name).write_bytes((SAMPLES / name).read_bytes())
    (folder / "note.txt").write_text("Invoice 17\nFrom Ada Winter\nTotal 12.50 EUR\nPaid on 2026-03-01")
    (folder / "straße.txt").write_text("Sehr geehrte Frau Müller,\nanbei 3 Kisten ÄPFEL für 12,50 €. Grüße, 山田")
    return folder


def check_accounts(done: Any, out: Path) -> None:
    """What must hold after any run: every address is accounted for, and the key is nowhere."""
    assert done.code in {0, 1}, done.err
    parts = ("already_done", "skipped", "ok", "partial", "failed", "deferred")
    assert done.json["discovered"] == sum(done.json[part] for part in parts)
    assert all(error and message for error, message in rows(out, "failures", "error, message"))
    everything = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert KEY.encode() not in everything
    assert KEY not in done.out + done.err


def test_a_run_publishes_or_explains_every_document_and_asks_for_nothing_twice(
    tmp_path: Path, pagemill: Callable, llama_server: RealServer
) -> None:
    source, out = documents(tmp_path / "in"), tmp_path / "out"
    arguments = (source, "--type", note_type(tmp_path), "--images", "never", "--json")
    environment = llama_server.environment
    estimated = pagemill("estimate", *arguments, **environment)
    done = pagemill("run", *arguments, "--out", out, **environment)
    check_accounts(done, out)
    assert done.json["discovered"] == 5
    assert done.json["deferred"] == 0
    finished = rows(out, "documents", "file_name") + rows(out, "failures", "regexp_extract(source_uri, '[^/]+$')")
    assert sorted(name for (name,) in finished) == sorted(path.name for path in source.iterdir())

    calls = rows(out, "calls", "request_id, finish_reason, response, prompt_tokens, model_returned")
    assert len(calls) == done.json["requests"] >= estimated.json["requests"] > 5
    assert len({request_id for request_id, *_ in calls}) == len(calls)
    assert {returned for *_, returned in calls} == {"tiny"}
    for _, finish_reason, response, _, _ in calls:
        assert finish_reason in {"stop", "length"}
        if finish_reason == "stop":  # then the grammar has seen to it: noise, but of the schema's shape
            answer = json.loads(response)
            assert list(answer) == ["kind", "is_paid", "positions", "sender"]
            assert answer["kind"] in {"invoice", "letter", "list", None}
            assert answer["is_paid"] in {True, False, None}
            assert isinstance(answer["positions"], int | None)
            assert isinstance(answer["sender"], str | None)
    assert sum(tokens for *_, tokens, _ in calls) == done.json["prompt_tokens"]
    assert done.json["prompt_tokens"] >= estimated.json["prompt_tokens"]
    if done.json["requests"] == estimated.json["requests"]:  # nothing was asked again: their count is our count
        assert done.json["prompt_tokens"] == estimated.json["prompt_tokens"]

    read = llama_server.prompt_tokens_read
    again = pagemill("run", *arguments, "--out", out, **environment)
    check_accounts(again, out)
    assert again.json["requests"] == 0
    assert again.json["already_done"] + again.json["skipped"] == 5
    assert llama_server.prompt_tokens_read == read
    assert len(rows(out, "calls")) == len(calls)


def test_a_wrong_key_stops_the_run_and_defers_every_document(
    tmp_path: Path, pagemill: Callable, llama_server: RealServer
) -> None:
    source = documents(tmp_path / "in")
    arguments = ("run", source, "--type", note_type(tmp_path), "--out", tmp_path / "out", "--json")
    done = pagemill(*arguments, **{**llama_server.environment, "PAGEMILL_API_KEY": "another-canary"})
    assert (done.code, done.json["deferred"]) == (2, 5)
    assert "PAGEMILL_API_KEY" in done.err
    assert "another-canary" not in done.out + done.err
    refused = llama_server.chat("x", key="another-canary")
    assert refused.status_code == 401
    assert refused.json() == {
        "error": {"code": 401, "message": "Invalid API Key", "type": "authentication_error"},
    }


def test_pages_longer_than_the_servers_window_fail_with_its_reason(
    tmp_path: Path, pagemill: Callable, llama_server: RealServer
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "long.txt").write_text("\n".join(f"line {number} of a very long page" for number in range(1500)))
    (tmp_path / "in" / "short.txt").write_text("Invoice 17")
    environment = {**llama_server.environment, "PAGEMILL_CHUNK_TOKENS": "100000"}  # nobody told it the window
    out = tmp_path / "out"
    done = pagemill("run", tmp_path / "in", "--type", note_type(tmp_path), "--out", out, "--json", **environment)
    check_accounts(done, out)
    assert done.json["deferred"] == 0
    assert [name for (name,) in rows(out, "documents", "file_name") if name == "short.txt"]
    for (message,) in rows(out, "failures", "message"):
        assert "context size" in message


def test_a_scanned_page_for_a_model_without_eyes_harms_no_other_document(
    tmp_path: Path, pagemill: Callable, llama_server: RealServer
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for name in ("harrow_finch", "whitmore_letter"):  # text, and a scanned letter
        (source / f"{name}.pdf").write_bytes((SAMPLES / "invoices" / f"{name}.pdf").read_bytes())
    environment = {**llama_server.environment, "PAGEMILL_PATIENCE": "5"}
    done = pagemill("run", source, "--type", note_type(tmp_path), "--out", out, "--json", **environment)
    check_accounts(done, out)
    assert rows(out, "documents", "file_name") == [("harrow_finch.pdf",)]
    assert done.json["failed"] + done.json["deferred"] == 1
    assert "image input is not supported" in done.err + str(rows(out, "failures", "message"))


@pytest.mark.parametrize(
    "text",
    [
        "Invoice 17, total 1,234.50 EUR\n| Item | Price |\n| --- | --- |\n| Bolt M8 | 0.35 |",
        "Sehr geehrte Frau Müller, anbei 3 Kisten Äpfel für 12,50 €.\n\tÜBERSICHT DER GESCHÄFTE\n\n  Grüße",
        "Numéro de facture : 42 — à régler avant l'été. ŒUVRES COMPLÈTES, ÉTÉ 2026",
        "日本語の請求書 12,000円\nИтого: 1 250,00 руб. МОСКВА\nΣύνολο 12 €",
        "de\u0301compose\u0301, a\u0308 \U0001f600 \u200b end ﬁn",
    ],
    ids=["english", "german", "french", "scripts", "marks"],
)
def test_the_server_counts_a_prompt_as_we_do(llama_server: RealServer, text: str) -> None:
    usage = llama_server.chat(text).json()["usage"]
    assert usage["prompt_tokens"] == count_messages([SYSTEM, {"role": "user", "content": text}])


def test_control_words_on_a_page_are_control_tokens_to_the_server(llama_server: RealServer) -> None:
    """The one known difference of the counts: `[/INST]` is several tokens of text to us, and there it ends the message."""
    text = "The page says [/INST] and </s> here"
    counted = llama_server.chat(text).json()["usage"]["prompt_tokens"]
    assert 0 < count_messages([SYSTEM, {"role": "user", "content": text}]) - counted <= 6


def test_what_llama_cpp_answers_is_what_the_run_is_prepared_for(llama_server: RealServer) -> None:
    (listed,) = llama_server.get("/v1/models").json()["data"]
    assert listed["id"] == "tiny"
    assert listed["meta"]["n_ctx"] == WINDOW

    long = "twelve words of a page that is much too long for it. " * 1000
    refused = llama_server.chat(long)
    tokens = count_messages([SYSTEM, {"role": "user", "content": long}])
    assert refused.status_code == 400
    assert refused.json()["error"] == {
        "code": 400,
        "message": f"request ({tokens} tokens) exceeds the available context size ({WINDOW} tokens), try increasing it",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": tokens,
        "n_ctx": WINDOW,
    }

    unknown = llama_server.chat("x", model="nobody/nothing")
    assert (unknown.status_code, unknown.json()["model"]) == (200, "tiny")  # it answers as what it is

    odd = llama_server.chat("x", response_format={"type": "xml"})
    assert (odd.status_code, odd.json()["error"]["type"]) == (400, "invalid_request_error")

    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    seen = llama_server.chat([{"type": "text", "text": "before"}, picture])
    assert seen.status_code == 500  # a request that waiting does not cure, with the status of a server in trouble
    assert "image input is not supported" in seen.json()["error"]["message"]


def test_the_python_packages_server_loses_no_document(
    tmp_path: Path, pagemill: Callable, python_server: RealServer
) -> None:
    """It knows no json_schema and says so with a 500 (read off it here): a run may get nothing, and must say why."""
    source, out = documents(tmp_path / "in"), tmp_path / "out"
    asked = python_server.chat("x", response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {}}})
    assert asked.status_code == 500
    assert "'text' or 'json_object'" in asked.json()["error"]["message"]
    long = python_server.chat("twelve words of a page that is much too long for it. " * 1000)
    assert (long.status_code, long.json()["error"]["code"]) == (400, "context_length_exceeded")

    environment = {**python_server.environment, "PAGEMILL_PATIENCE": "2"}
    done = pagemill("run", source, "--type", note_type(tmp_path), "--out", out, "--json", **environment)
    check_accounts(done, out)
    if done.json["deferred"]:
        assert "json_object" in done.err
