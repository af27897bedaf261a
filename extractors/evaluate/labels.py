"""Labels of people and other tools, brought to the shape of a schema.

A key is a field's name, the name of its column in the record table (`seller_name` for `seller.name`), a dotted path, or a key
of `renamed`. A key without a field is left out, and its path is reported once.
"""

from collections.abc import Mapping
from typing import Any

from schemas.fields import Field, escape

Names = Mapping[tuple[str, ...], tuple[str, ...]]  # keys of the label, without list indexes, to keys of the field


def shaped(labels: Mapping[str, Any], root: Field, renamed: Names, unknown: set[str]) -> dict[str, Any]:
    """`labels` nested as `root` is; the paths of labels without a field are added to `unknown`."""
    shape: dict[str, Any] = {}
    _fill(shape, labels, root, (), (), renamed, unknown)
    return shape


def names_of(pairs: Mapping[str, str]) -> Names:
    """Renamings as people write them, `line_items.line_total` to `line_items.amount`."""
    return {tuple(label.split(".")): tuple(field.split(".")) for label, field in pairs.items()}


def _fill(
    shape: dict[str, Any],
    labels: Mapping[str, Any],
    root: Field,
    above: tuple[str, ...],
    fields_above: tuple[str, ...],
    renamed: Names,
    unknown: set[str],
) -> None:
    for name, value in labels.items():
        renamed_path = renamed.get((*above, name))
        if renamed_path is not None and renamed_path[: len(fields_above)] == fields_above:
            renamed_path = renamed_path[len(fields_above) :]
        keys = renamed_path if renamed_path is not None else _keys(name, root)
        field = _at(root, keys) if keys else None
        if keys is None or field is None:
            unknown.add("".join(f"/{escape(step)}" for step in (*above, name)))
            continue
        holder = shape
        for key in keys[:-1]:
            if not isinstance(holder.get(key), dict):
                holder[key] = {}
            holder = holder[key]
        here, fields_here = (*above, name), (*fields_above, *keys)
        if field.kind == "object" and isinstance(value, Mapping):
            _fill(holder.setdefault(keys[-1], {}), value, field, here, fields_here, renamed, unknown)
        elif field.is_table and isinstance(value, list) and field.item is not None:
            rows: list[Any] = [{} for _ in value]
            for row, item in zip(rows, value, strict=True):
                if isinstance(item, Mapping):
                    _fill(row, item, field.item, here, fields_here, renamed, unknown)
            holder[keys[-1]] = rows
        else:
            holder[keys[-1]] = value


def _keys(name: str, root: Field) -> tuple[str, ...] | None:
    """The keys of the field that a label names: a field name counts before a column name."""
    if any(child.name == name for child in root.fields):
        return (name,)
    dotted = tuple(name.split("."))
    if len(dotted) > 1 and _at(root, dotted) is not None:
        return dotted
    for child in root.fields:
        if child.kind == "object" and name.startswith(f"{child.name}_"):
            below = _keys(name.removeprefix(f"{child.name}_"), child)
            if below is not None:
                return (child.name, *below)
    return None


def _at(root: Field, keys: tuple[str, ...]) -> Field | None:
    """The field that `keys` lead to through objects only; labels within lists are resolved per item."""
    here: Field | None = root
    for key in keys:
        here = next((child for child in here.fields if child.name == key), None) if here is not None else None
    return here
