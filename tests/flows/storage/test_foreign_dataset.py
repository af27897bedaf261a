"""A dataset that comes from elsewhere: whatever its names, notes and links say, nothing outside OUT is written or deleted."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from flows.durable_files import write_durably, written_aside
from flows.storage.backends.disk import DiskStore
from flows.storage.backends.keys import checked_key
from flows.storage.backends.object_store import ObjectStore
from flows.storage.dataset import decode_schema
from flows.storage.open import open_dataset, read_dataset
from flows.storage.publish import publish
from flows.storage.recover import recover
from flows.storage.remove import forget_documents
from schemas.document_type import DocumentType
from schemas.errors import ConfigurationError, DatasetError, PagemillError
from schemas.record_tables import record_tables
from tests.support.folder_client import FolderClient
from tests.support.shards import SPEC, document

RUN = "20260101T000000-aaaaaa"
SHARD = f"{RUN}-00000"
OTHER = "20260102T000000-bbbbbb"
LEADING_OUT = [
    "../x", "..", "/etc/x", "a/../../x", "a//x", "a/./x", "", ".", "a/", "/", "a\\..\\x/\\", "a\nb", "a\0b", "a/.x", "~/x",
    "C:/x", "a b/../x", "a/\u2024\u2024/x", "%2e%2e/x", "x" * 300,
]  # fmt: skip


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A dataset with a document, beside a file and a folder of somebody else."""
    dataset = open_dataset(tmp_path / "out", SPEC)
    publish(dataset, SHARD, document(1, SHARD))
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "letter.parquet").write_text("mine")
    (tmp_path / "letter").write_text("mine")
    return tmp_path / "out"


def outside(out: Path) -> dict[str, bytes]:
    """Everything beside the dataset, with its content."""
    return {
        str(path.relative_to(out.parent)): path.read_bytes() if path.is_file() else b""
        for path in sorted(out.parent.rglob("*"))
        if not path.is_relative_to(out)
    }


def refused(out: Path, call: Callable[[], object], *words: str) -> None:
    """Assert that a call is refused with words and that nothing outside has changed."""
    before = outside(out)
    with pytest.raises(DatasetError) as refusal:
        call()
    for word in words:
        assert word in str(refusal.value)
    assert outside(out) == before


def recovered(out: Path) -> None:
    dataset = read_dataset(out)
    with dataset.locked():
        recover(dataset)


@pytest.mark.parametrize("key", LEADING_OUT)
def test_no_store_takes_a_key_that_leads_elsewhere(out: Path, tmp_path: Path, key: str) -> None:
    client = FolderClient(tmp_path / "objects")
    for store in (DiskStore(out), ObjectStore(client, "s3://bucket/prefix")):
        schema = pa.schema([("a", pa.int64())])
        for call in (
            lambda key: store.write(key, b""),
            lambda key: store.append(key, b""),
            lambda key: store.write_parquet(key, schema, ()),
            lambda key: store.publish_parquet(key, schema, ()),
            lambda key: store.move(key, "invoice/x.parquet", {"sha256": "", "etag": ""}),
            lambda key: store.move("README.md", key, {"sha256": "", "etag": ""}),
            store.unlink,
            store.remove,
            store.read,
            store.open,
            store.exists,
            store.names,
            store.stamps,
            store.lease,
            store.segment,
            store.read_segment,
            store.spool,
        ):
            refused(out, lambda call=call: call(key), "invalid name", "move")


def test_the_keys_of_a_dataset_pass(out: Path) -> None:
    for path in out.rglob("*"):
        checked_key(path.relative_to(out).as_posix(), str(out))


@pytest.mark.parametrize(
    "entry",
    [
        {"target": "../../letter"}, {"target": "/x"}, {"file": "../../../letter"}, {"file": "/etc/hostname"},
        {"file": ".."}, {"target": "."}, {"target": 7}, {"file": ["x"]}, {"sha256": None}, {"target": "a\nb"},
    ],
    ids=str,
)  # fmt: skip
def test_ready_names_nothing_outside(out: Path, entry: dict) -> None:
    staged = out / "_work" / "staged" / f"{OTHER}-00000"
    staged.mkdir()
    (staged / "invoice.parquet").write_bytes(b"x")
    listed = [{"table": "invoice", "target": OTHER, "file": "invoice.parquet", "sha256": "0", **entry}]
    (staged / "READY").write_text(json.dumps(listed))
    refused(out, lambda: recovered(out), "move", "away" if "sha256" not in entry else "")


@pytest.mark.parametrize(
    "text", ['{"a": 1}', "[1]", "null", "[" * 100_000, '[{"table": ["x"]}]', "\ud800"], ids=lambda text: text[:9]
)
def test_ready_of_another_form_is_refused_in_words(out: Path, text: str) -> None:
    staged = out / "_work" / "staged" / f"{OTHER}-00000"
    staged.mkdir()
    (staged / "READY").write_bytes(text.encode("utf-8", "surrogatepass"))
    refused(out, lambda: recovered(out), "READY", "move")


@pytest.mark.parametrize("note", [[], {}, {"run_id": "../../../letter"}, "x"], ids=str)
def test_the_note_of_a_run_names_nothing_outside(out: Path, note: object) -> None:
    (out / "_work" / "runs" / f"{OTHER}.json").write_text(json.dumps(note))
    refused(out, lambda: recovered(out), OTHER, "move it away")


def test_a_note_that_states_another_run_makes_rows_of_its_own_name(out: Path) -> None:
    facts = dict.fromkeys(("discovered", "already_done", "skipped"), 0)
    facts |= {"started_at": "2026-01-02T00:00:00+00:00", "recipe_id": "r", "version": "1", "run_id": "../../letter"}
    before = outside(out)
    (out / "_work" / "runs" / f"{OTHER}.json").write_text(json.dumps(facts))
    recovered(out)
    assert outside(out) == before
    assert (out / "runs" / f"{OTHER}.parquet").exists()


@pytest.mark.parametrize("body", [b"[]", b'{"a": 1}', b'{"document_id": 1, "request_id": {}}', b"7"], ids=repr)
def test_a_journal_of_another_form_is_refused_in_words(out: Path, body: bytes) -> None:
    import zlib

    (out / "_work" / "journal" / f"{OTHER}-00000").write_bytes(b"%08x %s\n" % (zlib.crc32(body), body))
    refused(out, lambda: recovered(out), "journal", "move it away")


@pytest.mark.parametrize(
    "place", ["_work", "_work/staged", "_work/reports", "_work/journal", "_work/forgets", "_work/leases", "invoice"]
)
def test_a_linked_folder_is_refused_before_anything_is_changed(out: Path, place: str) -> None:
    folder = out / place
    if folder.exists():
        folder.rename(out.parent / "moved")
    else:
        (out.parent / "moved").mkdir()
        (out.parent / "moved" / "page.html").write_text("theirs")
    folder.symlink_to(out.parent / "moved")
    rows = {path: path.read_bytes() for path in out.rglob("*.parquet")}
    refused(
        out,
        lambda: forget_documents(read_dataset(out), f"{OTHER}-forget", [f"{1:064d}"]),
        "is a link",
        "remove the link",
    )
    refused(out, lambda: publish(read_dataset(out), f"{OTHER}-00000", document(2, f"{OTHER}-00000")), "is a link")
    refused(out, lambda: open_dataset(out, SPEC), "is a link")
    assert {path: path.read_bytes() for path in out.rglob("*.parquet")} == rows


def test_files_that_are_links_are_replaced_and_not_followed(out: Path) -> None:
    letter, store = out.parent / "letter", DiskStore(out)
    for key in ("_work/forgotten", "_work/forgotten.aside", "_work/retries.json.aside", "README.md"):
        (out / key).unlink(missing_ok=True)
        (out / key).symlink_to(letter)
    store.write("_work/forgotten", b"new")
    store.write("_work/retries.json", b"new")
    store.write("README.md", b"new")
    (out / "_work" / "claims" / RUN).symlink_to(letter)
    refused(out, lambda: store.append(f"_work/claims/{RUN}", b"new"), "is a link")
    store.remove(f"_work/claims/{RUN}")
    for name in (f"journal/{OTHER}-00000", f"leases/{OTHER}", f"staged/{OTHER}"):
        (out / "_work" / name).symlink_to(letter)
    refused(out, lambda: store.segment(f"{OTHER}-00000"), "is a link")
    refused(out, lambda: store.lease(OTHER), "is a link")
    refused(out, lambda: store.write_parquet(f"_work/staged/{OTHER}", pa.schema([]), ()), "is a link")
    assert letter.read_text() == "mine"


def test_a_folder_may_be_named_by_a_link(out: Path) -> None:
    link = out.parent / "latest"
    link.symlink_to(out)
    publish(open_dataset(link, SPEC), f"{OTHER}-00000", document(2, f"{OTHER}-00000"))
    assert read_dataset(out).published_ids() == {f"{1:064d}", f"{2:064d}"}


def test_a_file_beside_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("mine")
    for name in ("a.aside", "b.aside"):
        (tmp_path / name).symlink_to(tmp_path / "letter")
    write_durably(tmp_path / "a", b"new")
    with written_aside(tmp_path / "b") as (aside,):
        aside.write_bytes(b"new")
    assert (tmp_path / "letter").read_text() == "mine"
    assert (tmp_path / "b").read_text() == "new"


@pytest.mark.parametrize("name", [*LEADING_OUT, "_work", "_WORK", "a.b", "a b", "-a"])
def test_a_statement_names_no_table_outside(out: Path, name: str) -> None:
    file = out / "_work" / "dataset.json"
    stated = json.loads(file.read_text())
    other = (
        {"document_type": name},
        {"record_tables": [name]},
        {"tables": {**stated["tables"], name: stated["tables"]["invoice"]}},
    )
    for change in other:
        file.write_text(json.dumps({**stated, **change}))
        refused(out, lambda: read_dataset(out), "dataset.json", "restore it from a copy")
        refused(out, lambda: open_dataset(out, SPEC), "dataset.json")


@pytest.mark.parametrize(
    "change",
    [{"tables": None}, {"tables": []}, {"record_tables": "x"}, {"schema": 7}, {"tables": {"a": "!"}, "record_tables": []},
     {"tables": {"a": "AAAA"}, "record_tables": []}, {"record_tables": ["absent"]}, {"tables": {"a": 7}, "record_tables": []}],
    ids=str,
)  # fmt: skip
def test_a_statement_of_another_form_is_refused_in_words(out: Path, change: dict) -> None:
    file = out / "_work" / "dataset.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    refused(out, lambda: read_dataset(out), "dataset.json", "restore it from a copy")


@pytest.mark.parametrize("key", ["a/../../x", "..", "/etc", "a b", "a.b", "a\nb", "x" * 250, "\ud800", "é" * 120])
def test_a_schema_names_no_list_outside(key: str) -> None:
    items = {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}}
    for properties in ({key: items}, {"part": {"type": "object", "properties": {key: items}}}):
        schema = {"type": "object", "properties": properties}
        with pytest.raises(ConfigurationError, match=r"rename|write it whole"):
            record_tables(DocumentType.from_schema(schema, "letter"))


class _Runs:
    def __reduce__(self) -> tuple[object, ...]:
        return (pytest.fail, ("a dataset's pickle was run",))


def test_pickles_in_a_statement_are_not_run() -> None:
    import base64

    metadata = {"ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": pickle.dumps(_Runs())}
    schema = pa.schema([pa.field("a", pa.int64(), metadata=metadata)])
    assert decode_schema(base64.b64encode(schema.serialize().to_pybytes()).decode()).names == ["a"]


def test_every_refusal_is_one_of_ours(out: Path) -> None:
    (out / "_work" / "forgotten").write_bytes(b"\xff\xfe")
    with pytest.raises(PagemillError, match="restore it from a copy"):
        read_dataset(out).forgotten_ids()
