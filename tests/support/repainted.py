"""A folder of documents, its dataset and a model whose answer a test changes: what `refresh` and `correct` are tried on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from flows.runs.refresh import refresh
from flows.runs.refresh_request import Refreshed, RefreshRequest
from flows.runs.request import RunRequest
from flows.runs.resources import Engine
from flows.runs.run import run
from flows.settings import load_settings
from schemas.document_type import DocumentType
from tests.support.moody import Moody

SCHEMA = {
    "title": "paint",
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "colour": {"type": "string"},
        "layers": {"type": "array", "items": {"type": "object", "properties": {"made_of": {"type": "string"}}}},
    },
}
SAID = {"name": "Alpha", "colour": "red", "layers": [{"made_of": "oil"}]}
PRICES = {"price_in": 1.0, "price_out": 1.0}  # a thousand tokens a call: a tenth of a cent


def kind(description: str = "", **more: Any) -> DocumentType:
    """The type with another description of a field, which makes another recipe, or with more fields."""
    properties = {**SCHEMA["properties"], "colour": {"type": "string", "description": description}, **more}
    return DocumentType.from_schema({**SCHEMA, "properties": properties}, "paint")


class Place:
    """A folder of documents, its dataset, and a model."""

    def __init__(self, root: Path, model: Moody, shared: Engine) -> None:
        self.root, self.model, self.shared = root, model, shared
        self.out = root / "out"
        (root / "in").mkdir()

    def engine(self, **options: Any) -> Engine:
        settings = load_settings(base_url=self.model.url, backoff=0.1, **{**PRICES, **options})
        return replace(self.shared, settings=settings, base_url=self.model.url, api_key=None)

    def write(self, *names: str) -> None:
        for name in names:
            (self.root / "in" / f"{name}.txt").write_text(f"Paint {name}\n")

    def run(self, document_type: DocumentType, **options: Any) -> dict[str, Any]:
        request = RunRequest([str(self.root / "in")], document_type, self.out, quiet=True)
        return run(self.engine(**options), request).summary

    def refresh(self, document_type: DocumentType | None = None, **asked: Any) -> Refreshed:
        done, stopped = refresh(self.engine(), RefreshRequest(self.out, document_type, quiet=True, **asked))
        assert stopped is None
        return done
