"""Groups of fields of a wide schema, which are asked for separately over the same pages.

Groups follow the order of the schema: neighbouring fields are asked for together, and a list is never divided.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from schemas.fields import Field, walk_fields

Path = tuple[str, ...]


def groups(root: Field, most: int) -> tuple[Field, ...]:
    """`root` itself where it has at most `most` leaves, else trees of at most `most` leaves that together make up `root`.

    A list whose items have more leaves is a group of its own.
    """
    if _leaves(root) <= most:
        return (root,)
    packed: list[list[Path]] = []
    count = 0
    for path, unit in _units(root, ()):
        size = _leaves(unit)
        if not packed or count + size > most:
            packed.append([])
            count = 0
        packed[-1].append(path)
        count += size
    return tuple(_pruned(root, paths) for paths in packed)


def _units(field: Field, path: Path) -> Iterator[tuple[Path, Field]]:
    """Fields that are not divided: leaves and lists, at any depth."""
    for child in field.fields:
        here = (*path, child.name)
        if child.kind == "object":
            yield from _units(child, here)
        else:
            yield here, child


def _leaves(field: Field) -> int:
    if field.is_leaf:
        return 1
    if field.item is not None:
        return _leaves(field.item)
    return sum(1 for _ in walk_fields(field))


def _pruned(field: Field, paths: Iterable[Path]) -> Field:
    wanted: dict[str, list[Path]] = {}
    for head, *rest in paths:
        wanted.setdefault(head, []).extend([tuple(rest)] if rest else [])
    return replace(
        field,
        fields=tuple(
            _pruned(child, wanted[child.name]) if wanted[child.name] else child
            for child in field.fields
            if child.name in wanted
        ),
    )
