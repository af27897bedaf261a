"""Parts of an answer to ask for once more, and the answer with the new values inserted.

Only the failing sub-trees are asked for: scalars under their own names, items of a list by their index. Where many items of
one list fail, the whole list is asked for.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from schemas.fields import Field, escape, field_at, is_index, keys_of
from schemas.step_data import Answer, Problem, Repair

INDEX_NAME = "item"  # name of the integer field with the index of an item
MOST_ITEMS = 20  # items of one list that are asked for one by one

Tree = dict[str, Any]  # tree of the steps of failing pointers; an empty tree means the whole sub-tree


def failing(answer: Answer, invalid: Iterable[Problem], root: Field) -> Repair | None:
    """Parts of `answer` to ask for again: values that parse or validation (`invalid`) rejects. None where all are valid."""
    problems = [entry for entry in (*answer.problems, *invalid) if entry.kind == "rejected" and entry.field]
    tree: Tree = {}
    reasons: dict[str, str] = {}
    for problem in problems:
        steps = keys_of(problem.field)
        if field_at(root, steps) is not None:
            _plant(tree, steps)
            reasons.setdefault(problem.field, f"{problem.field}: {problem.message}{_item_note(answer.value, steps)}")
    if not tree:
        return None
    return Repair(_pruned(root, tree), tuple(reasons.values()), INDEX_NAME, frozenset(reasons))


def repaired(answer: Answer, again: Answer, repair: Repair, root: Field) -> Answer:
    """`answer` with the values of `again` that were asked for and are stated, and without the problems that these settle."""
    taken = _Taken(repair.pointers, set(), [])
    value = _put(answer.value, again.value, root, repair.root, "", taken)
    below = tuple(f"{pointer}/" for pointer in taken.replaced)
    kept = [
        problem
        for problem in answer.problems
        if problem.kind != "rejected" or (problem.field not in taken.settled and not problem.field.startswith(below))
    ]
    kept += [problem for problem in again.problems if problem.field.startswith(below)]
    return replace(answer, value=value, problems=tuple(kept))


@dataclass(frozen=True, slots=True)
class _Taken:
    """Pointers of failed values, of values `settled` by the new answer, and of `replaced` lists."""

    failed: frozenset[str]
    settled: set[str]
    replaced: list[str]

    def is_wanted(self, pointer: str) -> bool:
        """True for a pointer that failed, and for pointers below it."""
        steps = pointer.split("/")
        return any("/".join(steps[:end]) in self.failed for end in range(1, len(steps) + 1))


def _item_note(value: Any, steps: Sequence[str]) -> str:
    """Description of the item that a pointer leads through: its index, and the first text that it has."""
    for step in steps:
        if isinstance(value, list):
            item = value[int(step)] if is_index(step) and int(step) < len(value) else None
            texts = [entry for entry in item.values() if isinstance(entry, str)] if isinstance(item, Mapping) else []
            return f" (item {step}{f', {texts[0][:60]!r}' if texts else ''})"
        value = value.get(step) if isinstance(value, Mapping) else None
    return ""


def _plant(tree: Tree, steps: Sequence[str]) -> None:
    """Add one failing pointer; pointers below a failing one are asked for with it."""
    head, *rest = steps
    if head in tree and not tree[head]:
        return
    below = tree.get(head, {}) if rest else {}
    if rest:
        _plant(below, rest)
    tree[head] = below


def _pruned(field: Field, tree: Tree) -> Field:
    """`field` with the fields in the tree only."""
    if not tree or field.is_leaf:
        return field
    if field.item is None:
        return replace(
            field,
            fields=tuple(_pruned(child, tree[child.name]) for child in field.fields if child.name in tree),
        )
    if len(tree) > MOST_ITEMS:
        return field
    below: Tree = {}
    whole = field.item.is_leaf or not all(tree.values())
    for value in tree.values():
        _unite(below, value)
    item = field.item if whole else _pruned(field.item, below)
    children = (replace(field.item, name="value"),) if field.item.is_leaf else item.fields
    index = Field(INDEX_NAME, "integer", "place of the item in its list, counted from 0", evidence=False)
    return replace(field, item=replace(item, kind="object", fields=(index, *children)))


def _unite(into: Tree, more: Tree) -> None:
    for step, below in more.items():
        if step not in into:
            into[step] = {**below}
        elif into[step] and below:
            _unite(into[step], below)
        else:
            into[step] = {}


def _put(old: Any, new: Any, field: Field, asked: Field, pointer: str, taken: _Taken) -> Any:
    """The old value, replaced by the new one where that is stated and was asked for."""
    if field.is_leaf:
        if new is None or not taken.is_wanted(pointer):
            return old
        taken.settled.add(pointer)
        return new
    if field.item is not None and asked.item is not None:
        if any(child.name == INDEX_NAME and not child.evidence for child in asked.item.fields):
            return _put_items(old, new, field.item, asked.item, pointer, taken)
        if not new:
            return old
        taken.settled.add(pointer)
        taken.replaced.append(pointer)
        return new
    merged = dict(old)
    fields = {child.name: child for child in field.fields}
    for child in asked.fields:
        here = f"{pointer}/{escape(child.name)}"
        merged[child.name] = _put(old[child.name], new.get(child.name), fields[child.name], child, here, taken)
    if any(value not in (None, []) for value in new.values()):
        taken.settled.add(pointer)
    return merged


def _put_items(old: Any, new: Any, item: Field, asked: Field, pointer: str, taken: _Taken) -> Any:
    """The old list with the new values of items, which are named by their index."""
    merged = list(old)
    without = replace(asked, fields=tuple(child for child in asked.fields if child.name != INDEX_NAME))
    for entry in new or ():
        index = entry.get(INDEX_NAME)
        if not isinstance(index, int) or not 0 <= index < len(merged):
            continue
        here = f"{pointer}/{index}"
        if not item.is_leaf:
            merged[index] = _put(merged[index], entry, item, without, here, taken)
        elif entry.get("value") is not None and taken.is_wanted(here):
            merged[index] = entry["value"]
            taken.settled.add(here)
    return merged
