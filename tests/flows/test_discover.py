"""Addresses: folders, globs and lists, each once, the output left out."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.discover import discover
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
