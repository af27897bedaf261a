"""The house rules that a test can hold: which way imports go, what is pinned, what no file may say."""

import functools
import re
import subprocess
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from importlinter.application import use_cases
from importlinter.application.user_options import UserOptions
from importlinter.configuration import configure
from importlinter.domain.contract import registry

from tests.conftest import ROOT

TRACKED = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")


@functools.cache
def import_graph() -> tuple[Any, UserOptions]:
    """The imports of the three packages as `lint-imports` reads them, once for all tests, and its configuration."""
    configure()
    options = use_cases.read_user_options(str(ROOT / "pyproject.toml"))
    use_cases._register_contract_types(options)
    session = options.session_options
    graph = use_cases._build_graph(session["root_packages"], session["include_external_packages"], False, False, None)
    return graph, options


def broken(graph: Any, options: UserOptions) -> list[str]:
    """The names of the contracts that imports break."""
    contracts = [
        registry.get_contract_class(each["type"])(each["name"], options.session_options, each)
        for each in options.contracts_options
    ]
    return [each.name for each in contracts if not each.check(deepcopy(graph), verbose=False).kept]


def test_the_import_contracts_hold() -> None:
    graph, options = import_graph()
    assert len(options.contracts_options) >= 5
    assert broken(graph, options) == []


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("schemas.models", "extractors.tokens"),
        ("extractors.chunk", "extractors.prompt.prompt"),
        ("extractors.merge.merge", "prefect"),
        ("extractors.prompt.prompt", "schemas.invoice"),
        ("flows.sources.plan", "pymupdf"),
        ("flows.storage.publish", "flows.sources.plan"),
        ("flows.model.wire", "flows.reports.status"),
        ("flows.runs.shard", "flows.runs.run"),
        ("extractors.ground.ground", "extractors.parse.parse"),
        ("flows.storage.backends.disk", "flows.storage.dataset"),
        ("flows.review.page", "jinja2"),
        ("flows.review.why", "prefect"),
    ],
)
def test_a_broken_contract_is_found(importer: str, imported: str) -> None:
    graph, options = import_graph()
    assert {importer, imported} <= graph.modules
    assert not graph.direct_import_exists(importer=importer, imported=imported)
    changed = deepcopy(graph)
    changed.add_import(importer=importer, imported=imported, line_number=1, line_contents=f"import {imported}")
    assert len(broken(changed, options)) >= 1


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
    """Prefect's own variables (flows/runs/prefect_server.py and its settings) and a child's environment aside, only settings reads the environment."""
    readers = [
        name
        for name in TRACKED
        if name.startswith("flows/") and name.endswith(".py") and "os.environ" in (ROOT / name).read_text()
    ]
    assert readers == ["flows/documents/sandbox.py", "flows/runs/prefect_server.py", "flows/runs/prefect_settings.py"]
