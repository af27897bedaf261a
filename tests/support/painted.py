"""Documents whose rows tell of themselves what they must be: every value names its document, its making and its number.

The model's answer for `Paint NAME` in its making G is name and colour `NAME/G`, and 2 + G layers `NAME/G/PLACE/COUNT`. So a
reader can tell from the rows alone that a document is there once, whole, and in all its values of one making.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flows.runs.refresh import refresh
from flows.runs.refresh_request import Refreshed, RefreshRequest
from flows.runs.request import RunRequest
from flows.runs.resources import Engine
from flows.runs.run import run
from flows.settings import load_settings
from schemas.document_type import DocumentType
from tests.support.moody import Moody, moody

PRICES = {"price_in": 1.0, "price_out": 1.0}  # USD per million tokens: a thousand tokens a call, a tenth of a cent


def schema(making: int) -> dict[str, Any]:
    """The type as `making` describes it, which makes it another recipe of the same columns."""
    return {
        "title": "paint",
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": f"as printed, making {making}"},
            "colour": {"type": "string"},
            "layers": {"type": "array", "items": {"type": "object", "properties": {"made_of": {"type": "string"}}}},
        },
    }


@dataclass
class Studio:
    """A folder of documents, a model, and the place of a dataset; `making` is the recipe's and the model's number."""

    root: Path
    model: Moody
    shared: Engine
    making: int = 1

    @property
    def out(self) -> Path:
        return self.root / "out"

    @property
    def kind(self) -> DocumentType:
        return DocumentType.from_schema(schema(self.making), "paint")

    @property
    def arguments(self) -> tuple[object, ...]:
        """`--type`, for a command: a file with today's schema."""
        path = self.root / "paint.schema.json"
        path.write_text(json.dumps(schema(self.making)))
        return "--type", path

    @property
    def environment(self) -> dict[str, str]:
        """What a command needs to ask this model."""
        return {
            "PAGEMILL_BASE_URL": self.model.url,
            "PAGEMILL_API_KEY": "key",
            "PAGEMILL_MODEL": "mistralai/mistral-small-3.1-24b-instruct",
            "PAGEMILL_PRICE_IN": "1",
            "PAGEMILL_PRICE_OUT": "1",
            "PAGEMILL_SHARD_SIZE": "4",
            "PAGEMILL_CONCURRENCY": "4",
            "PAGEMILL_WORKERS": "1",
        }

    @property
    def environment_of_prefect(self) -> dict[str, str]:
        """The same for a command that goes through Prefect: it shares the tests' server, which takes seconds to start."""
        assert self.shared.server is not None
        self.shared.prefect_url = self.shared.prefect_url or self.shared.server.url()
        return {**self.environment, "PREFECT_API_URL": self.shared.prefect_url}

    def write(self, *names: str, folder: str = "in") -> None:
        """Documents; one named `a2` stands at a2.txt and says `Paint a2`."""
        for name in names:
            self.write_at(name, name, folder=folder)

    def write_at(self, file: str, name: str, folder: str = "in") -> None:
        path = self.root / folder / f"{file}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"Paint {name}\n")

    def engine(self, **options: Any) -> Engine:
        settings = load_settings(
            base_url=self.model.url, api_key="key", backoff=0.1, **{**PRICES, "shard_size": 4, **options}
        )
        return replace(self.shared, settings=settings, base_url=self.model.url, api_key="key")

    def run(self, *folders: str, **options: Any) -> dict[str, Any]:
        sources = [str(self.root / folder) for folder in folders or ("in",)]
        done = run(self.engine(**options), RunRequest(sources, self.kind, self.out, quiet=True))
        assert done.stopped is None, done.stopped
        return done.summary

    def refresh(self, **asked: Any) -> Refreshed:
        done, stopped = refresh(self.engine(), RefreshRequest(self.out, self.kind, quiet=True, **asked))
        assert stopped is None, stopped
        return done


@contextmanager
def studio(root: Path, shared: Engine) -> Iterator[Studio]:
    """A studio with its model, until the block ends."""
    with moody() as model:
        place = Studio(root, model, shared)

        model.tells = lambda body: answer(name_of(body), making_of(body))
        yield place


def name_of(body: Mapping[str, Any]) -> str:
    """The document that a request is about."""
    return re.findall(r"Paint (\w+)", json.dumps(body["messages"][-1]))[-1]


def making_of(body: Mapping[str, Any]) -> int:
    """The recipe that a request was made by."""
    return int(re.findall(r"making (\d+)", json.dumps(body))[-1])


def answer(name: str, making: int) -> dict[str, Any]:
    """What the model says of a document in one making."""
    count = 2 + making
    return {
        "name": f"{name}/{making}",
        "colour": f"{name}/{making}",
        "layers": [{"made_of": f"{name}/{making}/{place}/{count}"} for place in range(count)],
    }


HOSTILE = '<img src=x onerror="document.title=`hacked`">'


def busy(place: Studio, *, report: bool = False) -> dict[str, Any]:
    """A run of six documents: one fails at the model, one cannot be read, one is partial; one has a hostile name."""
    place.write("a0", "b0", "c0", "d0", "e0")
    (place.root / "in" / f"{HOSTILE.replace('/', '')}.pdf").write_bytes(b"%PDF-1.4 broken")
    place.model.fails = ("Paint b0",)
    tells = place.model.tells
    place.model.tells = lambda body: {**tells(body), **({"colour": {"x": HOSTILE}} if "Paint c0" in str(body) else {})}
    return place.run(report=report)
