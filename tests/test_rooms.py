"""The maps: each `__init__.py` names exactly the modules and rooms of its folder, with a line for each."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

FOLDERS = sorted(
    path.parent.relative_to(ROOT)
    for room in ("flows", "extractors", "schemas")
    for path in (ROOT / room).rglob("__init__.py")
)
LEVEL = 8  # modules directly in flows/, the hall that everybody passes


def rooms_of(folder: Path) -> set[str]:
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    return modules | {path.name for path in folder.iterdir() if (path / "__init__.py").exists()}


@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_the_map_of_a_room_names_its_modules_and_nothing_else(folder: Path) -> None:
    docstring = ast.get_docstring(ast.parse((ROOT / folder / "__init__.py").read_text()))
    assert docstring is not None
    purpose, blank, *lines = docstring.split("\n")
    assert purpose.endswith(".") and not blank
    entries = [re.fullmatch(r"(\w+) {2,}(\S.{9,})", line) for line in lines]
    assert all(entries), lines
    named = [entry[1] for entry in entries if entry]
    assert len(named) == len(set(named))
    assert set(named) == rooms_of(ROOT / folder)


def test_the_hall_of_flows_holds_few_modules() -> None:
    assert len([path for path in (ROOT / "flows").glob("*.py") if path.stem != "__init__"]) <= LEVEL


def test_the_picture_of_the_rooms_is_of_these_rooms(tmp_path: Path) -> None:
    drawn = tmp_path / "rooms.svg"
    subprocess.run([sys.executable, ROOT / "docs" / "pictures" / "draw_rooms.py", drawn], check=True)
    assert drawn.read_text() == (ROOT / "docs" / "pictures" / "rooms.svg").read_text()
