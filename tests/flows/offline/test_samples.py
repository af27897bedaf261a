"""The sample documents through split, prompt and the embedded model: most of what they print is read, and read right."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from extractors.prompt.prompt import prompt
from extractors.split.options import SplitOptions
from extractors.split.split import split
from flows.offline.server import complete
from schemas.document_type import DocumentType
from schemas.document_types import DOCUMENT_TYPES
from schemas.step_data import Chunk, Decoding, Page

SAMPLES = Path(__file__).parents[3] / "sample_docs"


def answer(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The truth of a sample, and what the embedded model makes of it in one request."""
    path = SAMPLES / name
    truth = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    kind = DOCUMENT_TYPES.get(path.parent.name.removesuffix("s"))
    if path.parent.name == "prices":
        schema = json.loads((path.parent / "price_list.schema.json").read_text(encoding="utf-8"))
        kind = DocumentType.from_schema(schema, "price_list")
    assert kind is not None
    pages = tuple(page for page in split(path.read_bytes(), path.name, SplitOptions()) if isinstance(page, Page))
    request = prompt(Chunk(0, 0, pages, tuple(0 for _ in pages)), kind, Decoding("offline", 128_000, 64_000))
    wanted = {"type": "json_schema", "json_schema": {"name": request.schema_name, "schema": request.schema}}
    made = complete({"messages": list(request.messages), "response_format": wanted, "max_tokens": 64_000})
    assert made["usage"]["prompt_tokens"] == request.prompt_tokens
    assert made["choices"][0]["finish_reason"] == "stop"
    return truth, json.loads(made["choices"][0]["message"]["content"])


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        for key, below in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(below, f"{path}/{key}")
    elif value is not None:
        yield path, value


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("invoices/harrow_finch.pdf", 0.97),
        ("invoices/nordlicht.pdf", 0.97),
        ("invoices/calder_point.pdf", 0.97),
        ("invoices/studio_veldkamp.pdf", 0.97),
        ("prices/kestrel_2026.pdf", 1.0),
        ("reports/brightwater_2025.pdf", 0.8),
        ("reports/heat_pump_study.pdf", 0.6),
    ],
)
def test_most_of_a_sample_is_read(name: str, least: float) -> None:
    truth, found = (dict(leaves(record)) for record in answer(name))
    right = sum(found.get(path) == value for path, value in truth.items())
    assert right / len(truth) >= least, [path for path in truth if found.get(path) != truth[path]]
    assert right / len(found) >= min(least, 0.85), [path for path in found if found[path] != truth.get(path)]


def test_a_scan_gives_nulls_and_no_guesses() -> None:
    _, found = answer("invoices/whitmore_letter.pdf")
    assert dict(leaves(found)) == {}
