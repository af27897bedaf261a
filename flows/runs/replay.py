"""`pagemill refresh OUT --replay`: today's parser over stored answers, calling nothing.

Each document is split and packed again from its source, its requests are made again, and the answers to them are taken
from `calls`. A document keeps its old rows, and is named, where its source is gone or has changed, or where an answer that
it needs is not stored.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from flows.documents.extraction_tools import tools_for
from flows.documents.recipe import make_recipe
from flows.documents.sandbox import Sandbox
from flows.model.budget import Spending
from flows.model.cancellation import Cancellation
from flows.reports.run_page import keep_report
from flows.runs.refresh import Shard, make_anew, open_for_refresh
from flows.runs.refresh_request import Refreshed
from flows.runs.refresh_shard import RefreshState
from flows.settings import Settings
from flows.storage.backends.store import Out
from flows.storage.dataset import Dataset
from flows.storage.run_ids import new_run_id, shard_name
from schemas.document_type import DocumentType
from schemas.errors import AnswerNotStoredError
from schemas.step_data import Completion, Request


class _StoredOnly:
    """Stand-in for a model: it has no answers but the stored ones, which the asker finds before it asks."""

    def __init__(self) -> None:
        self.endpoint = self
        self.interrupt = Cancellation()

    async def get(self, request: Request, keep: Any) -> Completion:
        """Refuse: nothing is asked."""
        del keep
        raise AnswerNotStoredError(
            f"an answer of {request.model} that it needs ({request.request_id[:12]}) is not among the stored ones; replay "
            "with the model and the settings that it was made with"
        )

    def expect(self, request: Request, completion_tokens: int) -> None:
        """Nothing is paid."""

    async def judge(self, completion: Completion, *, keeps_schema: bool) -> None:
        """Nothing is learned."""


def replay(out: Out, settings: Settings, document_type: DocumentType | None = None) -> Refreshed:
    """Make the rows of every document in `out` from its stored answers. Raises ConfigurationError for no dataset."""
    dataset, document_type = open_for_refresh(out, document_type)
    recipe = make_recipe(document_type, settings, _windows(dataset, settings))
    chosen = dataset.rows("documents", ["document_id", "source_uri"])
    with Sandbox(settings.workers, settings.split_seconds, settings.split_memory) as sandbox:
        answers: Any = _StoredOnly()  # it speaks the same as Answers
        tools = tools_for(settings, recipe, sandbox, answers, new_run_id(), dataset)
        done, stopped = make_anew(dataset, tools, chosen, Spending(None), _one_after_the_other, command="replay")
    done.cost_usd = 0.0
    if stopped is not None:
        raise stopped
    if settings.report and done.refreshed:
        done.report = keep_report(dataset, done.run_id)
    return done


def _one_after_the_other(work: RefreshState, shards: Sequence[Shard]) -> None:
    async def all_shards() -> None:
        for index, shard in enumerate(shards):
            if work.stopped is None:
                await shard(shard_name(work.tools.run_id, index))

    asyncio.run(all_shards())


def _windows(dataset: Dataset, settings: Settings) -> dict[str, int]:
    """Windows of the last requests of these models: the served window decides how pages are packed."""
    rows = dataset.rows("recipes", ["model", "settings", "first_used_at"]).to_pylist()
    mine = [row for row in rows if row["model"] == ",".join(settings.models)]
    if not mine:
        return {}
    models = json.loads(max(mine, key=lambda row: row["first_used_at"])["settings"])["models"]
    return {slug: limits[0] for slug, limits in zip(settings.models, models, strict=True)}
