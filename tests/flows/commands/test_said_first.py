"""What a command says before it does it: the version, and that a type's file is code."""

from importlib.metadata import version
from pathlib import Path

import pytest

from flows import type_loader
from flows.cli import main

CODE = "from pydantic import BaseModel\nclass Note(BaseModel):\n    number: str | None = None\n"


def test_the_version_is_printed_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"pagemill {version('pagemill')}\n"


def test_a_type_that_is_code_is_named_once_and_a_schema_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type_loader, "_SAID", [])
    (tmp_path / "own.py").write_text(CODE)
    for _ in range(2):
        assert main(["types", "check", f"{tmp_path}/own.py:Note"]) == 0
    assert capsys.readouterr().err.count("runs the code of that file") == 1
    assert main(["types", "check", "invoice"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("command", ["run", "serve", "deploy", "try", "refresh"])
def test_the_help_says_it(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "file.py:Class" in said
    assert "runs the code" in said or "code is run" in said
