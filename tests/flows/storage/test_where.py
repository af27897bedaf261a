"""A condition in SQL is one expression over the documents: it reads nothing else, and a wrong one is a message."""

from pathlib import Path

import pytest

from flows.storage.find import find_documents
from flows.storage.open import read_dataset
from schemas.errors import ConfigurationError


@pytest.fixture(scope="module")
def out(samples_out: dict[str, Path]) -> Path:
    return samples_out["invoices"]


@pytest.mark.parametrize(
    "where",
    [
        "1=1; drop table documents", "1=1) union select 'x' as document_id --", "1=1 union select document_id from documents",
        "pages >", "unknown_column = 1", "'", '"', "(", ")", "", "select 1", "1=1; copy documents to 'x.csv'",
        "document_id in (select column0 from read_csv('/etc/passwd'))", "(select count(*) from read_text('/etc/passwd')) > 0",
        "exists (from '/etc/passwd')", "pages = 'many'", "\x00", "set enable_external_access = true",
    ],
)  # fmt: skip
def test_what_is_no_condition_or_leads_elsewhere_is_refused(out: Path, where: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"--where: no condition .*one looks like") as caught:
        find_documents(read_dataset(out), [], where)
    assert "root:" not in str(caught.value)
    assert not (tmp_path / "x.csv").exists()


@pytest.mark.parametrize("where", ["pages >= 1", "file_name like '%.pdf' -- all of them", "document_id is not null\n"])
def test_a_condition_chooses_documents(out: Path, where: str) -> None:
    dataset = read_dataset(out)
    assert len(find_documents(dataset, [], where)) == dataset.rows("documents", ["document_id"]).num_rows
