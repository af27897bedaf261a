"""Schemas of others: nothing is fetched, patterns end, and what is too large or broken is a message."""

import http.server
import json
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest

from flows.cli import main
from schemas.document_type import DocumentType, conforms
from schemas.errors import ConfigurationError
from schemas.patterns import SECONDS
from tests.support.children import thread_server


def made(**more: Any) -> DocumentType:
    return DocumentType.from_schema({"type": "object", "properties": {"a": {"type": "string"}}, **more}, "kind")


class Counting(http.server.BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_error(404)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.mark.parametrize("key", ["$ref", "$dynamicRef", "$recursiveRef"])
@pytest.mark.parametrize(
    "around",
    [
        lambda node: {"not": node}, lambda node: {"properties": {"a": node}}, lambda node: {"$defs": {"x": {"if": node}}},
        lambda node: {"anyOf": [node]}, lambda node: {"dependentSchemas": {"a": node}}, lambda node: {"propertyNames": node},
    ],
)  # fmt: skip
def test_a_reference_out_of_the_schema_is_refused_and_fetched_nowhere(key: str, around: Any) -> None:
    Counting.asked.clear()
    with thread_server(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Counting)) as port:
        for target in (f"http://127.0.0.1:{port}/x.json", "file:///etc/passwd", "other.json", "//127.0.0.1/x"):
            with pytest.raises(ConfigurationError, match="nothing is fetched; copy it to"):
                made(**around({key: target}))
            assert not conforms_quietly({"not": {key: target}})
    assert Counting.asked == []


def conforms_quietly(schema: dict[str, Any]) -> bool:
    try:
        return conforms('{"a": "b"}', schema)
    except Exception as error:
        assert "Unresolvable" in type(error).__name__ or "Referencing" in type(error).__name__, error
        return False


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|aa)+$", "(x+x+)+y", "^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_a_pattern_that_backtracks_ends_and_is_tried_once(pattern: str) -> None:
    kind = made(properties={"a": {"type": "string", "pattern": pattern}})
    value = {"a": "a" * 60 + "!" if "x" not in pattern else "x" * 60}
    began = time.process_time()
    for _ in range(20):
        (problem,) = kind.validate(value)
        assert problem.kind == "rejected"
    assert time.process_time() - began < 20 * SECONDS  # each value alone may take that long


def test_an_ordinary_pattern_is_compared_as_before() -> None:
    kind = made(properties={"a": {"type": "string", "pattern": r"^(?!0)\d{3}$"}})
    assert kind.validate({"a": "123"}) == ()
    assert [problem.kind for problem in kind.validate({"a": "012"})] == ["rejected"]


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"properties": {"a": {"pattern": "("}}}, "cannot be read"),
        ({"properties": {"\ud800": {"type": "string"}}}, "half of a character"),
        ({"description": "\udfff"}, "half of a character"),
        ({"properties": {"a": {"$ref": "#/$defs/d0"}},
          "$defs": {f"d{n}": {"type": "object", "properties": {"x": {"$ref": f"#/$defs/d{n + 1}"}, "y": {"$ref": f"#/$defs/d{n + 1}"}}}
                    for n in range(40)} | {"d40": {"type": "string"}}}, "more than 20,000 fields"),
    ],
)  # fmt: skip
def test_what_cannot_be_held_is_a_message(schema: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        made(**schema)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, json.dumps({"not": {"$ref": "http://x"}}), "\x00"])
def test_a_file_that_is_no_schema_has_no_traceback(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kind.json").write_text(text)
    assert main(["types", "check", str(tmp_path / "kind.json")]) == 2
    assert "Traceback" not in (said := capsys.readouterr().err)
    assert "; " in said


def test_a_schema_that_nests_too_deeply_is_refused() -> None:
    node: dict[str, Any] = {"type": "string"}
    for _ in range(300):
        node = {"type": "object", "properties": {"a": node}}
    with pytest.raises(ConfigurationError, match="nests more than"):
        DocumentType.from_schema(node, "deep")
