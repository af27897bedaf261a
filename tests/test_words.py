"""Words: one name has one meaning, docstrings say what a thing is, and no function or module is longer than a page or two."""

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT

MODULES = {
    path.relative_to(ROOT): ast.parse(path.read_text(encoding="utf-8"))
    for room in ("flows", "extractors", "schemas")
    for path in sorted((ROOT / room).rglob("*.py"))
}
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
PRONOUNS = frozenset({"place", "each", "held", "told", "said"})
FEW = 10  # uses of a pronoun as a name, in all
LONGEST_FUNCTION, LONGEST_MODULE = 60, 300  # lines
COMMANDS = Path("flows/commands")  # a command has a line for each of its flags


def definitions(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, FUNCTION | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def test_no_public_name_is_defined_in_two_modules() -> None:
    modules = defaultdict(list)
    for path, tree in MODULES.items():
        for name in set(definitions(tree)):
            if not name.startswith("_"):
                modules[name].append(str(path))
    assert {name: paths for name, paths in modules.items() if len(paths) > 1} == {}


def test_a_docstring_begins_with_a_noun_or_a_verb() -> None:
    docstrings = [
        (path, docstring)
        for path, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, FUNCTION | ast.ClassDef | ast.Module) and (docstring := ast.get_docstring(node))
    ]
    assert len(docstrings) > 1_000
    assert [found for found in docstrings if re.match(r"(What|Which|Where|How|Who)\b", found[1])] == []


def test_names_say_the_thing_and_not_a_pronoun() -> None:
    names: Counter[str] = Counter()
    for tree in MODULES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                names[node.id] += 1
            elif isinstance(node, ast.arg | ast.keyword):
                names[node.arg or ""] += 1
            elif isinstance(node, ast.Attribute):
                names[node.attr] += 1
    assert {name: names[name] for name in PRONOUNS if names[name] >= FEW} == {}


def test_a_function_fits_a_screen_and_a_module_a_few() -> None:
    long = [
        (str(path), node.name)
        for path, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, FUNCTION)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= LONGEST_FUNCTION
        and not path.is_relative_to(COMMANDS)
    ]
    assert long == []
    assert [
        str(path) for path in MODULES if (ROOT / path).read_text(encoding="utf-8").count("\n") > LONGEST_MODULE
    ] == []
