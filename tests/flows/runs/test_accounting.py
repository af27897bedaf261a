"""What is told when a run opens its book: files that are damaged, which its own documents do not suffer from."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "0 bytes": lambda data: b"",
    "3 bytes": lambda data: b"AR1",
    "truncated": lambda data: data[: len(data) // 2],
    "garbage": lambda data: b"what is this" * 100,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named_and_the_run_goes_on(
    damage: str, samples_out: dict[str, Path], tmp_path: Path, extract: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    out = Path(shutil.copytree(samples_out["invoices"], tmp_path / "out"))
    source = tmp_path / "new.txt"
    source.write_text("INVOICE\nInvoice number: 17\nInvoice date: 2026-01-05\nTotal: 12.00 EUR\n")
    path = max((out / "invoice_line_items").glob("2*.parquet"))
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    done = extract(source, out)
    assert done.exit_code == 0
    assert done.summary["ok"] + done.summary["partial"] == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "damaged" in line]
    assert line.startswith(f"{path} is damaged; restore it from a copy, or move every {out}/*/{path.name} away")


def test_of_a_sound_dataset_nothing_is_said(
    samples_out: dict[str, Path], tmp_path: Path, extract: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    out = Path(shutil.copytree(samples_out["invoices"], tmp_path / "out"))
    source = tmp_path / "new.txt"
    source.write_text("INVOICE\nInvoice number: 17\n")
    extract(source, out)
    assert "damaged" not in capsys.readouterr().err
