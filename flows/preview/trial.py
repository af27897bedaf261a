"""`pagemill try`: one document extracted without publishing, without Prefect."""

import asyncio
import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from extractors.tabulate.tabulate import usd
from flows.documents.extract import extract_document
from flows.documents.extraction_tools import tools_for
from flows.documents.recipe import Recipe, make_recipe
from flows.documents.sandbox import Sandbox, workplace
from flows.durable_files import make_private
from flows.model.budget import Spending
from flows.model.connect import model_address
from flows.model.endpoint import Endpoint
from flows.model.endpoint_memory import EndpointMemory
from flows.model.outage_notice import OutageNotice
from flows.model.single_flight import Answers
from flows.preview.show import document_uri
from flows.settings import Settings
from flows.sources.spool import spool
from flows.storage.backends.journal import Segment, read_segment
from schemas.document_type import DocumentType


def try_document(path: Path, document_type: DocumentType, settings: Settings) -> dict[str, Any]:
    """Record, evidence, status, problems and cost of one document. Answers are kept in the user's cache."""
    recipe = make_recipe(document_type, settings)
    journal = settings.cache_dir / "tries" / f"{recipe.recipe_id}.journal"
    make_private(journal.parent)
    with workplace(settings) as (sandbox, folder), model_address(settings) as (base_url, api_key):
        return asyncio.run(_tried(sandbox, recipe, settings, (base_url, api_key), path, folder, journal))


def try_lines(tried: Mapping[str, Any]) -> list[str]:
    """The result as lines for people: the values with page, quote and match."""
    lines = [f"document {tried['document_id'][:12]}: {tried['status']}, cost ${tried['cost_usd'] or 0:.4f}"]
    for entry in tried["evidence"]:
        location = f"page {entry['page']}" if entry["page"] else "no page"
        quote = f" in {entry['quote']!r}" if entry["quote"] else ""
        lines.append(f"{entry['field']} = {entry['value']}  [{entry['match']}, {location}]{quote}")
    return [*lines, *(f"problem: {problem}" for problem in tried["problems"])]


async def _tried(
    sandbox: Sandbox,
    recipe: Recipe,
    settings: Settings,
    address: tuple[str, str | None],
    path: Path,
    folder: Path,
    journal: Path,
) -> dict[str, Any]:
    taken = spool(document_uri(path), folder)
    cache = settings.cache_dir
    memory = EndpointMemory(cache / "endpoints.json", cache / "endpoints.lock", settings.endpoint)
    endpoint = Endpoint(settings, address[0], address[1], Spending(), memory)
    endpoint.pressure.on_outage = OutageNotice(settings.endpoint_name, settings.patience, quiet=False)
    run_id = f"try-{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S}"
    tools = tools_for(settings, recipe, sandbox, Answers(endpoint), run_id)
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
