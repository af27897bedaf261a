"""Conclusion of a run: remaining addresses counted, the sum checked, the run's row published, its summary made."""

import datetime
import time
from typing import Any

from flows.model.budget import Spending
from flows.reports.failing import failing_of
from flows.reports.quality import Quality
from flows.reports.run_page import keep_report
from flows.runs.accounting import close_run
from flows.runs.prepare import Prepared
from flows.runs.request import Outcome
from flows.runs.shard import RunState
from flows.sources.plan import Plan
from flows.sources.superseded import superseded_ids
from flows.storage.expire import expire_content
from flows.storage.remove import supersede_documents
from flows.storage.run_ids import command_shard
from schemas.errors import DatasetError, PagemillError
from schemas.record_tables import pointers_of


def settle_accounts(
    work: RunState, plan: Plan, spending: Spending, keep_days: float | None, command: str
) -> PagemillError | None:
    """Count the remaining addresses, check the sum, publish the run's row; the error that ended the run, if any."""
    accounts, dataset = work.accounts, work.dataset
    published = dataset.published_among(work.repeated) if work.repeated else set()
    for document_id in work.repeated:  # a second address of bytes that this run handled
        if document_id in published:
            accounts.already_done += 1
        else:
            accounts.skipped += 1
    known = accounts.already_done + accounts.skipped + accounts.done
    accounts.deferred = max(0, accounts.discovered - known)
    stopped = work.stopped
    try:
        accounts.check()
    except DatasetError as error:
        stopped = stopped or error
    recipe = work.tools.recipe
    try:
        quality = Quality.of(dataset, work.run_id, recipe.document_type)
        work.breaks = quality.breaks()
        logs = {"sources": [*_noted(work, plan), *work.sources], "quality": quality.rows()}
        close_run(dataset, work.run_id, recipe, accounts, spending, logs, command=command)
        ids = superseded_ids(dataset)
        if ids:
            staging = command_shard(work.run_id, "supersede")
            work.superseded = len(supersede_documents(dataset, staging, ids, pointers_of(recipe.document_type)))
        if keep_days is not None:
            before = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=keep_days)
            expire_content(dataset, command_shard(work.run_id, "expire"), before)
    except DatasetError as error:
        stopped = stopped or error
    return stopped


def summarise(prepared: Prepared, work: RunState, plan: Plan, stopped: PagemillError | None) -> Outcome:
    """The outcome of a run whose row is published, as `--json` has it; its page is drawn first."""
    accounts, spending, prices = work.accounts, prepared.spending, prepared.endpoint.prices
    # a DatasetError leaves no row of the run to draw
    is_drawn = prepared.settings.report and accounts.done and not isinstance(stopped, DatasetError)
    summary = {
        "run_id": prepared.run_id,
        **accounts.as_row(),
        "requests": spending.requests,
        "prompt_tokens": spending.prompt_tokens,
        "completion_tokens": spending.completion_tokens,
        "cost_usd": prices.cost_usd(spending.spent_nusd),
        "cost_usd_cut": prices.cost_usd(spending.cut_nusd),
        "cut_calls": spending.cut_calls,
        "cost_usd_estimated": prices.cost_usd(spending.expected_nusd),
        "seconds": round(time.monotonic() - prepared.began, 3),
        "superseded": work.superseded,
        "drift": [drift_break.text for drift_break in work.breaks],
        "gone": plan.gone,
        "not_gone": plan.not_gone,
        "not_listed": list(prepared.found.troubles),
        **prepared.found.ignored.figures(),
        "report": keep_report(prepared.dataset, prepared.run_id) if is_drawn else None,
    }
    return Outcome({**summary, **failing_of(prepared.dataset, prepared.run_id if accounts.failed else None)}, stopped)


def _noted(work: RunState, plan: Plan) -> list[dict[str, Any]]:
    """The rows of `sources` that the plan knew of without opening anything."""
    return [{**row, "run_id": work.run_id, "seen_at": plan.not_before} for row in plan.noted.to_pylist()]
