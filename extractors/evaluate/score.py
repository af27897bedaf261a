"""A record compared with its truth, as counts per field: values stated, found and right.

A field that the truth leaves out is not scored. A field that is null in the truth (or [], for a list) is not stated by the
document: a value found there counts against precision. Items of lists are paired first (`assign`); an item without a
counterpart is missing, or one too many, in every labelled field.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from extractors.evaluate.assign import KeyedRow, assign
from extractors.evaluate.compare import CompareKey, key
from schemas.fields import Field, escape

MOST_WRONG = 40  # wrong values of one document that are kept as examples


@dataclass(slots=True)
class Counts:
    """`stated` by the truth, `found` by the machine where the truth has a label, `right` of both."""

    stated: int = 0
    found: int = 0
    right: int = 0

    def add(self, stated: CompareKey, found: CompareKey) -> bool:
        """Count one value; true where it equals the truth."""
        self.stated += stated is not None
        self.found += found is not None
        is_right = stated == found
        self.right += is_right and stated is not None
        return is_right

    def plus(self, other: "Counts") -> None:
        """Add other counts."""
        self.stated += other.stated
        self.found += other.found
        self.right += other.right

    @property
    def precision(self) -> float | None:
        """Share of right values among those found; None where nothing was found."""
        return self.right / self.found if self.found else None

    @property
    def recall(self) -> float | None:
        """Share of values found right among those stated; None where nothing is stated."""
        return self.right / self.stated if self.stated else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None where nothing is stated and nothing was found."""
        both = self.stated + self.found
        return 2 * self.right / both if both else None


@dataclass(frozen=True, slots=True)
class Wrong:
    """A value that differs from the truth. `pointer` leads to it in the truth, or in the record where the truth has none."""

    pointer: str
    path: str
    expected: Any
    found: Any


@dataclass(slots=True)
class Scored:
    """One document's counts by path (`/line_items/*/amount`), and of whole items by list (`/line_items`).

    `wrong_values` counts all, `wrong` has the first MOST_WRONG. `right_at` is true for each scored pointer that is right.
    """

    fields: dict[str, Counts] = field(default_factory=dict)
    items: dict[str, Counts] = field(default_factory=dict)
    wrong: list[Wrong] = field(default_factory=list)
    wrong_values: int = 0
    right_at: dict[str, bool] = field(default_factory=dict)

    @property
    def is_perfect(self) -> bool:
        """True where every scored value equals the truth."""
        return not self.wrong_values

    @property
    def total(self) -> Counts:
        """All fields together."""
        return total(self.fields.values())


def total(counts: Iterable[Counts]) -> Counts:
    """The sum of counts."""
    whole = Counts()
    for count in counts:
        whole.plus(count)
    return whole


def score(truth: Mapping[str, Any], record: Mapping[str, Any], root: Field) -> Scored:
    """Counts of `record`, as the model read it, against the truth; both are nested in the schema's shape.

    Keys of the truth that are not in `root` are skipped.
    """
    scored = Scored()
    _object(truth, record, root, "", "", "", scored)
    return scored


def score_at(truth: Any, found: Any, field: Field, named: tuple[str, str], scored: Scored) -> None:
    """Add the counts of one leaf, or of all fields below it, to `scored`; `named` is its path and its pointer."""
    _any(truth, found, field, *named, None, scored)


def _object(
    truth: Mapping[str, Any], found: Any, root: Field, path: str, at: str, context: str | None, scored: Scored
) -> None:
    """Score an object; `at` is its pointer in the truth, `context` in the record, None where the record has no such object."""
    mapping = _mapping(found)
    for child in root.fields:
        if child.name not in truth:
            continue
        step = escape(child.name)
        below = None if context is None else f"{context}/{step}"
        _any(truth[child.name], mapping.get(child.name), child, f"{path}/{step}", f"{at}/{step}", below, scored)


def _any(truth: Any, found: Any, field: Field, path: str, at: str, context: str | None, scored: Scored) -> None:
    if field.kind == "object":
        stated = truth if isinstance(truth, Mapping) else dict.fromkeys(child.name for child in field.fields)
        _object(stated, found, field, path, at, context, scored)
    elif field.item is not None and field.item.kind == "object":
        _items(_listed(truth), _listed(found), field, path, at, context, scored)
    elif field.item is not None:
        _values(_listed(truth), _listed(found), field.item, path, at, context, scored)
    else:
        _leaf(truth, found, field, path, at, context, scored)


def _leaf(truth: Any, found: Any, field: Field, path: str, at: str, context: str | None, scored: Scored) -> None:
    is_right = scored.fields.setdefault(path, Counts()).add(key(truth, field), key(found, field))
    if context is not None:
        scored.right_at[context] = is_right
    if not is_right:
        _add_wrong(Wrong(at, path, truth, found), scored)


def _values(
    truth: list[Any], found: list[Any], item: Field, path: str, at: str, context: str | None, scored: Scored
) -> None:
    """Score a list of values; their order does not count."""
    waiting: dict[CompareKey, list[int]] = {}
    for index in range(len(found) - 1, -1, -1):
        waiting.setdefault(key(found[index], item), []).append(index)
    missing = [index for index, value in enumerate(truth) if not _taken(waiting, key(value, item))]
    spare = sorted(index for indexes in waiting.values() for index in indexes)
    counts = scored.fields.setdefault(f"{path}/*", Counts())
    counts.plus(Counts(len(truth), len(found), len(truth) - len(missing)))
    if context is not None:
        wrong = frozenset(spare)
        scored.right_at.update({f"{context}/{index}": index not in wrong for index in range(len(found))})
    for turn in range(max(len(missing), len(spare))):
        expected = truth[missing[turn]] if turn < len(missing) else None
        extra = found[spare[turn]] if turn < len(spare) else None
        index = missing[turn] if turn < len(missing) else spare[turn]
        _add_wrong(Wrong(f"{at}/{index}", f"{path}/*", expected, extra), scored)


def _taken(waiting: dict[CompareKey, list[int]], value: CompareKey) -> bool:
    if not waiting.get(value):
        return False
    waiting[value].pop()
    return True


def _items(
    truth: list[Any], found: list[Any], field: Field, path: str, at: str, context: str | None, scored: Scored
) -> None:
    assert field.item is not None
    truth_keys = [dict(_keys(row, field.item, "", is_whole=False)) for row in truth]
    found_keys = [dict(_keys(row, field.item, "", is_whole=True)) for row in found]
    pairs = assign(truth_keys, found_keys)
    whole = scored.items.setdefault(path, Counts())
    whole.plus(Counts(len(truth), len(found), 0))
    for index, row in enumerate(truth):
        before = scored.wrong_values
        counterpart = pairs.get(index)
        item_context = None if context is None or counterpart is None else f"{context}/{counterpart}"
        _object(
            _mapping(row),
            None if counterpart is None else found[counterpart],
            field.item,
            f"{path}/*",
            f"{at}/{index}",
            item_context,
            scored,
        )
        whole.right += counterpart is not None and scored.wrong_values == before
    labelled = _labelled(truth, field.item) if truth else None
    spare = set(range(len(found))) - set(pairs.values())
    for index in sorted(spare):
        nothing = _nothing(field.item, labelled)
        item_context = None if context is None else f"{context}/{index}"
        _object(nothing, found[index], field.item, f"{path}/*", f"{at}/+{index}", item_context, scored)


def _keys(row: Any, field: Field, path: str, *, is_whole: bool) -> Iterator[tuple[str, CompareKey]]:
    """Comparison keys of an item by path: one per value, and one per list in it."""
    mapping = _mapping(row)
    for child in field.fields:
        if child.name not in mapping and not is_whole:
            continue
        here, value = f"{path}/{escape(child.name)}", mapping.get(child.name)
        if child.kind == "object":
            yield from _keys(value, child, here, is_whole=is_whole or value is None)
        elif child.item is not None:
            yield here, _list_key(value, child.item)
        else:
            yield here, key(value, child)


def _list_key(value: Any, item: Field) -> CompareKey:
    if item.kind != "object":
        return tuple(sorted(str(key(entry, item)) for entry in _listed(value))) or None
    rows: list[KeyedRow] = [dict(_keys(entry, item, "", is_whole=True)) for entry in _listed(value)]
    return tuple(tuple(row.values()) for row in rows) or None


def _labelled(rows: Iterable[Any], field: Field) -> dict[str, Any]:
    """The fields with a label in any item of the truth, as a tree of names."""
    tree: dict[str, Any] = {}
    for row in rows:
        for child in field.fields if isinstance(row, Mapping) else ():
            if child.name in row:
                below = row[child.name]
                inside = _labelled([below], child) if child.kind == "object" and below is not None else {}
                tree.setdefault(child.name, {}).update(inside)
    return tree


def _nothing(field: Field, labelled: Mapping[str, Any] | None) -> dict[str, Any]:
    """A truth for an extra item: null in every labelled field; in every field, where no item has labels."""
    return {
        child.name: _nothing(child, labelled[child.name]) if labelled and labelled[child.name] else None
        for child in field.fields
        if labelled is None or child.name in labelled
    }


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _listed(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return list(value)
    return [] if value in (None, "", {}) else [value]


def _add_wrong(wrong: Wrong, scored: Scored) -> None:
    scored.wrong_values += 1
    if len(scored.wrong) < MOST_WRONG:
        scored.wrong.append(wrong)
