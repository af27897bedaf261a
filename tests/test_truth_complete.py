"""Answers that say exactly what real documents are labelled with are not called incomplete."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from flows.documents.extract import Extracted, extract_document
from flows.documents.extraction_tools import tools_for
from flows.documents.recipe import make_recipe
from flows.documents.sandbox import Sandbox
from flows.model.budget import Spending
from flows.model.endpoint import Endpoint
from flows.model.single_flight import Answers
from flows.settings import load_settings
from schemas.document_type import DocumentType
from schemas.step_data import Document, Record
from tests.conftest import need_shared
from tests.support.scripted import answer, scripted


def schema_of(fields: dict[str, Any]) -> dict[str, Any]:
    """A JSON Schema of just the labelled fields."""

    def kind(value: Any) -> dict[str, Any]:
        if isinstance(value, list):
            keys = {key: each for item in value for key, each in item.items()}
            properties = {key: kind(each) for key, each in keys.items()}
            return {"type": "array", "items": {"type": "object", "properties": properties}}
        return {"type": "number"} if isinstance(value, int | float) else {"type": "string"}

    return {"title": "labelled", "type": "object", "properties": {name: kind(value) for name, value in fields.items()}}


def labelled(name: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    folder = need_shared(f"truth/{name}")
    for line in (folder / "truth.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry["usable"]:
            yield folder / entry["doc"], entry["fields"]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    settings = load_settings()
    with Sandbox(2, settings.split_seconds, settings.split_memory) as shared:
        yield shared


def record_of(path: Path, fields: dict[str, Any], sandbox: Sandbox) -> Record:
    """The record of a document whose model answers with its labels, over a socket."""
    kind = DocumentType.from_schema(schema_of(fields), "labelled")
    with scripted([answer(json.dumps(fields))]) as server:
        settings = load_settings(
            base_url=server.url, max_output=60_000
        )  # the labels are of the document, not of a chunk

        async def extract() -> Extracted:
            endpoint = Endpoint(settings, server.url, None, Spending())

            async def keep(row: dict[str, Any]) -> None:
                del row

            tools = tools_for(settings, make_recipe(kind, settings), sandbox, Answers(endpoint), "run")
            document = Document("0" * 64, str(path), path.name, path.stat().st_size)
            with TemporaryDirectory() as folder:
                spooled = Path(folder) / "document"
                spooled.write_bytes(path.read_bytes())
                try:
                    return await extract_document(tools, document, spooled, {}, keep)
                finally:
                    await endpoint.close()

        return asyncio.run(extract()).extraction.record


@pytest.mark.parametrize("name", ["einvoice", "receipts"])
def test_a_document_answered_with_its_labels_is_ok(name: str, sandbox: Sandbox) -> None:
    partial: dict[str, list[str]] = {}
    count = 0
    for path, fields in labelled(name):
        count += 1
        record = record_of(path, fields, sandbox)
        if record.status != "ok":
            partial[path.name] = [f"{problem.kind} {problem.field} {problem.message}" for problem in record.problems]
    print(f"{name}: {len(partial)} of {count} are partial", json.dumps(partial, indent=1, ensure_ascii=False))
    assert count > 10
    assert len(partial) <= 0.05 * count, partial
