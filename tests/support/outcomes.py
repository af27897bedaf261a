"""What a run has left: rows of its tables, its accounting, the answers that are kept, what was asked."""

import collections
import hashlib
import json
from pathlib import Path

import duckdb
import pandas as pd


def rows(out: Path, table: str, columns: str = "*") -> list[tuple]:
    return duckdb.sql(f"select {columns} from '{out}/{table}/*.parquet'").fetchall()


def check_sum(summary: dict) -> None:
    parts = ("already_done", "skipped", "ok", "partial", "failed", "deferred")
    assert summary["discovered"] == sum(summary[part] for part in parts)


def journaled(out: Path) -> set[tuple[str, str]]:
    """What is paid for and kept: answers in the journal, in READY staging, and in `calls`."""
    from flows.storage.backends.journal import read_segment

    kept = {
        (row["document_id"], row["request_id"])
        for path in (out / "_work" / "journal").glob("*")
        for row in read_segment(path)
    }
    files = [
        *(out / "calls").glob("*.parquet"),
        *(path.parent / "calls.parquet" for path in (out / "_work" / "staged").glob("*/READY")),
    ]
    for path in files:
        if path.exists():
            kept |= set(pd.read_parquet(path, columns=["document_id", "request_id"]).itertuples(index=False, name=None))
    return kept


def request_id(body: dict) -> str:
    """The identity of a request as the prompt step makes it, from what went over the wire."""
    schema = body["response_format"]["json_schema"]["schema"]
    identity = [body["messages"], schema, body["temperature"], body["max_tokens"], body["model"], 0]
    return hashlib.sha256(json.dumps(identity, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def asked(bodies: list[dict]) -> collections.Counter[str]:
    return collections.Counter(json.dumps(body["messages"]) for body in bodies)
