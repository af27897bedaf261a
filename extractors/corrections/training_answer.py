"""Answer that a model should have given for one chunk: the published record, restricted to the chunk's pages.

A value belongs to the chunk on whose pages it was located, and to every other chunk whose pages print it (an invoice number
is printed on each page, and each answer has it); a value located nowhere belongs to the first chunk. An item of a list belongs
to the one chunk with its page.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from extractors.ground.ground import ground
from extractors.values import json_text
from schemas.fields import Field, escape, item_pointers
from schemas.step_data import Answer, Chunk, Record

_FOUND = frozenset({"exact", "normalized", "fuzzy"})


def training_answer(record: Record, chunk: Chunk, first: int, root: Field) -> str:
    """The answer for `chunk` as JSON in the schema's own shape.

    `first` is the number of the document's first page that is sent, `root` the tree of the requested fields.
    """
    placed = _Placed(record, chunk, first, root)
    return json_text(placed.object(record.value, root, ""))


class _Placed:
    """Values of a record that belong to one chunk."""

    def __init__(self, record: Record, chunk: Chunk, first: int, root: Field) -> None:
        self._pages = {page.number for page in chunk.pages}
        self._is_first = first in self._pages
        self._first = first
        self._known = {entry.field: entry.page for entry in record.evidence if entry.match != "conflict" and entry.page}
        self._items = {pointer: page for pointer, page in record.item_pages.items() if page}
        for pointer, page in self._known.items():
            for item in item_pointers(root, pointer):
                self._items.setdefault(item, page)
        scalars = {name: value for name, value in record.value.items() if not isinstance(value, list)}
        here = ground(Answer(_filled(scalars, root)), root, chunk.index, chunk.pages)
        self._here = {pointer for pointer, entry in here.evidence.items() if entry.match in _FOUND}

    def object(self, value: Mapping[str, Any], root: Field, pointer: str, *, is_item: bool = False) -> dict[str, Any]:
        """The object with the values of the chunk, every key present; an item (`is_item`) of the chunk is whole."""
        return {
            child.name: self._any(value.get(child.name), child, f"{pointer}/{escape(child.name)}", is_item=is_item)
            for child in root.fields
        }

    def _any(self, value: Any, field: Field, pointer: str, *, is_item: bool) -> Any:
        if field.kind == "object":
            return self.object(value if isinstance(value, Mapping) else {}, field, pointer, is_item=is_item)
        if field.item is not None:
            return self._list(value or (), field.item, pointer, is_item=is_item)
        if value is None or is_item or self._known.get(pointer) in self._pages or pointer in self._here:
            return value
        return value if self._is_first and pointer not in self._known else None

    def _list(self, values: Sequence[Any], item: Field, pointer: str, *, is_item: bool) -> list[Any]:
        kept = []
        page = self._first  # an item without a page takes the page of the item before it
        for index, value in enumerate(values):
            here = f"{pointer}/{index}"
            page = self._items.get(here, page)
            if not is_item and page not in self._pages:
                continue
            kept.append(self.object(value, item, here, is_item=True) if item.kind == "object" else value)
        return kept


def _filled(value: Mapping[str, Any], root: Field) -> dict[str, Any]:
    """The scalars of a record in the schema's full shape, with empty lists: the input of ground."""
    filled: dict[str, Any] = {}
    for child in root.fields:
        below = value.get(child.name)
        if child.kind == "object":
            filled[child.name] = _filled(below if isinstance(below, Mapping) else {}, child)
        else:
            filled[child.name] = [] if child.item is not None else below
    return filled
