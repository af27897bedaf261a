"""`pagemill refresh OUT --replay`: today's parser over stored answers, calling nothing.

Each document is split and packed again from its source, its requests are made again, and the answers to them are taken
from `calls`. A document keeps its old rows, and is named, where its source is gone or has changed, or where an answer that
it needs is not stored.
"""

import asyncio
import datetime
import json
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from extractors.tabulate import Batches
from flows.accounts import Accounts
from flows.addresses import Address
from flows.asking import Stored
from flows.extract import Tools, extract_document, stored_answers
from flows.progress import ProgressLine
from flows.recipe import Recipe, make_recipe
from flows.sandbox import Sandbox
from flows.settings import Settings
from flows.spool import is_disk_full, spool
from flows.storage.dataset import BIRTH_FILE, Dataset, DatasetSpec, open_dataset, read_dataset
from flows.storage.publish import end_run, publish, replace_documents
from flows.storage.recover import recover
from flows.storage.store import Out
from schemas.document_type import DocumentType
from schemas.document_types import DOCUMENT_TYPES
from schemas.errors import AnswerNotStoredError, ConfigurationError, DatasetError, DocumentError
from schemas.fields import escape
from schemas.pipeline import Completion, Request
from schemas.tables import LOG_TABLES, SHARD_TABLES, all_tables, record_tables


@dataclass(frozen=True, slots=True)
class Kept:
    """A document that keeps its old rows, and why."""

    document_id: str
    source_uri: str
    reason: str


@dataclass(slots=True)
class Replayed:
    """What a replay did: documents with new rows, how many have other values, and who kept old rows and why."""

    run_id: str
    replayed: int
    changed: int
    kept: list[Kept]


class _StoredOnly:
    """In the place of a model: has no answers but the stored ones, which the asker finds before it asks."""

    def __init__(self) -> None:
        self.endpoint = self

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


def replay(out: Out, settings: Settings, document_type: DocumentType | None = None) -> Replayed:
    """Make the rows of every document in `out` anew from its stored answers. Raises ConfigurationError for no dataset."""
    dataset = read_dataset(out)
    kind = document_type or _type_of(dataset)
    tables = record_tables(kind)
    dataset = open_dataset(out, DatasetSpec(kind.name, kind.schema, all_tables(kind), tuple(t.name for t in tables)))
    recipe = make_recipe(kind, settings, _windows(dataset, settings))
    run_id = f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    accounts = Accounts()
    with dataset.lease(run_id):
        with dataset.locked():
            recover(dataset)
        done = Replayed(run_id, 0, 0, [])
        shards = [shard for shard in dataset.files("documents") if f"{shard}.parquet" != BIRTH_FILE]
        total = dataset.rows("documents", ["document_id"]).num_rows
        facts = {"discovered": total, "already_done": 0, "skipped": 0, "started_at": accounts.started_at.isoformat()}
        note = {"run_id": run_id, "recipe_id": recipe.recipe_id, "version": version("pagemill")}
        dataset.note_run(run_id, {**facts, **note})
        with ProgressLine(total) as line, _sandbox(settings) as sandbox:
            tools = Tools(recipe, sandbox, _StoredOnly(), run_id)  # type: ignore[arg-type] # it speaks the same
            for place, shard in enumerate(shards):
                _replay_shard(dataset, tools, shard, f"{run_id}-{place:05d}", accounts, done)
                line.update(done.replayed + len(done.kept), accounts.pages, 0.0)
        accounts.skipped = len(done.kept)
        accounts.check()
        known = dataset.rows("recipes", ["recipe_id"]).column(0).to_pylist()
        if done.replayed and recipe.recipe_id not in known:
            batch = pa.RecordBatch.from_pylist([recipe.row()], schema=LOG_TABLES["recipes"])
            publish(dataset, run_id, {"recipes": [batch]})
        end_run(dataset, run_id, _run_row(run_id, accounts, recipe), ())
    return done


def replay_lines(done: Replayed, out: Out) -> list[str]:
    """`replay` for people."""
    lines = [
        f"{out}: {done.replayed:,} documents made anew from stored answers, {done.changed:,} of them with other values"
    ]
    for kept in done.kept:
        why = kept.reason.removeprefix(f"{kept.source_uri}: ")
        lines.append(f"kept as it was: {kept.source_uri}: {why}")
    return lines


def _type_of(dataset: Dataset) -> DocumentType:
    """The type that the dataset was made with: the built-in one while its schema is the same, else by the schema."""
    built_in = DOCUMENT_TYPES.get(dataset.document_type)
    if built_in is not None and json.loads(json.dumps(built_in.schema)) == dataset.schema:
        return built_in
    found = DocumentType.from_schema(dataset.schema, dataset.document_type)
    if found.name != dataset.document_type or _is_of_class(dataset.schema):
        raise ConfigurationError(
            f"{dataset.place} holds documents of type {dataset.document_type!r}, whose class its schema does not tell; name "
            "it with --type path/to/file.py:Class"
        )
    return found


def _is_of_class(schema: Mapping[str, Any]) -> bool:
    """True for what pydantic has written, by the titles that it makes of names: the class may have validators of its own."""
    properties = [each for each in schema.get("properties", {}).items() if isinstance(each[1], Mapping)]
    return any(about.get("title") == name.replace("_", " ").title() for name, about in properties)


def _windows(dataset: Dataset, settings: Settings) -> dict[str, int]:
    """The windows that these models were last asked with: what an endpoint serves decides how pages are packed."""
    rows = dataset.rows("recipes", ["model", "settings", "first_used_at"]).to_pylist()
    mine = [row for row in rows if row["model"] == ",".join(settings.models)]
    if not mine:
        return {}
    models = json.loads(max(mine, key=lambda row: row["first_used_at"])["settings"])["models"]
    return {slug: limits[0] for slug, limits in zip(settings.models, models, strict=True)}


def _sandbox(settings: Settings) -> Sandbox:
    return Sandbox(settings.workers, settings.split_seconds, settings.split_memory)


def _replay_shard(dataset: Dataset, tools: Tools, shard: str, staging: str, accounts: Accounts, done: Replayed) -> None:
    """Replay the documents of one shard and replace their rows in it."""
    columns = ["document_id", "source_uri", "status"]
    documents = dataset.shard_rows("documents", shard).select(columns).to_pylist()
    ids = [row["document_id"] for row in documents]
    accounts.discovered += len(ids)
    with dataset.locked():
        recover(dataset)
        mine = dataset.claim_published(tools.run_id, ids)
    stored = stored_answers(dataset.rows("calls", SHARD_TABLES["calls"].names), ids)
    spool_folder = dataset.spool(tools.run_id)
    try:
        outcomes = asyncio.run(
            _all(tools, [row for row in documents if row["document_id"] in mine], spool_folder, stored)
        )
    finally:
        shutil.rmtree(spool_folder, ignore_errors=True)
    held: Batches = {}
    for row in documents:
        outcome = outcomes.get(row["document_id"], "another run works on it")
        if isinstance(outcome, str):
            done.kept.append(Kept(row["document_id"], row["source_uri"], outcome))
            continue
        status, batches = outcome
        done.replayed += 1
        setattr(accounts, status, getattr(accounts, status) + 1)
        for table, found in batches.items():
            held.setdefault(table, []).extend(found)
    if held:
        done.changed += replace_documents(dataset, shard, staging, held, _pointers(tools.recipe.document_type))


async def _all(
    tools: Tools, documents: Sequence[Mapping[str, Any]], folder: Path, stored: Stored
) -> dict[str, tuple[str, Batches] | str]:
    """For each document its status and rows, or why it keeps the old ones."""
    slots = asyncio.Semaphore(4)
    outcomes: dict[str, tuple[str, Batches] | str] = {}

    async def one(row: Mapping[str, Any]) -> None:
        document_id = row["document_id"]
        async with slots:
            try:
                taken = await asyncio.to_thread(spool, Address(row["source_uri"], None, None), folder)
                if taken.document.document_id != document_id:
                    outcomes[document_id] = "its source has other bytes now"
                    return
                extracted = await extract_document(tools, taken.document, taken.path, stored, _no_journal)
                outcomes[document_id] = extracted.extraction.record.status, extracted.batches
            except DocumentError as error:
                outcomes[document_id] = str(error)
            except DatasetError:
                raise
            except Exception as error:  # a fault of ours, too, costs this document only
                if is_disk_full(error):
                    raise DatasetError(f"{folder}: {error}; make room and run again") from error
                outcomes[document_id] = f"{type(error).__name__}: {error}"

    await asyncio.gather(*map(one, documents))
    return outcomes


async def _no_journal(row: dict[str, Any]) -> None:
    """Nothing is asked, so nothing is journaled."""
    raise AssertionError(row)


def _pointers(document_type: DocumentType) -> dict[str, dict[str, str]]:
    """For each record table the JSON pointer of each column; of a list's table also that of the list, under no name.

    The index columns of a list in a list are among them, so that an item that moves from one to another is told.
    """
    found = {}
    for table in record_tables(document_type):
        steps = [escape(key) for step in table.steps for key in step]
        pointers = {column.name: "/" + "/".join(map(escape, column.keys)) for column in table.columns}
        place = "/" + "/".join(steps)
        found[table.name] = (
            {**dict.fromkeys(table.index_names, place), **pointers, "": place} if table.is_items else pointers
        )
    return found


def _run_row(run_id: str, accounts: Accounts, recipe: Recipe) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "started_at": accounts.started_at,
        "finished_at": datetime.datetime.now(datetime.UTC),
        **accounts.as_row(),
        "cost_usd": 0.0,
        "recipe_id": recipe.recipe_id,
        "version": version("pagemill"),
        "requests": 0,
        "prompt_tokens": 0,
        "completion_tokens": 0,
    }
