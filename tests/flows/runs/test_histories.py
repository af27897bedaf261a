"""Histories of an archive over several runs against the rules in plain words: what is opened, counted, remembered, replaced.

The real run, with Prefect and the extraction of a document left out: a document is ok, or fails, by its first word.
"""

import datetime
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pyarrow as pa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from flows.documents.sandbox import Sandbox
from flows.runs.request import RunRequest
from flows.runs.resources import Engine
from flows.runs.retry import retry
from flows.runs.run import run
from flows.settings import load_settings
from flows.sources.arrow_lookup import newest
from flows.sources.spool import spool
from flows.sources.superseded import superseded_ids
from flows.storage.open import read_dataset
from flows.storage.remove import forget_documents
from flows.storage.run_ids import new_run_id
from flows.type_loader import load_type
from schemas.errors import EncryptedDocumentError, InvalidCompletionError
from schemas.tables import SHARD_TABLES
from tests.support.examples import examples
from tests.support.quick import quick

FILLERS = 40  # files that never change, so that one or two deletions are no more than 5 %
PATHS = ("a.txt", "b.txt", "sub/c.txt", "sub/d.txt")
CONTENTS = ("one", "two", "three", "weak", "lock")  # the last two fail: one may be better another night, one not
LONG_AGO, FRESH = 1_700_000_000, 1_000_000  # seconds: what a history takes is no test of what is fresh


@dataclass
class Row:
    document_id: str | None
    facts: tuple
    gone: bool = False


@dataclass
class Rules:
    """The rules, one address and one document at a time."""

    history: dict[str, list[Row]] = field(default_factory=dict)  # of each address
    once: dict[str, set[str]] = field(default_factory=dict)
    published: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)  # ids and addresses that are held back
    forgotten: set[str] = field(default_factory=set)

    @property
    def rows(self) -> dict[str, Row]:
        return {uri: rows[-1] for uri, rows in self.history.items()}

    def remember(self, uri: str, row: Row) -> None:
        rows = self.history.setdefault(uri, [])
        if not rows or rows[-1] != row:
            rows.append(row)

    def forget(self, ids: set[str]) -> None:
        self.forgotten |= ids
        self.published -= ids
        for uri, once in self.once.items():
            if once & ids and once <= ids:  # nothing else was ever read there
                self.history.pop(uri, None)
                self.failed.discard(uri)
            elif once & ids:
                self.history[uri] = [row for row in self.history[uri] if row.document_id not in ids]
            once.difference_update(ids)

    def run(self, there: dict[str, tuple], contents: dict[str, str | None], *, rehash: bool) -> tuple[dict, list[str]]:
        counts = dict.fromkeys(("already_done", "skipped", "ok", "failed", "gone", "not_gone"), 0)
        opened, seen = [], set()
        for uri, facts in there.items():
            row = self.rows.get(uri)
            is_same = row is not None and row.facts == facts
            known = row.document_id if is_same and not row.gone and not rehash and facts[1] is not None else None
            seen.add(known)
            if known is not None and known not in self.forgotten and known in self.published:
                counts["already_done"] += 1
            elif (known is not None and (known in self.forgotten or known in self.failed)) or (
                uri in self.failed and (row is None or (row.document_id is None and is_same))
            ):
                counts["skipped"] += 1
            else:
                opened.append(uri)
        missing = [uri for uri, row in self.rows.items() if not row.gone and uri not in there]
        standing = sum(not row.gone for row in self.rows.values())
        lost = sum(self.rows[uri].document_id is None or self.rows[uri].document_id not in seen for uri in missing)
        counts["gone" if lost * 20 <= standing else "not_gone"] = len(missing)
        handled: list[str] = []
        repeated = []
        for uri in opened:
            document_id = self._read(uri, there[uri], contents[uri])
            if document_id is None:
                counts["failed"] += 1
            elif document_id in self.forgotten:
                counts["skipped"] += 1
            elif document_id in self.published:
                counts["already_done"] += 1
            elif document_id in handled:
                repeated.append(document_id)
            elif document_id in self.failed:
                counts["skipped"] += 1
            else:
                handled.append(document_id)
        for document_id in handled:
            is_bad = document_id in BAD
            (self.failed if is_bad else self.published).add(document_id)
            counts["failed" if is_bad else "ok"] += 1
        for document_id in repeated:
            counts["already_done" if document_id in self.published else "skipped"] += 1
        if not counts["not_gone"]:
            for uri in missing:
                self.remember(uri, replace(self.rows[uri], gone=True))
        superseded = self.superseded()
        self.published -= superseded
        counts["superseded"] = len(superseded)
        return counts, opened

    def _read(self, uri: str, facts: tuple, content: str | None) -> str | None:
        document_id = None if content is None else digest(content)
        if document_id in self.forgotten:
            return document_id  # and nothing is remembered
        if document_id is None:
            self.failed.add(uri)
        size, modified = facts
        is_fresh = modified is not None and modified > (LONG_AGO + FRESH) * 10**6
        self.remember(uri, Row(document_id, (size, None if is_fresh else modified)))
        if document_id is not None:
            self.once.setdefault(uri, set()).add(document_id)
        return document_id

    def superseded(self) -> set[str]:
        now = {uri: row.document_id for uri, row in self.rows.items() if not row.gone and row.document_id is not None}
        return {
            old
            for uri, new in now.items()
            if new in self.published
            for old in self.once.get(uri, ())
            if old in self.published and old not in now.values()
        }


def digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


BAD = {digest("weak"), digest("lock")}


@dataclass
class Archive:
    """A folder, and what is done to it."""

    folder: Path
    clock: int = LONG_AGO

    def write(self, name: str, content: str, *, fresh: bool = False) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.unlink(missing_ok=True)
        path.write_text(content)
        if not fresh:
            self.clock += 10
            os.utime(path, (self.clock, self.clock))

    def apply(self, what: str, one: str, other: str, content: str) -> None:
        first, second = self.folder / one, self.folder / other
        if what == "write":
            self.write(one, content)
        elif what == "write now":
            self.write(one, content, fresh=True)
        elif what == "break":  # a link to nothing: an address that cannot be read
            first.unlink(missing_ok=True)
            first.parent.mkdir(exist_ok=True)
            first.symlink_to(self.folder / "nothing")
        elif what == "delete":
            first.unlink(missing_ok=True)
        elif first.is_file() and what == "touch":
            self.clock += 10
            os.utime(first, (self.clock, self.clock))
        elif first.is_file() and what in {"move", "copy"} and one != other:
            second.parent.mkdir(exist_ok=True)
            second.unlink(missing_ok=True)
            first.replace(second) if what == "move" else shutil.copy2(first, second)
        elif first.is_file() and second.is_file() and what == "swap" and one != other:
            first.rename(self.folder / "aside")
            second.rename(first)
            (self.folder / "aside").rename(second)

    def facts(self) -> dict[str, tuple]:
        """Size and time in microseconds of every address, in the order of a walk."""
        found = {}
        for here, folders, files in os.walk(self.folder):
            folders.sort()
            for name in sorted(files):
                path = Path(here, name)
                facts = path.stat() if path.exists() else None
                found[str(path)] = (facts.st_size, facts.st_mtime_ns // 1000) if facts else (None, None)
        return found

    def contents(self) -> dict[str, str | None]:
        return {uri: Path(uri).read_text() if Path(uri).exists() else None for uri in self.facts()}


async def one_document(  # with the arguments of the real one
    tools: object, document: object, path: Path, stored: object, keep: object, *, unusable: int
) -> SimpleNamespace:
    content = path.read_text()
    if content == "weak":
        raise InvalidCompletionError("no answer tonight")
    if content == "lock":
        raise EncryptedDocumentError("needs a password")
    row = {
        "document_id": document.document_id,
        "source_uri": document.source_uri,
        "status": "ok",
        "run_id": tools.run_id,
    }
    batch = pa.RecordBatch.from_pylist([row], schema=SHARD_TABLES["documents"])
    extraction = SimpleNamespace(info=SimpleNamespace(pages=1), record=SimpleNamespace(status="ok"))
    return SimpleNamespace(batches={"documents": [batch]}, extraction=extraction)


@contextmanager
def quick_runs(opened: list[str]) -> Iterator[None]:
    def seen(address: object, folder: Path, **options: object) -> object:
        opened.append(address.uri)
        return spool(address, folder, **options)

    with (
        quick(),
        mock.patch("flows.runs.shard.extract_document", one_document),
        mock.patch("flows.runs.shard.spool", seen),
        mock.patch(
            "flows.model.endpoint.client", lambda *arguments: mock.AsyncMock()
        ),  # a tenth of a second to make, and nothing to ask
        mock.patch("flows.sources.spool._TOO_FRESH_NS", FRESH * 10**9),
        mock.patch("os.fsync", lambda handle: None),  # nothing is killed here
    ):
        yield


KIND = load_type("invoice")
IDLE = Sandbox(1, 60.0, 1 << 30)  # which starts nothing: no document is split
FAKE = Engine(load_settings(model="offline"), None, IDLE, "http://127.0.0.1:9", None)  # nothing is asked


def check(folder: Path, out: Path, rules: Rules, archive: Archive, *, rehash: bool) -> None:
    opened: list[str] = []
    expected, to_open = rules.run(archive.facts(), archive.contents(), rehash=rehash)
    with quick_runs(opened):
        done = run(FAKE, RunRequest([str(folder)], KIND, out, rehash=rehash, quiet=True))
    assert done.stopped is None
    assert opened == to_open
    summary = done.summary
    assert {name: summary[name] for name in expected} == expected
    parts = ("already_done", "skipped", "ok", "partial", "failed", "deferred")
    assert summary["discovered"] == sum(summary[part] for part in parts) == len(archive.facts())
    assert summary["deferred"] == 0
    dataset = read_dataset(out)
    ids = dataset.rows("documents", ["document_id"]).column(0).to_pylist()
    assert sorted(ids) == sorted(rules.published)
    sources = dataset.rows("sources", dataset.tables["sources"].names)
    remembered = {
        row["source_uri"]: Row(row["document_id"], (row["bytes"], microseconds(row["modified_at"])), row["gone"])
        for row in newest(sources, "source_uri", "seen_at").to_pylist()
    }
    assert remembered == rules.rows
    assert superseded_ids(dataset) == []


def microseconds(at: datetime.datetime | None) -> int | None:
    return None if at is None else round(at.timestamp() * 1_000_000)


KINDS = ["write", "write", "write", "write now", "break", "delete", "delete", "touch", "move", "copy", "swap"]
EVENTS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.sampled_from(PATHS), st.sampled_from(PATHS), st.sampled_from(CONTENTS)),
    max_size=4,
)
NIGHTS = st.lists(
    st.tuples(EVENTS, st.sampled_from(["", "", "", "rehash", "retry", "retry weak", "forget", "delete many"])),
    min_size=2,
    max_size=5,
)


@settings(max_examples=examples(6), suppress_health_check=[HealthCheck.too_slow])
@given(NIGHTS)
@example([([("write", "a.txt", "", "one")], ""), ([("write", "a.txt", "", "two")], ""), ([], "")])  # a new version
@example([([("write", "a.txt", "", "one"), ("write", "b.txt", "", "two")], ""), ([("swap", "a.txt", "b.txt", "")], "")])
@example(
    [
        ([("write", "a.txt", "", "one")], ""),
        ([("move", "a.txt", "b.txt", "")], ""),
        ([("move", "b.txt", "a.txt", "")], ""),
    ]
)
@example(
    [([("write", "a.txt", "", "one")], ""), ([("write", "a.txt", "", "weak")], ""), ([], "retry"), ([], "retry weak")]
)
@example([([("write", "a.txt", "", "one"), ("copy", "a.txt", "b.txt", "")], ""), ([("write", "a.txt", "", "two")], "")])
@example([([("write now", "a.txt", "", "one")], ""), ([], ""), ([("touch", "a.txt", "", "")], "")])
@example([([("write", "a.txt", "", "one")], ""), ([], "delete many"), ([], "forget"), ([], "rehash")])
@example([([("write", "a.txt", "", "one")], "forget"), ([("write", "a.txt", "", "two")], ""), ([], "")])
@example([([("break", "a.txt", "", "")], ""), ([], "rehash"), ([], "retry"), ([("write", "a.txt", "", "lock")], "")])
def test_every_history_is_counted_and_remembered_by_the_rules(nights: list) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder, out = Path(place) / "in", Path(place) / "out"
        archive, rules = Archive(folder), Rules()
        for number in range(FILLERS):
            archive.write(f"filler{number:02d}.txt", f"filler {number}")
        check(folder, out, rules, archive, rehash=False)
        for events, note in nights:
            for event in events:
                archive.apply(*event)
            if note.startswith("retry"):
                name = "InvalidCompletionError" if note == "retry weak" else None
                with mock.patch("os.fsync", lambda handle: None):
                    retry(out, name)
                rules.failed -= {digest("weak")} if name else set(rules.failed)
            elif note == "forget":
                ids = {digest("two"), digest("filler 7")}
                with mock.patch("os.fsync", lambda handle: None):
                    forget_documents(read_dataset(out), f"{new_run_id()}-00000", ids)
                rules.forget(ids)
            elif note == "delete many":
                for number in range(5, 10):
                    (folder / f"filler{number:02d}.txt").unlink(missing_ok=True)
            check(folder, out, rules, archive, rehash=note == "rehash")
