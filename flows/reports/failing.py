"""Failing documents of a dataset by name: the newest failure of each, what to do about it, and when it is tried again."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.sources.arrow_lookup import newest
from flows.sources.failures import FIRST_WAIT, MOST_ATTEMPTS, is_reopened, read_retries
from flows.storage.dataset import Dataset
from flows.storage.run_ids import run_of
from schemas.errors import InvalidCompletionError

MOST_FAILING = 10  # documents that are named
_COLUMNS = ("document_id", "source_uri", "run_id", "at", "error", "attempts", "retryable")
_LONGEST = 400  # characters of a message or a remedy


@dataclass(frozen=True, slots=True)
class FailingDocument:
    """A document that is not published since it fails. `document` is its id, or empty where it was never read.

    `due_at` is the time after which a run tries it again, in ISO 8601; None: no run does so of itself.
    """

    document: str
    address: str
    error: str
    message: str
    remedy: str
    attempts: int
    due_at: str | None

    @property
    def line(self) -> str:
        """The document, its fault and the remedy, for people."""
        again = (
            f"tried again after {self.due_at[:16].replace('T', ' ')} UTC"
            if self.due_at
            else "not tried again by itself"
        )
        return f"{self.address}: {self.error}, {self.message}; {self.remedy} (attempt {self.attempts}, {again})"


@dataclass(frozen=True, slots=True)
class Failing:
    """The number of failing documents, and up to MOST_FAILING of them, the newest failures first."""

    count: int
    shown: Sequence[FailingDocument]

    def as_rows(self) -> list[dict[str, Any]]:
        """The documents that are shown, as JSON has them."""
        return [asdict(document) for document in self.shown]


def failing_documents(dataset: Dataset, run_id: str | None = None) -> Failing:
    """The failing documents of the dataset, or those whose newest failure is of the run `run_id`.

    A document that was published since does not fail, nor an address at which another one was read since.
    """
    rows = dataset.rows("failures", list(_COLUMNS))
    of_ids = newest(rows, "document_id", "at")
    published = dataset.rows("documents", ["document_id"]).column("document_id").combine_chunks()
    of_ids = of_ids.filter(pc.invert(pc.is_in(of_ids.column("document_id"), value_set=published)))
    unread = newest(rows.filter(pc.is_null(rows.column("document_id"))), "source_uri", "at")
    found = pa.concat_tables([of_ids, unread.filter(_is_unread(dataset, unread))])
    if run_id is not None:
        found = found.filter(pc.equal(found.column("run_id"), run_id))
    if not found.num_rows:
        return Failing(0, ())
    first = found.sort_by([("at", "descending"), ("source_uri", "ascending")]).slice(0, MOST_FAILING)
    is_due = is_reopened(first, read_retries(dataset)).to_pylist()
    return Failing(
        found.num_rows,
        [
            _failing(row, dataset.location, is_due=due)
            for row, due in zip(_with_messages(dataset, first), is_due, strict=True)
        ],
    )


def failing_of(dataset: Dataset, run_id: str | None) -> dict[str, Any]:
    """The keys `failing` and `failing_count` of the summary of a run; None: one without a failure."""
    found = Failing(0, ()) if run_id is None else failing_documents(dataset, run_id)
    return {"failing": found.as_rows(), "failing_count": found.count}


def failing_lines(failing: Mapping[str, Any], out: object) -> list[str]:
    """The failing documents of a summary, its keys `failing` and `failing_count`, as lines for people."""
    documents = [FailingDocument(**row) for row in failing["failing"]]
    lines = [f"failing: {document.line}" for document in documents]
    more = failing["failing_count"] - len(documents)
    if more > 0:
        lines.append(f"and {more:,} more failing: the newest row of each document in the table `failures` of {out}")
    return lines


def _with_messages(dataset: Dataset, rows: pa.Table) -> list[dict[str, Any]]:
    """The rows with their messages, which are long: of these rows alone."""
    wanted, runs = rows.to_pylist(), set(rows.column("run_id").to_pylist())
    messages: dict[tuple[str, datetime.datetime], str] = {}
    for shard in dataset.files("failures"):
        if run_of(shard) in runs:
            part = dataset.shard_columns("failures", shard, ("source_uri", "at", "message"))
            part = part.filter(
                pc.is_in(part.column("source_uri"), value_set=rows.column("source_uri").combine_chunks())
            )
            messages |= {(row["source_uri"], row["at"]): row["message"] for row in part.to_pylist()}
    return [{**row, "message": messages.get((row["source_uri"], row["at"]))} for row in wanted]


def _is_unread(dataset: Dataset, unread: pa.Table) -> pa.ChunkedArray:
    """Mask of the addresses at which nothing was read since they failed."""
    if not unread.num_rows:
        return pa.chunked_array([pa.array([], pa.bool_())])
    sources = newest(dataset.rows("sources", ["source_uri", "document_id", "seen_at"]), "source_uri", "seen_at")
    read = sources.filter(pc.is_valid(sources.column("document_id"))).column("source_uri").combine_chunks()
    return pc.invert(pc.is_in(unread.column("source_uri"), value_set=read))


def _failing(row: Mapping[str, Any], out: str, *, is_due: bool) -> FailingDocument:
    fact, remedy = parted(row["message"] or row["error"])
    for name in (row["source_uri"], row["source_uri"].rpartition("/")[2]):
        fact = fact.removeprefix(f"{name}: ")
    return FailingDocument(
        row["document_id"] or "",
        row["source_uri"],
        row["error"],
        _shortened(fact),
        _shortened(remedy or _remedy(row, out)),
        int(row["attempts"]),
        _due_at(row, is_due=is_due),
    )


def parted(message: str) -> tuple[str, str]:
    """Fact and remedy of a message of ours: the remedy stands behind its last semicolon. Empty where there is none."""
    fact, mark, remedy = message.rpartition("; ")
    return (fact, remedy) if mark else (message, "")


def _remedy(row: Mapping[str, Any], out: str) -> str:
    if row["error"] == InvalidCompletionError.__name__:
        return "look at the model's answers in the table `calls`, or name another model with PAGEMILL_FALLBACK_MODELS"
    if row["retryable"] and int(row["attempts"]) < MOST_ATTEMPTS:
        return "a later run tries it again"
    return f"mend or replace the file, or `pagemill retry {out}` once its cause is gone"


def _due_at(row: Mapping[str, Any], *, is_due: bool) -> str | None:
    at: datetime.datetime = row["at"]
    if is_due:
        return at.isoformat()
    if not row["retryable"] or int(row["attempts"]) >= MOST_ATTEMPTS:
        return None
    due: datetime.datetime = at + FIRST_WAIT * 2 ** max(0, int(row["attempts"]) - 1)
    return due.isoformat()


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
