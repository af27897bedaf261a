"""Walk-through of `make run`: the samples through the whole pipeline in one process, and a look at the tables."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from extractors.values import printed
from flows.preview.estimate import estimate
from flows.reports.status import sum_line
from flows.review.export import export
from flows.runs.request import Outcome, RunRequest
from flows.runs.resources import engine
from flows.runs.run import run
from flows.settings import Settings, load_settings
from flows.storage.open import read_dataset
from flows.type_loader import load_type
from schemas.document_type import DocumentType
from schemas.models import OFFLINE

_ROWS = 3


_WIDTH = 24  # characters


_BOOKKEEPING = frozenset(  # there for machines; a first look is for values
    [
        "document_id", "record", "recipe_id", "extracted_at", "record_problems", "needs_review", "corrected_fields",
        "first_page", "last_page", "item_index",
    ]
)  # fmt: skip


_REAL_MODEL = "mistralai/mistral-small-3.1-24b-instruct"


def tour(samples: Path, out: Path) -> int:
    """Extract the samples into three datasets and show what came of it; returns the exit code."""
    console = Console(width=118, highlight=False, soft_wrap=False)
    price_list = samples / "prices" / "price_list.schema.json"
    plans: list[tuple[str, DocumentType]] = [
        ("invoices", load_type("invoice")),
        ("reports", load_type("report")),
        ("prices", load_type(str(price_list))),
    ]
    settings = load_settings(model=OFFLINE)
    outcomes: list[tuple[str, DocumentType, Outcome]] = []
    with engine(settings) as shared:
        for name, document_type in plans:
            request = RunRequest([str(samples / name)], document_type, out / name)
            outcomes.append((name, document_type, run(shared, request)))
    console.print("\n[bold]1. Every document is accounted for[/]")
    for name, _, outcome in outcomes:
        console.print(f"   out/{name}: {sum_line(outcome.summary)}  ({outcome.summary['requests']} requests)")
    console.print("\n[bold]2. What it would have cost with a real model[/]")
    for line in _costs(samples, plans, settings):
        console.print(f"   {line}")
    console.print("\n[bold]3. What the tables hold (pandas, DuckDB and Polars read them as they are)[/]")
    for name, _, _ in outcomes:
        _show_rows(console, out / name)
    console.print("\n[bold]4. Every value can be checked[/]")
    console.print(f"   {_one_value(out / 'invoices')}")
    console.print("\n[bold]5. Every value can be corrected[/]")
    export(out / "invoices", None, settings, out / "review.html", 20)
    console.print(f"   {out}/review.html shows the invoices, each value on its page; open it in a browser.")
    console.print(f"   .venv/bin/pagemill review {out}/invoices --open   to correct them there")
    console.print("\n[bold]6. Next: your own folder[/]")
    console.print("   .venv/bin/pagemill run YOUR_FOLDER --type invoice --out out/mine --model offline")
    console.print("   With a real model: export OPENROUTER_API_KEY=..., and leave out `--model offline`.")
    return max(outcome.exit_code for _, _, outcome in outcomes)


def _costs(samples: Path, plans: list[tuple[str, DocumentType]], settings: Settings) -> Iterator[str]:
    real = settings.model_copy(update={"model": _REAL_MODEL})
    for name, document_type in plans:
        figures = estimate([str(samples / name)], document_type, real, exact=True)
        yield (
            f"{name}: {figures['documents']} documents, {figures['pages']} pages, {figures['prompt_tokens']:,} tokens "
            f"in: about ${figures['cost_usd']:.4f} with {_REAL_MODEL}"
        )


def _show_rows(console: Console, out: Path) -> None:
    """The first rows of every record table, as many columns as fit on a line."""
    dataset = read_dataset(out)
    for table in dataset.record_tables:
        names = [field.name for field in dataset.tables[table] if field.name not in _BOOKKEEPING]
        rows = dataset.rows(table, names)
        cells = [{name: _cell(row[name]) for name in names} for row in rows.slice(0, _ROWS).to_pylist()]
        shown = Table(
            title=f"{out}/{table}: {rows.num_rows} rows", title_justify="left", title_style="", box=SIMPLE_HEAD
        )
        left = console.width - 2
        columns = []
        for name in names:
            width = max(len(name), *(len(row[name]) for row in cells)) + 3
            if any(row[name] for row in cells) and width <= left:
                columns.append(name)
                left -= width
        for column in columns:
            shown.add_column(column, no_wrap=True)
        for row in cells:
            shown.add_row(*(row[column] for column in columns))
        console.print(shown)


def _cell(value: Any) -> str:
    text = "" if value is None else printed(value)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def _one_value(out: Path) -> str:
    evidence = read_dataset(out).rows("evidence", ["field", "value", "page", "quote", "match"])
    found: list[Mapping[str, Any]] = evidence.filter(pc.equal(evidence.column("field"), "/gross_total")).to_pylist()
    if not found:
        return "no gross total was found"
    value = found[0]
    return f"gross_total = {value['value']} stands on page {value['page']}: “{value['quote']}” ({value['match']})"
