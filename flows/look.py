"""Looking at documents without publishing: `show`, `estimate` and `try`. None of them needs Prefect."""

import asyncio
import datetime
import random
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from extractors.chunk import answer_estimator, scalar_answer_tokens
from extractors.prompt import prompt
from extractors.split.formats import FORMATS
from extractors.tabulate import tabulate, usd
from flows.discover import Address, discover
from flows.extract import Tools, chunks_of, extract_document
from flows.model import Answers, Endpoint, Spending
from flows.progress import ProgressLine
from flows.recipe import Recipe, make_recipe
from flows.run import model_address
from flows.sandbox import Sandbox, read_frames
from flows.settings import Settings
from flows.spool import spool
from flows.storage.journal import Segment, read_segment
from schemas.document_type import DocumentType
from schemas.errors import DocumentError
from schemas.models import model_entry
from schemas.pipeline import Chunk, Page, Request

SAMPLE_ABOVE = 2_000  # documents: above this, an estimate looks at a random sample of this size
_SECONDS_A_CALL = 12.0  # of a hosted model of this size for a page or two; only for the hours of an estimate
_GENERAL = {
    "title": "document",
    "type": "object",
    "properties": {"title": {"type": "string", "description": "Title of the document"}},
}


def show_document(
    path: Path, document_type: DocumentType, settings: Settings, html: Path | None = None
) -> dict[str, Any]:
    """What would be sent for the document: pages with the reason for each, and the very requests; `html` draws it."""
    if html is not None:
        from flows.show_page import check_target

        check_target(html, path)
    recipe = make_recipe(document_type, model_entry(settings.model), settings)
    with _workplace(settings) as (sandbox, folder):
        document_id, chunks, requests = asyncio.run(_prepared(sandbox, recipe, path, folder))
    if html is not None:
        from flows.show_page import Prepared, write_show_page

        price = Endpoint(settings, "http://localhost", None, Spending()).cost_nusd
        write_show_page(html, Prepared(path.name, document_id, document_type, chunks, requests, price))
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


def estimate(
    sources: Sequence[str], document_type: DocumentType | None, settings: Settings, *, exact: bool
) -> dict[str, Any]:
    """Documents, pages, tokens, requests and cost of a first run over `sources`; asks no model."""
    document_type = document_type or DocumentType.from_schema(_GENERAL, "document")
    model = model_entry(settings.model)
    recipe = make_recipe(document_type, model, settings)
    addresses = discover(sources, settings.cache_dir / "no-such-dataset", FORMATS)
    chosen = addresses
    if len(addresses) > SAMPLE_ABOVE and not exact:
        chosen = random.Random(0).sample(addresses, SAMPLE_ABOVE)  # noqa: S311 - the same sample each time
    with _workplace(settings) as (sandbox, folder):
        counts = asyncio.run(_counted(sandbox, recipe, chosen, folder))
    scale = len(addresses) / max(1, len(chosen))
    pages, requests, tokens_in, tokens_out = (round(each * scale) for each in counts)
    endpoint = Endpoint(settings, "http://localhost", None, Spending())

    def cost(answer_share: float) -> float | None:
        return usd(endpoint.cost_nusd(tokens_in, round(tokens_out * answer_share)))

    return {
        "documents": len(addresses), "pages": pages, "requests": requests, "prompt_tokens": tokens_in,
        "completion_tokens": tokens_out, "cost_usd": cost(1.0), "cost_usd_low": cost(0.5), "cost_usd_high": cost(1.5),
        "hours": round(requests * _SECONDS_A_CALL / settings.concurrency / 3600, 4), "sampled": len(chosen),
        "model": settings.model,
    }  # fmt: skip


def estimate_lines(figures: Mapping[str, Any]) -> list[str]:
    """`estimate` for people."""
    sample = f" (from a sample of {figures['sampled']:,})" if figures["sampled"] < figures["documents"] else ""
    cost = "unknown: set PAGEMILL_PRICE_IN and PAGEMILL_PRICE_OUT"
    if figures["cost_usd"] is not None:
        cost = f"${figures['cost_usd']:.4f} (${figures['cost_usd_low']:.4f} to ${figures['cost_usd_high']:.4f})"
    return [
        f"{figures['documents']:,} documents, {figures['pages']:,} pages{sample}, {figures['requests']:,} requests",
        f"{figures['prompt_tokens']:,} tokens in, about {figures['completion_tokens']:,} out, model {figures['model']}",
        f"cost {cost}; about {figures['hours']:.2f} hours",
    ]


def try_document(path: Path, document_type: DocumentType, settings: Settings) -> dict[str, Any]:
    """One document now: its record, evidence, status, problems and cost. Answers are kept in the user's cache."""
    recipe = make_recipe(document_type, model_entry(settings.model), settings)
    journal = settings.cache_dir / "tries" / f"{recipe.recipe_id}.journal"
    journal.parent.mkdir(parents=True, exist_ok=True)
    with _workplace(settings) as (sandbox, folder), model_address(settings) as (base_url, api_key):
        return asyncio.run(_tried(sandbox, recipe, settings, (base_url, api_key), path, folder, journal))


def try_lines(tried: Mapping[str, Any]) -> list[str]:
    """`try_document` for people: each value with its page, quote and match."""
    lines = [f"document {tried['document_id'][:12]}: {tried['status']}, cost ${tried['cost_usd'] or 0:.4f}"]
    for each in tried["evidence"]:
        place = f"page {each['page']}" if each["page"] else "no page"
        quote = f" in {each['quote']!r}" if each["quote"] else ""
        lines.append(f"{each['field']} = {each['value']}  [{each['match']}, {place}]{quote}")
    return [*lines, *(f"problem: {problem}" for problem in tried["problems"])]


@contextmanager
def _workplace(settings: Settings) -> Iterator[tuple[Sandbox, Path]]:
    with (
        tempfile.TemporaryDirectory(prefix="pagemill-") as folder,
        Sandbox(settings.workers, settings.split_seconds, settings.split_memory) as sandbox,
    ):
        yield sandbox, Path(folder)


def _address(path: Path) -> Address:
    return Address(str(path.absolute()), None, None)


async def _prepared(
    sandbox: Sandbox, recipe: Recipe, path: Path, folder: Path
) -> tuple[str, list[Chunk], list[Request]]:
    taken = spool(_address(path), folder)
    frames = folder / "frames"
    await sandbox.split(taken.path, path.name, frames, recipe.options)
    chunks = list(chunks_of(recipe, read_frames(frames)))
    requests = [prompt(chunk, recipe.document_type, recipe.decoding) for chunk in chunks]
    return taken.document.document_id, chunks, requests


async def _counted(
    sandbox: Sandbox, recipe: Recipe, addresses: Sequence[Address], folder: Path
) -> tuple[int, int, int, int]:
    """Pages, requests, prompt tokens and expected completion tokens; each distinct content once, as a run asks."""
    seen: set[str] = set()
    totals = [0, 0, 0, 0]
    slots = asyncio.Semaphore(8)
    line = ProgressLine(len(addresses))

    async def one(address: Address) -> None:
        async with slots:
            try:
                taken = await asyncio.to_thread(spool, address, folder)
                if taken.document.document_id in seen:
                    return
                seen.add(taken.document.document_id)
                frames = taken.path.with_suffix(".frames")
                await sandbox.split(taken.path, address.file_name, frames, recipe.options)
                for place, figure in enumerate(_figures(recipe, read_frames(frames), seen)):
                    totals[place] += figure
            except DocumentError:
                return  # a run would fail it, and pay nothing for it
            frames.unlink(missing_ok=True)
            taken.path.unlink(missing_ok=True)
            line.update(len(seen), totals[0], 0.0)

    with line:
        await asyncio.gather(*map(one, addresses))
    return totals[0], totals[1], totals[2], totals[3]


def _figures(recipe: Recipe, pages: Iterable[Page], asked: set[str]) -> tuple[int, int, int, int]:
    root = recipe.document_type.root
    rows_cost, scalars_cost = answer_estimator(root), scalar_answer_tokens(root)
    count = requests = tokens_in = tokens_out = 0
    for chunk in chunks_of(recipe, pages):
        count += len(chunk.pages)
        request = prompt(chunk, recipe.document_type, recipe.decoding)
        if request.request_id in asked:  # an equal request is asked once
            continue
        asked.add(request.request_id)
        requests += 1
        tokens_in += request.prompt_tokens
        tokens_out += scalars_cost + sum(map(rows_cost, chunk.pages))
    return count, requests, tokens_in, tokens_out


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
    endpoint = Endpoint(settings, address[0], address[1], Spending())
    tools = Tools(recipe, sandbox, Answers(endpoint), f"try-{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S}")
    document_id = taken.document.document_id
    stored = {(row["document_id"], row["request_id"]): row for row in read_segment(journal)}
    segment = Segment(journal)
    try:
        extracted = await extract_document(tools, taken.document, taken.path, stored, segment.append)
    finally:
        segment.close()
        await endpoint.close()
    record = extracted.extraction.record
    tables = tabulate(extracted.extraction, recipe.document_type)
    return {
        "document_id": document_id,
        "record": record.value,
        "evidence": [row for batch in tables["evidence"] for row in batch.to_pylist()],
        "status": record.status,
        "problems": [f"{problem.field or 'record'}: {problem.message}" for problem in record.problems],
        "cost_usd": usd(extracted.extraction.cost_nusd),
    }
