"""`pagemill show`: the requests of a document, without a model."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from extractors.chunk import is_sent
from extractors.prompt.prompt import prompt
from flows.documents.recipe import Recipe, chunks_of, make_recipe
from flows.documents.sandbox import Sandbox, read_frames, workplace
from flows.model.prices import Prices
from flows.settings import Settings
from flows.sources.addresses import Address
from flows.sources.spool import spool
from schemas.document_type import DocumentType
from schemas.step_data import Chunk, Request


def show_document(
    path: Path, document_type: DocumentType, settings: Settings, html: Path | None = None
) -> dict[str, Any]:
    """Pages of the document, with the reason how each is sent, and the bodies of its requests; also as a page at `html`."""
    if html is not None:
        from flows.ui.html import check_target

        check_target(html, path)
    recipe = make_recipe(document_type, settings)
    with workplace(settings) as (sandbox, folder):
        document_id, chunks, requests = asyncio.run(_prepared(sandbox, recipe, path, folder))
    if html is not None:
        from flows.preview.show_page import ShownDocument, write_show_page

        price = Prices(settings).cost_nusd
        sent = [chunk for chunk in chunks if is_sent(chunk) for _ in recipe.group_roots]
        write_show_page(html, ShownDocument(path.name, document_id, document_type, sent, requests, price))
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
    """The pages and requests as lines, for people."""
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


def document_uri(path: Path) -> Address:
    """The address of one file named on the command line."""
    return Address(str(path.absolute()), None, None)


async def _prepared(
    sandbox: Sandbox, recipe: Recipe, path: Path, folder: Path
) -> tuple[str, list[Chunk], list[Request]]:
    taken = spool(document_uri(path), folder)
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
