"""A JSON Schema as a tree of fields: the one form in which every step reads a document type.

References are inlined, `null` alternatives dropped (everything is nullable on the wire), and a node without a fixed shape
(a map, a recursive reference, a list of lists) becomes a `json` leaf, which the tables keep as one column of JSON text.
Pagemill's keywords: `format: decimal`, `x-pagemill-scale` (4 for money, 6 for prices and quantities), `x-evidence: none`,
`x-unit` (the unit of a number, shown in the tables' metadata), and at the root `x-pagemill-group`, the dotted path of the
text field by which quality is followed per group (an invoice's seller).
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from schemas.errors import ConfigurationError

_MOST_FIELDS = 20_000  # references that double would make more than any memory holds
Kind = Literal["object", "list", "string", "integer", "number", "decimal", "date", "datetime", "boolean", "json"]
MONEY_SCALE = 4
PRICE_SCALE = 6
GROUP_KEYWORD = "x-pagemill-group"
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_SCALARS: dict[str, Kind] = {"integer": "integer", "number": "number", "boolean": "boolean", "string": "string"}
_LIMITS = {
    "pattern": "matches {}", "minimum": "at least {}", "exclusiveMinimum": "more than {}", "maximum": "at most {}",
    "exclusiveMaximum": "less than {}", "multipleOf": "a multiple of {}", "minLength": "at least {} characters",
    "maxLength": "at most {} characters", "minItems": "at least {} items", "maxItems": "at most {} items",
}  # fmt: skip
_FORMATS: dict[str, Kind] = {"date": "date", "date-time": "datetime", "decimal": "decimal"}


@dataclass(frozen=True, slots=True)
class Field:
    """One node of a schema: `fields` of an object, `item` of a list; `name` is empty for the root and for items.

    `limits` are patterns, bounds and lengths in words: the strict dialect of JSON Schema has no keyword for them.
    """

    name: str
    kind: Kind
    description: str = ""
    required: bool = False
    choices: tuple[str, ...] = ()
    scale: int = PRICE_SCALE
    evidence: bool = True
    limits: str = ""
    unit: str = ""
    fields: tuple["Field", ...] = ()
    item: "Field | None" = None

    @property
    def is_leaf(self) -> bool:
        """True for a field of one value: scalars and JSON text."""
        return self.kind not in {"object", "list"}

    @property
    def is_table(self) -> bool:
        """True for a list of objects, which has its own table."""
        return self.item is not None and self.item.kind == "object"


def field_tree(schema: Mapping[str, Any]) -> Field:
    """The tree of a root schema. Raises ConfigurationError when the root is no object with properties."""
    root = _field("", schema, schema, frozenset(), itertools.count(), required=True)
    if root.kind != "object":
        raise ConfigurationError(
            "invalid root of the schema: expected an object with `properties`; wrap the schema in one property"
        )
    return root


def walk_fields(root: Field, prefix: str = "") -> Iterator[tuple[str, Field]]:
    """Every leaf below `root` with its path, `*` for the index of a list: `/line_items/*/amount`."""
    for child in root.fields if root.kind == "object" else ((root.item,) if root.item else ()):
        path = f"{prefix}/{escape(child.name) if root.kind == 'object' else '*'}"
        if child.is_leaf:
            yield path, child
        else:
            yield from walk_fields(child, path)


def escape(key: str) -> str:
    """One step of a JSON pointer (RFC 6901, section 3)."""
    return key.replace("~", "~0").replace("/", "~1")


def unescape(step: str) -> str:
    """The key of one step of a JSON pointer."""
    return step.replace("~1", "/").replace("~0", "~")


def keys_of(pointer: str) -> list[str]:
    """The keys and list indexes of a JSON pointer."""
    return [unescape(step) for step in pointer.split("/")[1:]]


def is_index(key: str) -> bool:
    """True for an index of a list (RFC 6901, section 4) of at most nine digits."""
    return _INDEX.fullmatch(key) is not None


def field_at(root: Field, keys: Iterable[str]) -> Field | None:
    """The field that `keys` lead to, a list's index as digits or `*`; None where there is none."""
    here: Field | None = root
    for key in keys:
        if here is None:
            return None
        if here.item is not None:
            here = here.item if is_index(key) or key == "*" else None
        else:
            here = next((child for child in here.fields if child.name == key), None)
    return here


def pattern_of(root: Field, pointer: str) -> str:
    """A JSON pointer with `*` for each index of a list, as `walk_fields` writes it: `/line_items/*/amount`.

    The schema tells an index from the name of a field, which may be digits, too: `/2024`.
    """
    return pointer_to("*" if is_item else key for key, is_item in _walked(root, pointer))


def item_pointers(root: Field, pointer: str) -> Iterator[str]:
    """The pointer of each list item that `pointer` leads through or to, the outermost first."""
    keys: list[str] = []
    for key, is_item in _walked(root, pointer):
        keys.append(key)
        if is_item:
            yield pointer_to(keys)


def pointer_to(keys: Iterable[str]) -> str:
    """The JSON pointer through `keys` (RFC 6901)."""
    return "".join(f"/{escape(key)}" for key in keys)


def _walked(root: Field, pointer: str) -> Iterator[tuple[str, bool]]:
    """The keys of a pointer, each with whether it is an index of a list."""
    here: Field | None = root
    for key in keys_of(pointer):
        item = None if here is None else here.item
        is_item = item is not None and is_index(key)
        yield key, is_item
        here = item if is_item or here is None else next((child for child in here.fields if child.name == key), None)


def value_at(value: Any, keys: Iterable[str]) -> Any:
    """The value that `keys` lead to in a record or an answer; None where there is none."""
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, list) and is_index(key) and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def _field(
    name: str, node: Any, root: Mapping[str, Any], seen: frozenset[str], made: Iterator[int], *, required: bool
) -> Field:
    if next(made) > _MOST_FIELDS:
        raise ConfigurationError(
            f"the schema has more than {_MOST_FIELDS:,} fields once its references are followed; make fewer, or a list of "
            "one kind"
        )
    if not isinstance(node, Mapping):  # `true` and `false` are schemas too: any value fits
        return Field(name, "json", required=required)
    node, seen, recursive = _resolved(node, root, seen)
    description = str(node.get("description") or node.get("title") or "")
    leaf = Field(
        name, "json", description, required,
        evidence=node.get("x-evidence") != "none", limits=_limits(node), unit=str(node.get("x-unit") or ""),
    )  # fmt: skip
    if recursive:
        return leaf
    kind = node.get("type")
    if kind is None and "properties" in node:
        kind = "object"
    if kind == "object":
        properties = node.get("properties")
        if not isinstance(properties, Mapping) or not properties:
            return leaf
        required_names = node.get("required", ())
        children = tuple(
            _field(key, sub, root, seen, made, required=key in required_names) for key, sub in properties.items()
        )
        return replace(leaf, kind="object", fields=children)
    if kind == "array":
        item = _field("", node.get("items", True), root, seen, made, required=False)
        item = replace(item, evidence=item.evidence and leaf.evidence)
        if item.kind in {"list", "json"}:
            return leaf
        return replace(leaf, kind="list", item=item)
    return _scalar(leaf, node, kind)


def _scalar(leaf: Field, node: Mapping[str, Any], kind: Any) -> Field:
    choices = tuple(choice for choice in node.get("enum", ()) if choice is not None)
    if "const" in node:
        choices = (node["const"],)
    if choices:
        if all(isinstance(choice, str) for choice in choices):
            return replace(leaf, kind="string", choices=choices)
        kind = kind or ("integer" if all(isinstance(choice, int) for choice in choices) else "string")
    kind_here = _SCALARS.get(kind) if isinstance(kind, str) else None
    if kind_here is None:
        return leaf
    if kind_here in {"string", "number"}:
        kind_here = _FORMATS.get(str(node.get("format")), kind_here)
    scale = int(node.get("x-pagemill-scale", PRICE_SCALE))
    if scale not in {MONEY_SCALE, PRICE_SCALE}:
        raise ConfigurationError(f"field {leaf.name!r}: invalid x-pagemill-scale {scale}: expected 4 or 6")
    return replace(leaf, kind=kind_here, scale=scale)


def _limits(node: Mapping[str, Any]) -> str:
    """The keywords that endpoints refuse or ignore in strict mode, in words for the model to read."""
    return ", ".join(template.format(node[key]) for key, template in _LIMITS.items() if key in node)


def _resolved(
    node: Mapping[str, Any], root: Mapping[str, Any], seen: frozenset[str]
) -> tuple[Mapping[str, Any], frozenset[str], bool]:
    """`node` without references, null alternatives and combinations of one; the last value is true for a recursive reference."""
    for _ in range(32):  # a chain of references longer than this is a loop of aliases
        if "$ref" in node:
            reference = str(node["$ref"])
            if reference in seen:
                return node, seen, True
            seen |= {reference}
            node = {**_target(reference, root), **{key: value for key, value in node.items() if key != "$ref"}}
            continue
        kinds = node.get("type")
        if isinstance(kinds, list):
            real = [kind for kind in kinds if kind != "null"]
            node = {**node, "type": real[0] if len(real) == 1 else _widest(real)}
            continue
        options = next((node[key] for key in ("anyOf", "oneOf", "allOf") if key in node), None)
        if options is None:
            return node, seen, False
        own = {key: value for key, value in node.items() if key not in {"anyOf", "oneOf", "allOf"}}
        real = [option for option in options if isinstance(option, Mapping) and option.get("type") != "null"]
        node = {**_chosen(real), **own}
    return node, seen, True


def _chosen(options: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """One schema for several: the only one, the wider of two scalars, or any JSON."""
    if len(options) == 1:
        return options[0]
    kinds = {option.get("type") for option in options}
    if kinds and kinds <= {"integer", "number"}:
        return {"type": "number"}
    if kinds and kinds <= {"integer", "number", "string"}:
        return {"type": "string"}
    return {}


def _widest(kinds: list[Any]) -> str | None:
    if set(kinds) == {"integer", "number"}:
        return "number"
    return None if not set(kinds) <= set(_SCALARS) else "string"


def _target(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    if not reference.startswith("#"):
        raise ConfigurationError(
            f"invalid $ref {reference!r}: expected a reference within the file, such as #/$defs/name"
        )
    node: Any = root
    for step in reference.lstrip("#/").split("/") if reference != "#" else ():
        key = unescape(step)
        if not isinstance(node, Mapping) or key not in node:
            raise ConfigurationError(f"invalid $ref {reference!r}: the schema has no such node")
        node = node[key]
    if not isinstance(node, Mapping):
        return {}
    return node
