"""Answers that say exactly what real documents are labelled with are not called incomplete."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from extractors.complete import coverage
from extractors.ground import ground
from extractors.merge import merge
from extractors.parse import parse
from extractors.split.split import SplitOptions, split
from schemas.document_type import DocumentType
from schemas.pipeline import Page, Problem
from tests.conftest import need_shared


def schema_of(fields: dict[str, Any]) -> dict[str, Any]:
    """A JSON Schema of just the labelled fields."""

    def kind(value: Any) -> dict[str, Any]:
        if isinstance(value, list):
            keys = {key: each for item in value for key, each in item.items()}
            return {
                "type": "array",
                "items": {"type": "object", "properties": {key: kind(each) for key, each in keys.items()}},
            }
        return {"type": "number"} if isinstance(value, int | float) else {"type": "string"}

    return {"title": "labelled", "type": "object", "properties": {name: kind(value) for name, value in fields.items()}}


def labelled(name: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    folder = need_shared(f"truth/{name}")
    for line in (folder / "truth.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry["usable"]:
            yield folder / entry["doc"], entry["fields"]


@pytest.mark.parametrize("name", ["einvoice", "receipts"])
def test_a_document_answered_with_its_labels_is_ok(name: str) -> None:
    partial: dict[str, list[str]] = {}
    count = 0
    for path, fields in labelled(name):
        count += 1
        kind = DocumentType.from_schema(schema_of(fields), "labelled")
        pages = [item for item in split(path.read_bytes(), path.name, SplitOptions()) if isinstance(item, Page)]
        located = ground(parse(json.dumps(fields), kind.root), kind.root, 0, pages)
        gaps = [
            Problem("", "rows", f"page {each.page}: {each.missing} of {each.shown} rows of {each.pointer}")
            for each in coverage([located], kind.root, pages)
            if each.missing
        ]
        record = merge([located], kind, gaps)
        if record.status != "ok":
            partial[path.name] = [f"{problem.kind} {problem.field} {problem.message}" for problem in record.problems]
    print(json.dumps(partial, indent=1, ensure_ascii=False))
    assert count > 10
    assert len(partial) <= 0.05 * count, partial
