"""The commands that look before a run: `try`, `estimate`, `show`, `check`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.options import AsJson, ChunkTokens, DocumentArgument, ImagesOption, ModelName, Sources, Type
from flows.ui.terminal import print_json, print_lines


def try_command(
    document: DocumentArgument,
    type_name: Type,
    model: ModelName = None,
    images: ImagesOption = None,
    chunk_tokens: ChunkTokens = None,
    as_json: AsJson = False,
) -> int:
    """Extract one document now and show each value with its page and quote; publishes nothing."""
    from flows.preview.trial import try_document, try_lines
    from flows.settings import load_settings, require_model
    from flows.type_loader import load_type

    settings = load_settings(model=model, images=images, chunk_tokens=chunk_tokens)
    require_model(settings)
    result = try_document(document, load_type(type_name), settings)
    print_json(result) if as_json else print_lines(try_lines(result))
    return 0


def estimate_command(
    sources: Sources,
    type_name: Annotated[str | None, typer.Option("--type", help="a built-in type or a file")] = None,
    model: ModelName = None,
    images: ImagesOption = None,
    chunk_tokens: ChunkTokens = None,
    exact: Annotated[bool, typer.Option("--exact", help="split every document, however many")] = False,
    as_json: AsJson = False,
) -> int:
    """Count documents, pages, tokens and requests, and what they would cost; sends nothing."""
    from flows.preview.estimate import estimate, estimate_lines
    from flows.settings import load_settings
    from flows.type_loader import load_type

    document_type = load_type(type_name) if type_name is not None else None
    settings = load_settings(model=model, images=images, chunk_tokens=chunk_tokens)
    result = estimate(sources, document_type, settings, exact=exact)
    print_json(result) if as_json else print_lines(estimate_lines(result))
    return 0


def show_command(
    document: DocumentArgument,
    type_name: Type,
    model: ModelName = None,
    images: ImagesOption = None,
    chunk_tokens: ChunkTokens = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="draw it as one web page that stands alone")] = None,
    as_json: AsJson = False,
) -> int:
    """Show what would be sent for one document: page by page, with the reason, tokens and hidden text."""
    from flows.preview.show import show_document, show_lines
    from flows.settings import load_settings
    from flows.type_loader import load_type

    settings = load_settings(model=model, images=images, chunk_tokens=chunk_tokens)
    result = show_document(document, load_type(type_name), settings, html)
    if as_json:
        print_json(result)
    else:
        print_lines([f"drawn in {html}"] if html is not None else show_lines(result))
    return 0


def check_command(model: ModelName = None, as_json: AsJson = False) -> int:
    """Look at the endpoint before the night: key, model, window, price, pictures, schema; for less than a cent."""
    from flows.model.check import check, check_lines
    from flows.settings import load_settings

    checked = check(load_settings(model=model))
    if as_json:
        findings = [asdict(finding) for finding in checked.findings]
        print_json({"ok": checked.is_ok, "findings": findings, "cost_usd": checked.cost_usd})
    else:
        print_lines(check_lines(checked))
    return 2 if checked.is_refused else 0 if checked.is_ok else 1
