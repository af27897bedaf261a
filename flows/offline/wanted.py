"""Concept of each property of the wanted schema: one of the lexicon, or the property's own name as a label."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from flows.offline.lexicon import CONCEPTS, ITEM_CONCEPTS, Concept, words

_NOTE = re.compile(r"\s*\((?:YYYY|JSON|whole|number|true)[^)]*\)")
_PARTY = re.compile(
    r"(?:^|_)(seller|supplier|vendor|issuer|sender|biller|buyer|customer|client|recipient|bill_to)_(name|company|address|city|town)$"
)
_SELLERS = frozenset({"seller", "supplier", "vendor", "issuer", "sender", "biller"})
_JSON_KINDS = {"integer": "integer", "number": "money", "boolean": "boolean"}


class Leaf(NamedTuple):
    """A property of one value: `concept` is what is searched for, `kind` how it is read."""

    path: tuple[str, ...]
    concept: str
    kind: str
    node: Mapping[str, Any]
    phrases: tuple[str, ...]


def json_type(node: Mapping[str, Any]) -> str:
    """The type of a property, besides null."""
    kinds = node.get("type")
    if isinstance(kinds, list):
        return next((str(kind) for kind in kinds if kind != "null"), "string")
    return str(kinds) if kinds else "object" if "properties" in node else "string"


def properties(node: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The properties of an object schema; those that are no schemas are left out."""
    stated = node.get("properties")
    if not isinstance(stated, Mapping):
        return {}
    return {str(key): below for key, below in stated.items() if isinstance(below, Mapping)}


def leaves(node: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """The leaves of an object, without those in lists."""
    for key, below in properties(node).items():
        kind = json_type(below)
        if kind == "object":
            yield from leaves(below, (*path, key))
        elif kind != "array":
            yield _leaf((*path, key), below, CONCEPTS)


def columns(item: Mapping[str, Any]) -> list[Leaf]:
    """The leaves of a list's item, by the lexicon of table headers."""
    return [
        _leaf((key,), below, ITEM_CONCEPTS)
        for key, below in properties(item).items()
        if json_type(below) not in {"object", "array"}
    ]


def _leaf(path: tuple[str, ...], node: Mapping[str, Any], concepts: Mapping[str, Concept]) -> Leaf:
    about = _NOTE.sub("", str(node.get("description") or ""))
    names = ["_".join(_words(" ".join(path))), "_".join(_words(path[-1])), "_".join(words(about)[:5])]
    party = _PARTY.search(names[0])
    if party is not None and concepts is CONCEPTS:
        side = "seller" if party[1] in _SELLERS else "buyer"
        part = {"company": "name", "town": "city"}.get(party[2], party[2])
        return Leaf(path, f"{side}_{part}", "party", node, ())
    for name in names:
        for concept, (kind, _, pattern) in concepts.items():
            if name and re.fullmatch(pattern, name) and _fits(kind, node):
                return Leaf(path, concept, kind, node, ())
    phrases = tuple(phrase for phrase in (" ".join(_words(path[-1])), about) if phrase and len(words(phrase)) <= 5)
    return Leaf(path, "/".join(path), _kind(node), node, phrases)


def _words(key: str) -> tuple[str, ...]:
    return words(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", key).replace("_", " "))


def _fits(kind: str, node: Mapping[str, Any]) -> bool:
    numeric = json_type(node) in {"number", "integer"}
    return numeric == (kind in {"money", "number", "rate"}) or (kind == "position" and numeric)


def _kind(node: Mapping[str, Any]) -> str:
    kind = json_type(node)
    if kind == "string" and "YYYY-MM-DDTHH" in str(node.get("description")):
        return "datetime"
    if kind == "string" and ("YYYY-MM-DD" in str(node.get("description")) or node.get("format") == "date"):
        return "date"
    return _JSON_KINDS.get(kind, "enum" if "enum" in node else "text")


def empty(node: Mapping[str, Any]) -> Any:
    """Value of a property without a value on the pages: None, an empty list, an object of None."""
    kind = json_type(node)
    if kind == "object":
        return {key: empty(below) for key, below in properties(node).items()}
    return [] if kind == "array" else None
