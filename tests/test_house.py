"""The house rules that a test can hold: which way imports go, what is pinned, what no file may say."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

TRACKED = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [
        str(Path(sys.executable).parent / "lint-imports"),
        "--no-cache",
        "--config",
        str(folder / "pyproject.toml"),
    ]
    return subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"},
        check=False,
    )


def test_the_import_contracts_hold() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("schemas/models.py", "import extractors.tokens"),
        ("extractors/chunk.py", "import extractors.prompt.prompt"),
        ("extractors/merge/merge.py", "import prefect"),
        ("extractors/prompt/prompt.py", "import schemas.invoice"),
        ("flows/sources/plan.py", "import pymupdf"),
    ],
)
def test_a_broken_contract_is_found(tmp_path: Path, file: str, line: str) -> None:
    for room in ("flows", "extractors", "schemas"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = tmp_path / file
    path.write_text(f"{path.read_text()}\n{line}\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1
    assert "BROKEN" in done.stdout


def test_no_code_stands_in_an_init_file() -> None:
    for name in TRACKED:
        if name.endswith("__init__.py"):
            text = (ROOT / name).read_text()
            assert re.fullmatch(r'\s*(""".*?""")?\s*', text, re.DOTALL), name


def test_pins_are_names_and_versions_only() -> None:
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!_-]+|#.*|", line), line


def test_no_file_names_an_index_or_a_machine() -> None:
    parts = [
        "-".join(("index", "url")),
        "/".join(("", "simple", "")),
        f"{ROOT}/",
        f"{ROOT.parent}/",
        f"{Path.home()}/.",
    ]
    forbidden = re.compile("|".join(map(re.escape, parts)))
    for name in TRACKED:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".txt", ".json", ".yaml", ""} and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            assert not forbidden.search(text), name


def test_settings_are_read_in_one_place() -> None:
    """Prefect's own variables (flows/runs/prefect_server.py) and a child's environment aside, only settings reads the environment."""
    readers = [
        name
        for name in TRACKED
        if name.startswith("flows/") and name.endswith(".py") and "os.environ" in (ROOT / name).read_text()
    ]
    assert readers == ["flows/runs/prefect_server.py"]
