"""Documents found by what people call them, from a few columns and not from whole tables."""

import shutil
from pathlib import Path

import pytest

from flows.storage.dataset import Dataset
from flows.storage.find import find_documents
from flows.storage.open import read_dataset
from schemas.errors import ConfigurationError


@pytest.fixture
def dataset(samples_out: dict[str, Path], tmp_path: Path) -> Dataset:
    return read_dataset(shutil.copytree(samples_out["invoices"], tmp_path / "out"))


def rows_of(dataset: Dataset) -> list[dict]:
    return dataset.rows("documents", ["document_id", "source_uri", "file_name"]).to_pylist()


def test_an_id_its_beginning_a_path_and_a_file_name_mean_the_same_document(dataset: Dataset) -> None:
    for row in rows_of(dataset):
        for name in (row["document_id"], row["document_id"][:12], row["source_uri"], row["file_name"]):
            (found,) = find_documents(dataset, [name], None)
            assert (found.document_id, found.source_uri, found.file_name) == tuple(row.values())


def test_names_and_a_condition_add_up(dataset: Dataset) -> None:
    rows = rows_of(dataset)
    found = find_documents(dataset, [rows[0]["file_name"]], "pages >= 1")
    assert {document.document_id for document in found} == {row["document_id"] for row in rows}
    assert len(found) == len(rows)


def test_a_name_that_means_nothing_is_refused(dataset: Dataset) -> None:
    for name in ("nothing.pdf", "00000", "/no/such/path.pdf", ""):
        with pytest.raises(ConfigurationError, match="is no document of"):
            find_documents(dataset, [name], None)


def test_no_more_than_the_columns_of_names_is_read(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[tuple[str, tuple[str, ...]]] = []
    rows = Dataset.rows

    def noted(self: Dataset, table: str, columns: object) -> object:
        read.append((table, tuple(columns)))
        return rows(self, table, columns)

    monkeypatch.setattr(Dataset, "rows", noted)
    find_documents(dataset, ["nordlicht.pdf"], None)
    assert {table for table, _ in read} == {"documents", "sources", "failures"}
    assert all(set(columns) <= {"document_id", "source_uri", "file_name"} for _, columns in read)
