"""Messages between a run and a process of a cluster: jobs and results. Both survive pickling and hold no secret.

Keys and passwords are not in a message: the process reads them from its own environment. A document type is rebuilt from what
it was made of, and the recipe that comes of it all is compared with the run's.
"""

import datetime
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flows.model.budget import Spent
from flows.runs.accounting import Accounts
from flows.settings import Settings
from flows.sources.addresses import Address
from flows.sources.arrow_lookup import Index
from flows.type_loader import load_type
from schemas.document_type import DocumentType
from schemas.errors import ConfigurationError, PagemillError

_SECRET = frozenset({"api_key", "openrouter_api_key", "webhook"})
_OWN = frozenset({"cache_dir", "runner", "dask_address", "dask_workers"})  # each process has its own, or needs none


@dataclass(frozen=True, slots=True)
class TypeFacts:
    """Parts that a document type is rebuilt from: `origin` is a built-in name or a file, `schema` is alone without a class."""

    name: str
    origin: str
    schema: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class JobFacts:
    """Facts that all shards of a run have in common. `moment` is the plan's, by which failures are due."""

    run_id: str
    version: str
    out: str
    lender: str | None
    document_type: TypeFacts
    recipe_id: str
    endpoint: str
    settings: Mapping[str, Any]
    windows: Mapping[str, int]
    moment: datetime.datetime
    not_before: datetime.datetime
    failures_not_before: datetime.datetime
    deadline: datetime.datetime | None

    def divided(self, processes: int, on_one_machine: int) -> "JobFacts":
        """Job facts for one of `processes` processes: its share of the calls in flight and of the split processes."""
        shares = {"concurrency": processes, "workers": on_one_machine}
        divided = {name: max(1, self.settings[name] // share) for name, share in shares.items()}
        return replace(self, settings={**self.settings, **divided})


@dataclass(frozen=True, slots=True)
class ShardJob:
    """One shard to carry out. `former` are the names that its documents had in earlier tries of this run.

    `known` has the rows of `sources` for its addresses; `budget_nusd` and `limit` are its shares of what the run has left.
    """

    run: JobFacts
    name: str
    addresses: tuple[Address, ...]
    known: Index
    budget_nusd: int | None
    limit: int | None
    former: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShardResult:
    """Result of a shard. `left` was not carried out: for want of money (`needs_nusd` for the next call), or stopped."""

    accounts: Accounts
    spent: Spent
    handled: frozenset[str] = frozenset()
    repeated: tuple[str, ...] = ()
    sources: tuple[Mapping[str, Any], ...] = ()
    left: tuple[Address, ...] = ()
    finished: int = 0
    finished_pages: int = 0
    stopped: PagemillError | None = None
    needs_nusd: int = 0
    was_tried: bool = False  # by a process that died over it


def serialize_settings(settings: Settings) -> dict[str, Any]:
    """Settings without secrets, and without those that each process has of its own."""
    values = settings.model_dump(exclude=set(_SECRET | _OWN))
    if "@" in urlsplit(settings.base_url).netloc:
        del values["base_url"]  # credentials: each process has the URL in its own environment
    if settings.passwords_file is not None:
        values["passwords_file"] = settings.passwords_file.absolute()
    if settings.examples is not None:
        values["examples"] = settings.examples.absolute()
    return values


def serialize_location(location: str) -> str:
    """Location of a dataset, for a process with another current folder."""
    return location if "://" in location else str(Path(location).absolute())


def serialize_type(document_type: DocumentType) -> TypeFacts:
    """Parts of `document_type` to rebuild it from. Raises ConfigurationError for a class that no file or name leads to."""
    if document_type.model is None:
        return TypeFacts(document_type.name, document_type.origin, document_type.schema)
    if not document_type.origin:
        raise ConfigurationError(
            f"type {document_type.name!r} is a class that no name leads to, so other processes cannot load it; name it with "
            "--type path/to/file.py:Class, or run with PAGEMILL_RUNNER=local"
        )
    path, colon, member = document_type.origin.partition(":")
    origin = f"{os.path.abspath(path)}{colon}{member}" if Path(path).is_file() else path  # noqa: PTH100 - links stay
    return TypeFacts(document_type.name, origin, None)


def type_told(facts: TypeFacts) -> DocumentType:
    """Document type rebuilt from a message. Raises ConfigurationError where its file is not on this machine."""
    if facts.schema is None:
        return load_type(facts.origin)
    return DocumentType.from_schema(facts.schema, facts.name)
