"""Addresses: folders, globs and lists, each once, the output left out."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.sources.addresses import Address, Addresses
from flows.sources.discover import discover
from schemas.errors import ConfigurationError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.pdf", "sub/b.PDF", "sub/c.txt", "sub/d.xyz", "out/e.pdf", "deep/er/f.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def names(sources: list[str], folder: Path) -> list[str]:
    return [
        os.path.relpath(each.uri, folder)
        for each in discover(sources, folder / "out", [".pdf", ".png", ".txt"]).addresses
    ]


def test_a_folder_is_searched_by_extension_and_never_the_output(folder: Path) -> None:
    assert names([str(folder)], folder) == ["a.pdf", "deep/er/f.png", "sub/b.PDF", "sub/c.txt"]


def test_a_glob_a_file_and_a_list_name_each_address_once(folder: Path) -> None:
    (folder / "list.txt").write_text(f"# mine\n{folder / 'a.pdf'}\n\n{folder / 'gone.pdf'}\n")
    found = names([f"{folder}/**/*.pdf", f"{folder}/sub/d.xyz", f"@{folder}/list.txt"], folder)
    assert found == ["a.pdf", "sub/d.xyz", "gone.pdf"]  # an explicitly named file is always taken


def test_a_table_of_addresses_keeps_its_other_columns(folder: Path) -> None:
    (folder / "list.csv").write_text(f"uri,vendor\n{folder / 'a.pdf'},Kestrel\n")
    pq.write_table(pa.table({"uri": [str(folder / "a.pdf")], "year": [2026]}), folder / "list.parquet")
    (from_csv,) = discover([f"@{folder}/list.csv"], folder / "out", [".pdf"]).addresses
    (from_parquet,) = discover([f"@{folder}/list.parquet"], folder / "out", [".pdf"]).addresses
    assert (from_csv.attributes, from_parquet.attributes) == ('{"vendor": "Kestrel"}', '{"year": 2026}')
    assert from_csv.size == 1


@pytest.mark.parametrize("source", ["nowhere", "*.nothing", "@nowhere.txt", "s3://bucket/x.pdf", "@columns.csv"])
def test_a_source_that_matches_nothing_is_refused(folder: Path, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "columns.csv").write_text("path\nx\n")
    with pytest.raises(ConfigurationError):
        discover([source], folder / "out", [".pdf"])


def test_a_source_that_matches_nothing_may_be_allowed_and_takes_nothing_from_the_others(folder: Path) -> None:
    found = discover([f"{folder}/*.nothing", str(folder / "sub")], folder / "out", [".pdf"], allow_empty=True)
    assert [each.file_name for each in found.addresses] == ["b.PDF"]


def test_sources_say_what_they_cover_and_whether_they_were_listed_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "list.txt").write_text(f"{folder / 'a.pdf'}\n")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("/deep"):
            raise OSError(5, "Input/output error")
        return scandir(path)

    monkeypatch.setattr("os.scandir", refuse)
    named = [str(folder / "sub"), str(folder), f"@{folder}/list.txt", str(folder / "a.pdf")]
    found = discover(named, folder / "out", [".pdf"])
    assert [(source.name, source.is_complete) for source in found.sources] == [
        (str(folder / "sub"), True),
        (str(folder), False),
        (f"@{folder}/list.txt", True),
    ]
    assert found.troubles == (f"{folder}/deep: cannot be listed (Input/output error)",)


def test_a_list_with_an_empty_address_is_refused(folder: Path) -> None:
    (folder / "list.csv").write_text("uri,x\n,1\n")
    with pytest.raises(ConfigurationError, match="without `uri`"):
        discover([f"@{folder}/list.csv"], folder / "out", [".pdf"])


def test_addresses_are_a_sequence_over_columns(folder: Path) -> None:
    addresses = discover([str(folder)], folder / "out", [".pdf", ".txt", ".png"]).addresses
    assert addresses[-1] == list(addresses)[-1]
    assert list(addresses[1:3]) == list(addresses)[1:3]
    assert list(addresses[::2]) == list(addresses)[::2]
    assert list(addresses.sizes()) == [1] * 4
    with pytest.raises(IndexError):
        addresses[4]


def test_a_time_that_no_table_can_hold_is_no_time() -> None:
    collected = Addresses.collect([Address("/a", 1, 10**20), Address("/b", 1, -(10**20)), Address("/c", 1, -1)])
    assert [each.modified_us for each in collected] == [None, None, -1]
