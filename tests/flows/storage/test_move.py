"""An archive that has moved: addresses change, nothing is opened or asked again, and a kill leaves all or none."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.cli import main
from flows.storage.move import move_addresses
from flows.storage.open import read_dataset
from flows.storage.verify import verify
from schemas.errors import ConfigurationError
from tests.support.archives import break_some, invoices
from tests.support.outcomes import rows


def addresses(out: Path, table: str = "documents") -> set[str]:
    return {uri for (uri,) in rows(out, table, "source_uri")}


def test_the_next_run_at_the_new_place_opens_nothing_and_asks_nothing(
    tmp_path: Path, extract: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = invoices(tmp_path / "old" / "in", 4), tmp_path / "out"
    (tmp_path / "old" / "in").joinpath("sub").mkdir()
    (source / "invoice003.pdf").rename(source / "sub" / "invoice003.pdf")
    break_some(source, range(1))
    extract(source, out)
    before = rows(out, "documents", "document_id, file_name, extracted_at")
    shutil.move(tmp_path / "old", tmp_path / "new")
    capsys.readouterr()
    assert main(["move", str(out), str(tmp_path / "old"), f"{tmp_path / 'new'}/"]) == 0
    assert "3 rows of `documents`, 1 rows of `failures`" in capsys.readouterr().out
    for table in ("documents", "failures", "sources"):
        assert all(uri.startswith(str(tmp_path / "new" / "in")) for uri in addresses(out, table))
    assert {found for (found,) in rows(out, "sources", "found_by")} == {str(tmp_path / "new" / "in")}
    assert rows(out, "documents", "document_id, file_name, extracted_at") == before
    assert verify(out) == []
    again = extract(tmp_path / "new" / "in", out)
    assert (again.summary["already_done"], again.summary["skipped"], again.summary["ok"]) == (3, 1, 0)
    assert (again.summary["requests"], again.summary["gone"]) == (0, 0)


def test_a_prefix_ends_with_a_step_and_characters_of_any_kind_are_kept(tmp_path: Path, extract: Callable) -> None:
    out, here = tmp_path / "out", tmp_path / "ar%chive_é"
    for folder in (here, tmp_path / "ar%chive_é2"):
        invoices(folder, 1)
    (tmp_path / "ar%chive_é2" / "invoice000.pdf").write_bytes(
        (invoices(tmp_path / "x", 2) / "invoice001.pdf").read_bytes()
    )
    extract(here, out)
    extract(tmp_path / "ar%chive_é2", out)
    move_addresses(out, str(here), "s3://bucket/é")
    assert addresses(out) == {"s3://bucket/é/invoice000.pdf", str(tmp_path / "ar%chive_é2" / "invoice000.pdf")}
    move_addresses(out, "s3://bucket/", "/")
    assert "/é/invoice000.pdf" in addresses(out)


def test_what_cannot_be_moved_says_why(tmp_path: Path, extract: Callable) -> None:
    out = tmp_path / "out"
    extract(invoices(tmp_path / "in", 1), out)
    with pytest.raises(ConfigurationError, match=r"no address of .* begins with /nowhere; "):
        move_addresses(out, "/nowhere", "/new")
    with pytest.raises(ConfigurationError, match="the same address"):
        move_addresses(out, str(tmp_path / "in"), f"{tmp_path / 'in'}/")
    dataset = read_dataset(out)
    assert dataset.files("documents")
