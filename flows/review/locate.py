"""Place of a value that a person typed, located like a value of the model, near the rest of its row."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from extractors.ground.ground import ground
from extractors.parse.coerce import parse_value
from schemas.fields import Field, escape, field_at, is_index, keys_of, value_at
from schemas.step_data import Answer, Evidence, Page


def locate(page: Page, root: Field, record: Mapping[str, Any], pointer: str, text: str) -> Evidence | None:
    """The place on `page` of `text`, the value at `pointer` of `record`; None where the page does not print it."""
    keys = keys_of(pointer)
    field = field_at(root, keys)
    if field is None or not field.is_leaf:
        return None
    value, _ = parse_value(text, field, "")
    if value is None or value_at(record, keys[:-1]) is None:
        return None
    tree, answer, found_at = _around(root, record, keys, field, value)
    evidence = ground(Answer(answer), tree, 0, [replace(page, image=None)]).evidence.get(found_at)
    if evidence is None or evidence.box is None or evidence.match not in {"exact", "normalized"}:
        return None
    return replace(evidence, field=pointer)


def _around(
    root: Field, record: Mapping[str, Any], keys: Sequence[str], field: Field, value: Any
) -> tuple[Field, dict[str, Any], str]:
    """A field and an answer with the value to locate, alone or within its list item, and its pointer in that answer."""
    places = [at for at, key in enumerate(keys) if is_index(key) and _is_table(root, keys[:at])]
    if not places or places[-1] + 1 == len(keys):
        leaf = replace(field, name=field.name or "value")
        return Field("", "object", fields=(leaf,)), {leaf.name: value}, f"/{leaf.name}"
    at = places[-1]
    list_field = field_at(root, keys[:at])
    assert list_field is not None
    item = _with(value_at(record, keys[: at + 1]), keys[at + 1 :], value)
    rows = replace(list_field, name="rows")
    pointer = "/rows/0" + "".join(f"/{escape(key)}" for key in keys[at + 1 :])
    return Field("", "object", fields=(rows,)), {"rows": [item]}, pointer


def _is_table(root: Field, keys: Sequence[str]) -> bool:
    field = field_at(root, keys)
    return field is not None and field.is_table


def _with(value: Any, keys: Sequence[str], new: Any) -> Any:
    """A copy of `value` with `new` at `keys`."""
    if not keys:
        return new
    return {**value, keys[0]: _with(value.get(keys[0]) or {}, keys[1:], new)}
