"""`pagemill why OUT DOCUMENT FIELD`: origin of a published value, from its place on a page to its corrections."""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from extractors.values import json_text, printed
from flows.documents.sandbox import workplace
from flows.review.corrections import correction_rows
from flows.review.pictures import Pictures
from flows.review.records import Published, read_record
from flows.settings import Settings
from flows.storage.dataset import Dataset
from flows.ui.html import render, write_page
from flows.ui.text import dollars, one_line
from schemas.document_type import DocumentType
from schemas.errors import ConfigurationError, DocumentError
from schemas.fields import field_at, is_index, keys_of, pattern_of, value_at
from schemas.step_data import Page

_CALL = (
    "request_id", "chunk", "part", "model", "model_returned", "provider", "finish_reason", "prompt_tokens",
    "completion_tokens", "cost_usd", "attempts", "run_id",
)  # fmt: skip
_CORRECTION = ("correction_id", "at", "by", "field", "old", "new", "note")
_MARGIN = 60.0  # points of the page that are shown around a box
_SHOWN = 200  # characters of a quote or a value in a line

_Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Why:
    """Explanation of one value, from the tables. `evidence` is its own row, `others` are rows of conflicting statements.

    `calls` are the answers about its page, or all of the document's where it has no page.
    """

    document_id: str
    file_name: str
    source_uri: str
    field: str
    value: str | None
    evidence: _Row | None
    others: Sequence[_Row]
    problems: Sequence[str]
    checks: Sequence[_Row]
    recipe: _Row
    calls: Sequence[_Row]
    corrections: Sequence[_Row]
    extracted: str | None  # value of the model, where people have corrected the document


def why(dataset: Dataset, document_type: DocumentType, document_id: str, pointer: str) -> Why:
    """Explain the value at `pointer`. Raises ConfigurationError where the document or the field does not exist."""
    record = read_record(dataset, document_type, document_id)
    keys = keys_of(pointer)
    holder = value_at(record.value, keys[:-1])
    is_there = (isinstance(holder, Mapping) and keys[-1] in holder) or (
        isinstance(holder, list) and is_index(keys[-1]) and int(keys[-1]) < len(holder)
    )
    if field_at(document_type.root, keys) is None or not is_there:
        names = ", ".join(f"/{child.name}" for child in document_type.root.fields)
        raise ConfigurationError(
            f"{record.document['file_name']} has no {pointer}: expected one of {names}, or an item of a list such as /list/0"
        )
    rows = [entry for entry in record.evidence if entry["field"] == pointer]
    own = next((entry for entry in rows if entry["match"] != "conflict"), None)
    general = pattern_of(document_type.root, pointer)
    checks_of_field = {check.name for check in document_type.checks if general in check.fields}
    page = own["page"] if own else None
    return Why(
        document_id=document_id,
        file_name=record.document["file_name"],
        source_uri=record.document["source_uri"],
        field=pointer,
        value=_text(value_at(record.value, keys)),
        evidence=own,
        others=[entry for entry in rows if entry["match"] == "conflict"],
        problems=[
            f"{problem.kind}: {problem.message}" for problem in record.record.problems if problem.field == pointer
        ],
        checks=[check for check in record.checks if check["check"] in checks_of_field],
        recipe=_recipe(dataset, record),
        calls=_calls(dataset, record, page),
        corrections=[
            {name: row[name] for name in _CORRECTION}
            for row in correction_rows(dataset, [document_id]).get(document_id, ())
            if row["field"] in {"", pointer}
        ],
        extracted=None if record.extracted is None else _text(value_at(record.extracted, keys)),
    )


def why_lines(explanation: Why) -> list[str]:
    """The explanation as lines, for people."""
    lines = [
        f"{explanation.file_name} {explanation.field} = {one_line(explanation.value, _SHOWN)}",
        f"  document {explanation.document_id}",
        f"  from {explanation.source_uri}",
    ]
    own = explanation.evidence
    if own is None:
        lines.append("  no evidence: the value is null, or its field asks for none")
    else:
        box = (
            "" if own["x0"] is None else f", box {own['x0']:.0f} {own['y0']:.0f} {own['x1']:.0f} {own['y1']:.0f} points"
        )
        location = f"page {own['page']}{box}" if own["page"] else "on no page"
        sure = "" if own.get("confidence") is None else f", confidence {own['confidence']:.2f}"
        lines.append(f"  {own['match']}: {location}{sure}")
        if own["quote"]:
            lines.append(f"  “{one_line(own['quote'], _SHOWN)}”")
    lines += [
        f"  stated otherwise on page {conflict['page']}: {one_line(conflict['value'], _SHOWN)}"
        for conflict in explanation.others
    ]
    lines += [f"  problem: {problem}" for problem in explanation.problems]
    lines += [
        f"  check {check['check']}: {'holds' if check['ok'] else 'FAILS'} ({check['found']} against {check['expected']})"
        for check in explanation.checks
    ]
    recipe = explanation.recipe
    made = f"{recipe['extracted_at']:%Y-%m-%d %H:%M} UTC in run {recipe['run_id']}"
    lines.append(f"  recipe {recipe['recipe_id']}: {recipe['model']}, made {made}")
    lines += [
        f"  answer {call['request_id'][:12]} (chunk {call['chunk']}) of {call['model_returned'] or call['model']}: "
        f"{call['prompt_tokens']:,} tokens in, {call['completion_tokens']:,} out, {dollars(call['cost_usd'])}"
        for call in explanation.calls
    ]
    if explanation.extracted is not None or explanation.corrections:
        lines.append(f"  the model read {one_line(explanation.extracted, _SHOWN)}")
    for correction in explanation.corrections:
        change = (
            f"{one_line(correction['old'], _SHOWN)} -> {one_line(correction['new'], _SHOWN)}"
            if correction["field"]
            else "the whole record accepted"
        )
        note = f" ({correction['note']})" if correction["note"] else ""
        lines.append(f"  {correction['at']:%Y-%m-%d %H:%M} {correction['by']}: {change}{note}")
    return lines


def why_json(explanation: Why) -> dict[str, Any]:
    """The explanation as JSON values, for programs."""
    return asdict(explanation)


def draw_why(explanation: Why, dataset: Dataset, settings: Settings, path: Path) -> None:
    """Write one self-contained web page: the explanation, with the part of the page around the value.

    Raises ConfigurationError where it cannot be written.
    """
    page, missing = _page(explanation, dataset, settings)
    picture, view = None, None
    if page is not None and page.image is not None:
        picture = f"data:{page.image.mime};base64,{base64.b64encode(page.image.data).decode()}"
        view = _view(explanation.evidence or {}, page)
    html = render(
        "why.html",
        explanation=explanation,
        lines=why_lines(explanation)[1:],
        picture=picture,
        page=page,
        view=view,
        missing=missing,
    )
    write_page(path, html)


def _page(explanation: Why, dataset: Dataset, settings: Settings) -> tuple[Page | None, str]:
    """The page of the value, or the reason why there is none to show."""
    number = explanation.evidence["page"] if explanation.evidence else None
    if number is None:
        return None, "The value has no page that could be shown."
    with workplace(settings) as (sandbox, folder):
        pictures = Pictures(dataset, sandbox, folder)
        try:
            return asyncio.run(pictures.page(explanation.document_id, number)), ""
        except DocumentError as error:
            return None, str(error)


def _view(own: _Row, page: Page) -> tuple[float, float, float, float]:
    """Part of the page to show, in points: the lines around the box at the page's full width, or the whole page."""
    if own.get("y0") is None:
        return 0.0, 0.0, page.width, page.height
    top = max(0.0, own["y0"] - _MARGIN)
    return 0.0, top, page.width, min(page.height, own["y1"] + _MARGIN) - top


def _recipe(dataset: Dataset, record: Published) -> _Row:
    document = record.document
    recipe = {name: document[name] for name in ("recipe_id", "model", "run_id", "extracted_at")}
    rows = dataset.rows("recipes", ["recipe_id", "settings", "versions", "first_used_at"])
    matches = rows.filter(pc.equal(rows.column("recipe_id"), document["recipe_id"])).to_pylist()
    return {**recipe, **(matches[0] if matches else {})}


def _calls(dataset: Dataset, record: Published, page: int | None) -> list[_Row]:
    """The answers about a page; all of the document's where the page is unknown."""
    pages = dataset.shard_columns("pages", record.shard, ["document_id", "page", "chunk"])
    chunks = {
        row["chunk"]
        for row in pages.filter(pc.equal(pages.column("document_id"), record.document_id)).to_pylist()
        if page is None or row["page"] == page
    }
    rows = []
    for shard in dataset.shards_with("calls", pa.array([record.document_id])):
        calls = dataset.shard_columns("calls", shard, [*_CALL, "document_id"])
        rows += calls.filter(pc.equal(calls.column("document_id"), record.document_id)).to_pylist()
    return [{name: row[name] for name in _CALL} for row in rows if row["chunk"] in chunks or row["chunk"] < 0]


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return json_text(value) if isinstance(value, Mapping | list) else printed(value)
