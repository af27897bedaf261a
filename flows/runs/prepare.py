"""Preparation and plan of a run: everything that can refuse it, before anything is sent."""

import asyncio
import datetime
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow.compute as pc

from extractors.split.options import SUFFIXES
from flows.documents.recipe import Recipe, make_recipe
from flows.model.budget import Spending
from flows.model.endpoint import Endpoint
from flows.model.endpoint_memory import memory_of
from flows.model.model_list import served_windows
from flows.preview.estimate import quick_cost_nusd
from flows.runs.cost_guard import confirm_cost, require_price
from flows.runs.dask.coordinator import require_cluster
from flows.runs.request import RunRequest
from flows.runs.resources import Engine
from flows.settings import Settings, require_model
from flows.sources.discover import Discovered, discover
from flows.sources.plan import Plan, make_plan
from flows.sources.selection import in_order, in_range
from flows.storage.dataset import Dataset
from flows.storage.dataset_spec import spec_of
from flows.storage.open import open_dataset
from flows.storage.run_ids import new_run_id
from schemas.models import OFFLINE


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that may begin: made once, and used by every later step. `found` are the addresses of its sources."""

    engine: Engine
    request: RunRequest
    found: Discovered
    dataset: Dataset
    spending: Spending
    windows: Mapping[str, int]
    recipe: Recipe
    endpoint: Endpoint
    run_id: str
    began: float = field(default_factory=time.monotonic)

    @property
    def settings(self) -> Settings:
        """Settings of the run."""
        return self.engine.settings


def prepare(engine: Engine, request: RunRequest) -> Prepared:
    """Check all that can refuse a run, then open the dataset. Raises ConfigurationError; nothing is made on disk before."""
    began = time.monotonic()
    settings = engine.settings
    require_model(settings)
    require_cluster(settings, request.document_type)
    follows, may_be_empty = settings.follow_links, request.allow_empty
    found = discover(request.sources, request.out, SUFFIXES, allow_empty=may_be_empty, follows_links=follows)
    found = _in_range(found, request)
    make_recipe(request.document_type, settings)  # refuses settings that fit no model, before the dataset is made
    require_price(settings, request.budget_usd)
    dataset = open_dataset(request.out, spec_of(request.document_type))
    spending = Spending(None if request.budget_usd is None else round(request.budget_usd * 1e9))
    memory = memory_of(dataset, settings)
    windows = asyncio.run(served_windows(settings, engine.base_url, engine.api_key, memory))
    recipe = make_recipe(request.document_type, settings, windows)
    endpoint = Endpoint(settings, engine.base_url, engine.api_key, spending, memory)
    return Prepared(engine, request, found, dataset, spending, windows, recipe, endpoint, new_run_id(), began)


def plan_of(prepared: Prepared, moment: datetime.datetime) -> Plan:
    """Addresses to extract, in order, as of `moment`. Raises ConfigurationError where the cost needs a consent that is not given.

    Call it with the run's lease.
    """
    request, dataset = prepared.request, prepared.dataset
    plan = make_plan(
        dataset,
        prepared.found,
        prepared.recipe.recipe_id,
        now=moment,
        forgotten=dataset.forgotten_ids(),
        rehash=request.rehash,
        allow_gone=request.allow_gone,
    )
    plan = replace(plan, pending=in_order(plan.pending, request.order))
    _confirm(prepared, plan)
    return plan


def first_line(settings: Settings, dataset: Dataset, recipe: Recipe) -> str:
    """Destination of page text and images, and the number of published rows of an older recipe."""
    where = "stay on this machine (the embedded model)" if settings.model == OFFLINE else f"go to {settings.host}"
    first = f"page text and images {where}; model {settings.model}"
    documents = dataset.rows("documents", ["recipe_id", "cost_usd"])
    older = documents.filter(pc.not_equal(documents.column("recipe_id"), recipe.recipe_id))
    if not older.num_rows:
        return first
    cost = pc.sum(older.column("cost_usd")).as_py()
    spent = "" if cost is None else f", which cost about ${cost:.2f},"
    kind = recipe.document_type
    named = (
        f" --type {kind.origin}" if kind.origin not in {"", kind.name} else ""
    )  # a file may be another than the dataset knows
    return (
        f"{first}; {older.num_rows:,} published documents are of another recipe and stay as they are: `pagemill refresh "
        f"{dataset.location}{named} --sample 20` shows what would change, `--all`{spent} in its place makes them anew"
    )


def _confirm(prepared: Prepared, plan: Plan) -> None:
    """Ask for consent to a costly run without a budget. Raises ConfigurationError without it, or without a terminal."""
    engine, request = prepared.engine, prepared.request
    if request.budget_usd is not None:
        return
    pending = plan.pending if request.limit is None else plan.pending[: request.limit]
    with tempfile.TemporaryDirectory(prefix="pagemill-") as folder:
        cost = quick_cost_nusd(pending, prepared.recipe, engine.sandbox, Path(folder), prepared.endpoint.prices)
    confirm_cost(engine.settings, (cost or 0) / 1e9, f"{len(pending):,} documents will cost about", request.confirm)


def _in_range(found: Discovered, request: RunRequest) -> Discovered:
    """Addresses within the range of dates and the part; a partial listing marks nothing as gone."""
    if request.since is None and request.before is None and request.part is None:
        return found
    sources = tuple(replace(source, is_complete=False) for source in found.sources)
    addresses = in_range(found.addresses, request.since, request.before)
    if request.part is not None:
        addresses = request.part.among(addresses)
    return replace(found, addresses=addresses, sources=sources)
