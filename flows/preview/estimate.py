"""Estimate of the requests and the cost of a run, without a model: documents are split and packed as a run does it.

Prompt tokens are exact; answer tokens are estimated from the schema and from the rows on the pages.
"""

import asyncio
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from extractors.chunk import is_sent
from extractors.prompt.prompt import prompt
from extractors.split.options import SUFFIXES
from extractors.tabulate.tabulate import usd
from flows.documents.ask import expected_answer
from flows.documents.recipe import Recipe, chunks_of, make_recipe
from flows.documents.sandbox import Sandbox, read_frames, workplace
from flows.model.prices import Prices
from flows.settings import Settings
from flows.sources.addresses import Address
from flows.sources.discover import discover
from flows.sources.spool import spool
from flows.ui.progress import ProgressLine
from schemas.document_type import DocumentType
from schemas.errors import DocumentError
from schemas.step_data import Page

SAMPLE_ABOVE = 2_000  # documents: of more, a random sample of this size is split
QUICK_SAMPLE, QUICK_SECONDS = 64, 20.0  # documents and seconds of the quick estimate before a run without a budget
LOW, HIGH = 0.5, 1.5  # factors of the expected answer tokens
_SECONDS_A_CALL = 12.0  # of a hosted model for a page or two; used for the hours of an estimate only
_GENERAL = {
    "title": "document",
    "type": "object",
    "properties": {"title": {"type": "string", "description": "Title of the document"}},
}


@dataclass(slots=True)
class Figures:
    """Counts: `looked_at` documents that were split, `unreadable` ones among them, and requests of the others."""

    looked_at: int = 0
    unreadable: int = 0
    pages: int = 0
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


def estimate(
    sources: Sequence[str], document_type: DocumentType | None, settings: Settings, *, exact: bool
) -> dict[str, Any]:
    """Documents, pages, tokens, requests and cost of a first run over `sources`, without a model."""
    document_type = document_type or DocumentType.from_schema(_GENERAL, "document")
    recipe = make_recipe(document_type, settings)
    out, follows = settings.cache_dir / "no-such-dataset", settings.follow_links
    addresses = discover(sources, out, SUFFIXES, follows_links=follows).addresses
    chosen: Sequence[Address] = addresses
    if len(addresses) > SAMPLE_ABOVE and not exact:
        chosen = _sample(addresses, SAMPLE_ABOVE)
    with workplace(settings, settings.workers) as (sandbox, folder):
        figures = asyncio.run(_counted(sandbox, recipe, chosen, folder, None))
    scale = len(addresses) / max(1, len(chosen))
    prompt_tokens, completion_tokens = (
        round(entry * scale) for entry in (figures.prompt_tokens, figures.completion_tokens)
    )
    requests = round(figures.requests * scale)
    price = Prices(settings).cost_nusd
    return {
        "documents": len(addresses), "pages": round(figures.pages * scale), "requests": requests,
        "prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens,
        "cost_usd": usd(price(prompt_tokens, completion_tokens)),
        "cost_usd_low": usd(price(prompt_tokens, round(completion_tokens * LOW))),
        "cost_usd_high": usd(price(prompt_tokens, round(completion_tokens * HIGH))),
        "hours": round(requests * _SECONDS_A_CALL / settings.concurrency / 3600, 4), "sampled": len(chosen),
        "unreadable": round(figures.unreadable * scale), "model": settings.model,
    }  # fmt: skip


def estimate_lines(figures: Mapping[str, Any]) -> list[str]:
    """The estimate as lines, for people."""
    sample = f" (from a sample of {figures['sampled']:,})" if figures["sampled"] < figures["documents"] else ""
    cost = "unknown: set PAGEMILL_PRICE_IN and PAGEMILL_PRICE_OUT"
    if figures["cost_usd"] is not None:
        cost = f"${figures['cost_usd']:.4f} (${figures['cost_usd_low']:.4f} to ${figures['cost_usd_high']:.4f})"
    hours = figures["hours"]
    minutes = max(1, round(hours * 60))
    lasts = f"{hours:.1f} hours" if hours >= 1 else f"{minutes} minute{'s' if minutes > 1 else ''}"
    unreadable = f", {figures['unreadable']:,} of them cannot be read" if figures["unreadable"] else ""
    return [
        f"{figures['documents']:,} documents{unreadable}, {figures['pages']:,} pages{sample}, {figures['requests']:,} requests",
        f"{figures['prompt_tokens']:,} tokens in, about {figures['completion_tokens']:,} out, model {figures['model']}",
        f"cost {cost}; about {lasts}",
    ]


def quick_cost_nusd(
    addresses: Sequence[Address], recipe: Recipe, sandbox: Sandbox, folder: Path, prices: Prices
) -> int | None:
    """Estimated cost of `addresses` in nano-USD, from a sample that takes seconds; None where the price is unknown."""
    if not addresses or not prices.are_known or prices.cost_nusd(1_000_000, 1_000_000) == 0:
        return 0 if prices.are_known else None
    chosen = _sample(addresses, QUICK_SAMPLE)
    figures = asyncio.run(_counted(sandbox, recipe, chosen, folder, time.monotonic() + QUICK_SECONDS))
    cost = prices.cost_nusd(figures.prompt_tokens, figures.completion_tokens) or 0
    return round(cost * len(addresses) / max(1, figures.looked_at))


def _sample(addresses: Sequence[Address], most: int) -> Sequence[Address]:
    if len(addresses) <= most:
        return addresses
    return random.Random(0).sample(addresses, most)  # noqa: S311 - the same sample each time


async def _counted(
    sandbox: Sandbox, recipe: Recipe, addresses: Sequence[Address], folder: Path, until: float | None
) -> Figures:
    """Counts over `addresses`, distinct contents once as in a run; no document is begun after `until` (monotonic)."""
    counted: set[str] = set()
    figures = Figures()
    slots = asyncio.Semaphore(8)
    line = ProgressLine(len(addresses), quiet=until is not None)

    async def count_document(address: Address) -> None:
        async with slots:
            if until is not None and time.monotonic() > until:
                return
            try:
                await look(address)
            except DocumentError:
                figures.unreadable += 1  # a run would fail it at no cost
            figures.looked_at += 1
            line.update(figures.looked_at, figures.pages, 0.0)

    async def look(address: Address) -> None:
        taken = await asyncio.to_thread(spool, address, folder)
        if taken.document.document_id in counted:
            return  # the copy is removed by the first address
        counted.add(taken.document.document_id)
        frames = taken.path.with_suffix(".frames")
        try:
            await sandbox.split(taken.path, address.file_name, frames, recipe.options)
            _count(figures, recipe, read_frames(frames), counted)
        finally:
            frames.unlink(missing_ok=True)
            taken.path.unlink(missing_ok=True)

    with line:
        await asyncio.gather(*map(count_document, addresses))
    return figures


def _count(figures: Figures, recipe: Recipe, pages: Iterable[Page], asked: set[str]) -> None:
    reader = recipe.readers[0]
    for chunk in chunks_of(recipe, reader, pages):
        figures.pages += len(chunk.pages) if chunk.part == 0 else 0
        if not is_sent(chunk):
            continue
        for group, root in zip(recipe.group_roots, recipe.groups, strict=True):
            request = prompt(
                chunk,
                recipe.document_type,
                reader.decoding,
                group=group,
                examples=recipe.turns(chunk, group, frozenset()),
            )
            if request.request_id in asked:  # equal requests are sent once
                continue
            asked.add(request.request_id)
            figures.requests += 1
            figures.prompt_tokens += request.prompt_tokens
            figures.completion_tokens += expected_answer(root, chunk)
