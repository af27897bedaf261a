"""What is wrong with what a reader sees of a dataset of painted documents (tests/support/painted.py)."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Record = tuple[str, str, str, str]  # document_id, file_name, name, colour
Layer = tuple[str, str]  # document_id, made_of


@dataclass
class Eye:
    """What a reader saw so far, and what was wrong with it, as text.

    While documents are only added, `documents` is read before the tables that belong to it, since it is published last: its
    rows must be there then, the same ones for ever. While documents are removed, `documents` is the first to change: then a
    document of `documents` has its rows in what was read before it or in what was read after it. (It may be added after the
    first and removed before the last, but no test does this to one document within the time of three reads.)
    """

    removes: bool
    wrong: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    rows: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    makings: dict[tuple[str, str], int] = field(default_factory=dict)

    def see(
        self,
        before: tuple[Sequence[Record], Sequence[Layer]],
        ids: Sequence[str],
        after: tuple[Sequence[Record], Sequence[Layer]],
    ) -> None:
        """Judge one look: the record tables, then `documents`, then the record tables again."""
        looks = [self._whole(*before), self._whole(*after)]
        if len(set(ids)) < len(ids):
            self.wrong.append("a document is in `documents` twice")
        for each in set(ids):
            found = looks[1].get(each) or (looks[0].get(each) if self.removes else None)
            if found is None:
                self.wrong.append(f"{each} is in `documents` without its rows")
            elif not self.removes and self.rows.setdefault(each, found) != found:
                self.wrong.append(f"{each} has other rows than it was published with")
        if not self.removes and not self.ids <= set(ids):
            self.wrong.append("documents have vanished")
        self.ids = set(ids)

    def _whole(self, records: Sequence[Record], layers: Sequence[Layer]) -> dict[str, tuple[Any, ...]]:
        """The rows of each document that has a row in both tables; each table by itself must be whole and of one making."""
        named: dict[str, tuple[str, str]] = {}
        for document_id, file_name, name, colour in records:
            if document_id in named:
                self.wrong.append(f"{document_id} has two records")
            stem = file_name.removesuffix(".txt")
            if name != colour or not name.startswith(stem):
                self.wrong.append(f"{file_name} is told to be {name} and {colour}")
            named[document_id] = (name, file_name)
            self._never_back("record", document_id, name)
        made: dict[str, list[str]] = defaultdict(list)
        for document_id, made_of in layers:
            made[document_id].append(made_of)
        for document_id, told in made.items():
            name, making, _, count = told[0].split("/")
            if sorted(told) != sorted(f"{name}/{making}/{place}/{count}" for place in range(int(count))):
                self.wrong.append(f"{document_id} has the layers {sorted(told)}")
            self._never_back("layers", document_id, told[0])
        return {each: (named[each], tuple(sorted(made[each]))) for each in named.keys() & made.keys()}

    def _never_back(self, table: str, document_id: str, value: str) -> None:
        making = int(value.split("/")[1])
        if making < self.makings.get((table, document_id), 0):
            self.wrong.append(f"{document_id} has its old {table} again")
        self.makings[table, document_id] = making
