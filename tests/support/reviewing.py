"""`pagemill review` as a process, and a client that asks it as a browser does, or as one should not."""

import http.client
import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.commands import Begun, begin_command
from tests.support.waiting import wait_until


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reviewing:
    """The server, and who has entered: `cookie` and `token` are what the page was given."""

    url: str
    process: Begun
    cookie: str = ""
    token: str = ""
    host: str = field(init=False)
    place: str = field(init=False)

    def __post_init__(self) -> None:
        self.host, self.place = urlsplit(self.url).netloc, urlsplit(self.url).path

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str | None) -> Answer:
        """One request, its path as it is below the page's place; a header of None is left out, `_` in its name is `-`."""
        given = {"host": self.host, "cookie": self.cookie or None, **headers}
        connection = http.client.HTTPConnection("127.0.0.1", int(self.host.rpartition(":")[2]), timeout=30)
        try:
            connection.putrequest(
                method, self.place + path.removeprefix("/"), skip_host=True, skip_accept_encoding=True
            )
            for name, value in given.items():
                if value is not None:
                    connection.putheader(name.replace("_", "-"), value)
            if body is not None and "content_length" not in headers:
                connection.putheader("content-length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def enter(self) -> None:
        """Come in by the printed address."""
        parts = urlsplit(self.url)
        entrance = self.ask(f"/?{parts.query}")
        assert entrance.status == 303
        self.cookie = entrance.headers["set-cookie"].partition(";")[0]
        page = self.ask("/").body.decode()
        self.token = json.loads(page.partition('id="data">')[2].partition("</script>")[0])["token"]

    def get(self, path: str) -> Any:
        answer = self.ask(path)
        assert answer.status == 200, answer
        return answer.json

    def change(self, document_id: str, **change: Any) -> Answer:
        """A change as the page sends it."""
        body = json.dumps(change).encode()
        headers = {"content_type": "application/json", "x_pagemill_token": self.token}
        return self.ask(f"/api/documents/{document_id}/corrections", "POST", body, **headers)

    def end(self, by: int = signal.SIGTERM) -> int:
        """Tell it to stop; its exit code."""
        self.process.send_signal(by)
        return self.process.wait(60)


@contextmanager
def reviewing(out: Path | str, *options: object, **environment: str) -> Iterator[Reviewing]:
    """The server over a dataset, until the block ends."""
    process = begin_command("review", out, "--by", "Ada", *options, **environment)
    try:
        line = wait_until(lambda: process.said.partition("\n")[0] or process.poll() is not None)
        assert str(line).startswith("review at "), process.communicate()
        yield Reviewing(line.split()[-1], process)
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)
