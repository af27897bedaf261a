"""`pagemill retry OUT`: failures due again at once, their attempts counted from 0, permanent failures included.

`_work/retries.json` keeps the moment up to which failures are due, and of which error. The next plan reads it.
"""

import datetime
import json
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.sources.arrow_lookup import newest
from flows.sources.failures import FAILURE_COLUMNS, Retry, is_reopened, read_retries
from flows.storage.backends.layout import RETRIES_FILE
from flows.storage.backends.store import Out
from flows.storage.dataset import Dataset
from flows.storage.open import read_dataset
from flows.storage.recover import recover
from schemas import errors
from schemas.errors import ConfigurationError, DatasetError, DocumentError, UnwritableDatasetError


def retry(out: Out, error: str | None = None) -> dict[str, int]:
    """Make the failures in `out` due, of one error name or all; how many of each error.

    Raises ConfigurationError for no dataset or a name that no failure has, DatasetError when nothing can be written.
    """
    dataset = read_dataset(out)
    try:
        with dataset.locked():
            recover(dataset)
            rows = dataset.rows("failures", FAILURE_COLUMNS)
            _require_known(out, error, rows)
            # not before the latest failure: a clock that went back must not leave it out
            latest = pc.max(rows.column("at")).as_py()
            moment = max(filter(None, (datetime.datetime.now(datetime.UTC), latest)))
            word = Retry(moment, error)
            open_failures = open_rows(dataset, rows)
            due = open_failures.filter(is_reopened(open_failures, [word]))
            _write(dataset, [*_others(read_retries(dataset), word), word])
    except UnwritableDatasetError as failure:
        raise DatasetError(
            f"{failure.fact}; no failure was made due: make room or check the rights, then repeat `pagemill retry`"
        ) from failure
    counts = due.group_by("error").aggregate([("error", "count")]).to_pylist()
    return {row["error"]: row["error_count"] for row in sorted(counts, key=lambda row: str(row["error"]))}


def retry_lines(counts: Mapping[str, int], out: Out) -> list[str]:
    """`retry` for people."""
    total = sum(counts.values())
    lines = [f"  {count:,} {name}" for name, count in counts.items()]
    return [f"{out}: {total:,} failure{'' if total == 1 else 's'} due at the next run", *lines]


def open_rows(dataset: Dataset, rows: pa.Table) -> pa.Table:
    """The newest failure of each document that is not published, and of each address that could not be read when last tried."""
    of_ids = newest(rows, "document_id", "at")
    published = dataset.rows("documents", ["document_id"]).column(0)
    of_ids = of_ids.filter(pc.invert(pc.is_in(of_ids.column("document_id"), value_set=published)))
    of_uris = newest(rows.filter(pc.is_null(rows.column("document_id"))), "source_uri", "at")
    sources = newest(dataset.rows("sources", ["source_uri", "document_id", "gone", "seen_at"]), "source_uri", "seen_at")
    elsewhere = sources.filter(pc.or_(pc.is_valid(sources.column("document_id")), sources.column("gone")))
    read_since = pc.is_in(of_uris.column("source_uri"), value_set=elsewhere.column("source_uri"))
    return pa.concat_tables([of_ids, of_uris.filter(pc.invert(read_since))])


def _require_known(out: Out, error: str | None, rows: pa.Table) -> None:
    if error is None or (isinstance(known := getattr(errors, error, None), type) and issubclass(known, DocumentError)):
        return
    names = sorted(filter(None, pc.unique(rows.column("error")).to_pylist()))
    if error not in names:
        raise ConfigurationError(f"no failure in {out} is named {error!r}; there are: {', '.join(names) or 'none'}")


def _others(retries: Iterable[Retry], word: Retry) -> list[Retry]:
    """Retries that `word` does not cover."""
    return [retry for retry in retries if word.error is not None and retry.error != word.error]


def _write(dataset: Dataset, retries: Iterable[Retry]) -> None:
    entries: list[dict[str, Any]] = [{"at": retry.at.isoformat(), "error": retry.error} for retry in retries]
    dataset.store.write(RETRIES_FILE, json.dumps(entries, indent=1).encode())
