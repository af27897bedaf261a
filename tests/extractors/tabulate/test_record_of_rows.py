"""Published rows back to a record: whatever tabulate writes is read back as it was."""

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st

from extractors.tabulate.record_of_rows import assemble
from extractors.tabulate.tabulate import tabulate
from schemas.checks import CheckResult
from schemas.document_type import DocumentType
from schemas.document_types import DOCUMENT_TYPES
from schemas.step_data import Evidence, Problem, Record
from tests.support.examples import examples
from tests.support.extractions import extraction, typed_records


def back(record: Record, document_type: DocumentType) -> Record:
    batches = tabulate(extraction(record), document_type)
    return assemble(
        {name: [row for batch in held for row in batch.to_pylist()] for name, held in batches.items()}, document_type
    )


@settings(max_examples=examples(60))
@given(typed_records(), st.sampled_from(["ok", "partial"]), st.booleans())
def test_any_record_comes_back(typed: tuple[DocumentType, dict], status: str, needs_review: bool) -> None:
    document_type, value = typed
    pages = {f"/rows/{place}": place + 1 for place in range(len(value["rows"]))}
    evidence = (
        Evidence("/s", "x", 2, (1.0, 2.0, 3.0, 4.0), "a quote", "exact", 0.75),
        Evidence("/i", None, None, None, "refused", "rejected"),
    )
    problems = (
        Problem("/s", "absent", "it: is not there"),
        Problem("", "check", "sum: 1 is found where 2 is expected"),
    )
    record = Record(value, evidence, problems, status, needs_review, 1, 3, pages, corrected_fields=("/s", ""))
    assert back(record, document_type) == record


def test_lists_in_lists_and_checks_come_back() -> None:
    leaf = {"type": "string"}
    inner = {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"name": leaf, "of": {"type": "object", "properties": {"a/b": leaf}}},
        },
    }
    outer = {"type": "array", "items": {"type": "object", "properties": {"title": leaf, "parts": inner}}}
    kind = DocumentType.from_schema(
        {
            "type": "object",
            "title": "book",
            "properties": {"in": {"type": "object", "properties": {"chapters": outer}}},
        },
        "book",
    )
    part = {"name": "x", "of": {"a/b": "y"}}
    value = {
        "in": {
            "chapters": [
                {"title": "1", "parts": [part, {**part, "name": None}]},
                {"title": None, "parts": []},
                {"title": "3", "parts": [part]},
            ]
        }
    }
    pages = {
        "/in/chapters/0": 1,
        "/in/chapters/1": None,
        "/in/chapters/2": 4,
        "/in/chapters/0/parts/0": 1,
        "/in/chapters/0/parts/1": 2,
        "/in/chapters/2/parts/0": 4,
    }
    record = Record(value, (), (), "ok", False, 1, 4, pages)
    assert back(record, kind) == record
    invoice = DOCUMENT_TYPES["invoice"]
    check = invoice.checks[0]
    result = CheckResult(check.name, ok=False, expected="1", found="2", fields=check.fields)
    empty = assemble_empty(invoice)
    assert back(dataclasses.replace(record, value=empty, item_pages={}, checks=(result,)), invoice).checks == (result,)


def assemble_empty(kind: DocumentType) -> dict:
    """A record of the type with nothing in it."""
    from extractors.parse.parse import parse

    return dict(parse("{}", kind.root).value)
