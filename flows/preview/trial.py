"""Looking at one document without publishing: `show` and `try`. Neither needs Prefect."""

import asyncio
import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from extractors.prompt.prompt import prompt
from extractors.tabulate.tabulate import usd
from flows.documents.extract import Tools, extract_document, is_sent
from flows.documents.ocr import scans_of
from flows.documents.recipe import Recipe, chunks_of, make_recipe
from flows.documents.sandbox import Sandbox, read_frames, workplace
from flows.model.budget import Spending
from flows.model.connect import model_address
from flows.model.endpoint import Endpoint
from flows.model.endpoint_memory import EndpointMemory
from flows.model.in_flight import Answers
from flows.model.outage import OutageNotice
from flows.settings import Settings
from flows.sources.addresses import Address
from flows.sources.spool import spool
from flows.storage.backends.journal import Segment, read_segment
from schemas.document_type import DocumentType
from schemas.pipeline import Chunk, Request


def show_document(
    path: Path, document_type: DocumentType, settings: Settings, html: Path | None = None
) -> dict[str, Any]:
    """What would be sent for the document: pages with the reason for each, and the very requests; `html` draws it."""
    if html is not None:
        from flows.preview.show_page import check_target

        check_target(html, path)
    recipe = make_recipe(document_type, settings)
    with workplace(settings) as (sandbox, folder):
        document_id, chunks, requests = asyncio.run(_prepared(sandbox, recipe, path, folder))
    if html is not None:
        from flows.preview.show_page import Prepared, write_show_page

        price = Endpoint(settings, "http://localhost", None, Spending()).cost_nusd
        sent = [chunk for chunk in chunks if is_sent(chunk) for _ in recipe.group_roots]
        write_show_page(html, Prepared(path.name, document_id, document_type, sent, requests, price))
    return {
        "document_id": document_id,
        "pages": [
            {
                "page": page.number, "sent_as": page.sent_as, "reason": page.reason, "tokens": tokens,
                "hidden_text": page.hidden_text, "problem": page.problem,
                "images": [[image.width, image.height] for image in page.images], "text": page.text,
            }
            for chunk in chunks
            for page, tokens in zip(chunk.pages, chunk.page_tokens, strict=True)
        ],
        "requests": [
            {
                "messages": list(request.messages), "schema": request.schema, "max_tokens": request.max_tokens,
                "temperature": request.temperature, "prompt_tokens": request.prompt_tokens, "model": request.model,
            }
            for request in requests
        ],
    }  # fmt: skip


def show_lines(shown: Mapping[str, Any]) -> list[str]:
    """`show_document` for people."""
    lines = [f"document {shown['document_id'][:12]}: {len(shown['pages'])} pages in {len(shown['requests'])} requests"]
    for page in shown["pages"]:
        hidden = f", {page['hidden_text']} hidden characters left out" if page["hidden_text"] else ""
        lines.append(f"page {page['page']}: {page['sent_as']} ({page['reason']}), {page['tokens']:,} tokens{hidden}")
        lines += [f"    {line}" for line in page["text"].splitlines()]
    for number, request in enumerate(shown["requests"]):
        lines.append(
            f"request {number}: {request['prompt_tokens']:,} tokens in, at most {request['max_tokens']:,} out, "
            f"model {request['model']}"
        )
    return lines


def try_document(path: Path, document_type: DocumentType, settings: Settings) -> dict[str, Any]:
    """One document now: its record, evidence, status, problems and cost. Answers are kept in the user's cache."""
    recipe = make_recipe(document_type, settings)
    journal = settings.cache_dir / "tries" / f"{recipe.recipe_id}.journal"
    journal.parent.mkdir(parents=True, exist_ok=True)
    with workplace(settings) as (sandbox, folder), model_address(settings) as (base_url, api_key):
        return asyncio.run(_tried(sandbox, recipe, settings, (base_url, api_key), path, folder, journal))


def try_lines(tried: Mapping[str, Any]) -> list[str]:
    """`try_document` for people: each value with its page, quote and match."""
    lines = [f"document {tried['document_id'][:12]}: {tried['status']}, cost ${tried['cost_usd'] or 0:.4f}"]
    for each in tried["evidence"]:
        place = f"page {each['page']}" if each["page"] else "no page"
        quote = f" in {each['quote']!r}" if each["quote"] else ""
        lines.append(f"{each['field']} = {each['value']}  [{each['match']}, {place}]{quote}")
    return [*lines, *(f"problem: {problem}" for problem in tried["problems"])]


def _address(path: Path) -> Address:
    return Address(str(path.absolute()), None, None)


async def _prepared(
    sandbox: Sandbox, recipe: Recipe, path: Path, folder: Path
) -> tuple[str, list[Chunk], list[Request]]:
    taken = spool(_address(path), folder)
    frames = folder / "frames"
    await sandbox.split(taken.path, path.name, frames, recipe.options)
    reader = recipe.readers[0]
    chunks = list(chunks_of(recipe, reader, read_frames(frames)))
    own = recipe.own_pages(page for chunk in chunks for page in chunk.pages)
    requests = [
        prompt(chunk, recipe.document_type, reader.decoding, group=group, examples=recipe.turns(chunk, group, own))
        for chunk in chunks
        if is_sent(chunk)
        for group in recipe.group_roots
    ]
    return taken.document.document_id, chunks, requests


async def _tried(
    sandbox: Sandbox,
    recipe: Recipe,
    settings: Settings,
    address: tuple[str, str | None],
    path: Path,
    folder: Path,
    journal: Path,
) -> dict[str, Any]:
    taken = spool(_address(path), folder)
    cache = settings.cache_dir
    memory = EndpointMemory(cache / "endpoints.json", cache / "endpoints.lock", settings.endpoint)
    endpoint = Endpoint(settings, address[0], address[1], Spending(), memory)
    endpoint.pressure.on_outage = OutageNotice(settings.place, settings.patience, quiet=False)
    tools = Tools(
        recipe,
        sandbox,
        Answers(endpoint),
        f"try-{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S}",
        scans=scans_of(settings, sandbox),
    )
    document_id = taken.document.document_id
    stored = {(row["document_id"], row["request_id"]): row for row in read_segment(journal)}
    segment = Segment(journal)
    try:
        extracted = await extract_document(tools, taken.document, taken.path, stored, segment.append)
    finally:
        segment.close()
        await endpoint.close()
    record = extracted.extraction.record
    return {
        "document_id": document_id,
        "record": record.value,
        "evidence": [row for batch in extracted.batches["evidence"] for row in batch.to_pylist()],
        "status": record.status,
        "problems": [f"{problem.field or 'record'}: {problem.message}" for problem in record.problems],
        "cost_usd": usd(extracted.extraction.cost_nusd),
    }
