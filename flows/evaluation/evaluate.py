"""`pagemill evaluate`: records compared with truth, counted per field, per group of layouts and per document."""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from extractors.corrections.labels_of_corrections import confirmed
from extractors.evaluate.labels import Names, shaped
from extractors.evaluate.score import Counts, Scored, Wrong, score, total
from flows.evaluation.truth import read_truth
from flows.review.corrections import correction_in, correction_rows
from flows.review.records import Published, read_records
from flows.storage.dataset import Dataset
from flows.storage.find import Documents
from schemas.document_type import DocumentType
from schemas.errors import ConfigurationError
from schemas.fields import Field, escape, value_at

WORST = 20  # documents that are shown
EXAMPLES = 3  # wrong values of each field that are shown


@dataclass(frozen=True, slots=True)
class Compared:
    """One scored document: as published, its counts, and its group."""

    published: Published
    scored: Scored
    group: str | None


@dataclass(slots=True)
class Group:
    """Documents of one layout."""

    documents: int = 0
    perfect: int = 0
    counts: Counts = field(default_factory=Counts)


@dataclass(frozen=True, slots=True)
class WrongExample:
    """A wrong value of a document."""

    document_id: str
    file_name: str
    wrong: Wrong


@dataclass(frozen=True, slots=True)
class Worst:
    """A document with wrong values: their number, its F1, and examples."""

    document_id: str
    file_name: str
    wrong_values: int
    f1: float | None
    wrong: Sequence[Wrong]


@dataclass(slots=True)
class Evaluation:
    """Counts over all documents. `missing` are names in the truth without a published document, `unclear` those with several."""

    documents: int = 0
    perfect: int = 0
    fields: dict[str, Counts] = field(default_factory=dict)
    items: dict[str, Counts] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    examples: dict[str, list[WrongExample]] = field(default_factory=dict)
    worst: list[Worst] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)

    @property
    def total(self) -> Counts:
        """All fields together."""
        return total(self.fields.values())


@dataclass(slots=True)
class Truth:
    """Truth of the published documents, by id, and the names of other lines."""

    values: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    missing: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)


def truth_of(dataset: Dataset, document_type: DocumentType, path: Path, renamed: Names) -> Truth:
    """The truth in `path` for the documents of a dataset. Raises ConfigurationError for two lines about one document."""
    documents = Documents(dataset)
    truth = Truth()
    lines: dict[str, int] = {}
    for label in read_truth(path):
        matches = documents.find(label.names)
        if len(matches) != 1:
            (truth.unclear if matches else truth.missing).append(label.names[0])
            continue
        document_id = matches.pop()
        if document_id in lines:
            raise ConfigurationError(
                f"{path}, lines {lines[document_id]} and {label.line}: both are about {label.names[0]}; keep one of them"
            )
        lines[document_id] = label.line
        truth.values[document_id] = shaped(label.values, document_type.root, renamed, truth.unknown)
        if label.group is not None:
            truth.groups[document_id] = label.group
    return truth


def compare(dataset: Dataset, document_type: DocumentType, truth: Truth) -> Iterator[Compared]:
    """The documents of a truth, one after the other, as the model read them."""
    for published in read_records(dataset, document_type, truth.values.keys()):
        stated = truth.values[published.document_id]
        read = published.value if published.extracted is None else published.extracted
        yield Compared(
            published,
            score(stated, read, document_type.root),
            truth.groups.get(published.document_id) or _group(document_type, stated, read),
        )


def compare_corrections(dataset: Dataset, document_type: DocumentType) -> Iterator[Compared]:
    """The documents that people have corrected, as the model read them against the corrected values.

    Every field of an accepted document counts; of others only the corrected or confirmed fields.
    """
    corrections_ = correction_rows(dataset)
    root = document_type.root
    for published in read_records(dataset, document_type, corrections_.keys()):
        read = published.value if published.extracted is None else published.extracted
        if "" in published.record.corrected_fields:
            scored = score(published.value, read, root)
        else:
            corrections = [correction_in(row) for row in corrections_[published.document_id]]
            scored = confirmed(read, corrections, root)
        yield Compared(published, scored, _group(document_type, published.value, read))


def evaluate(compared: Iterable[Compared], root: Field, truth: Truth | None = None) -> Evaluation:
    """The counts summed over documents."""
    done = Evaluation()
    if truth is not None:
        done.unknown, done.missing, done.unclear = sorted(truth.unknown), truth.missing, truth.unclear
    heap: list[tuple[float, int, str, Worst]] = []
    for comparison in compared:
        document_id, file_name = comparison.published.document_id, str(comparison.published.head["file_name"])
        scored = comparison.scored
        done.documents += 1
        done.perfect += scored.is_perfect
        _add(done.fields, scored.fields)
        _add(done.items, scored.items)
        if comparison.group is not None:
            group = done.groups.setdefault(comparison.group, Group())
            group.documents += 1
            group.perfect += scored.is_perfect
            group.counts.plus(scored.total)
        for wrong in scored.wrong:
            examples = done.examples.setdefault(wrong.path, [])
            if len(examples) < EXAMPLES:
                examples.append(WrongExample(document_id, file_name, wrong))
        if scored.wrong_values:
            f1 = scored.total.f1
            worst = Worst(document_id, file_name, scored.wrong_values, f1, scored.wrong)
            heapq.heappush(heap, (-(f1 or 0.0), scored.wrong_values, document_id, worst))
            if len(heap) > WORST:
                heapq.heappop(heap)
    done.worst = [entry[3] for entry in sorted(heap, reverse=True)]
    order = {path: position for position, path in enumerate(_paths(root))}
    done.fields = dict(sorted(done.fields.items(), key=lambda entry: order.get(entry[0], len(order))))
    done.groups = dict(sorted(done.groups.items(), key=lambda entry: (-entry[1].documents, entry[0])))
    return done


def _add(into: dict[str, Counts], more: Mapping[str, Counts]) -> None:
    for path, counts in more.items():
        into.setdefault(path, Counts()).plus(counts)


def _group(document_type: DocumentType, stated: Mapping[str, Any], read: Mapping[str, Any]) -> str | None:
    """The text that groups documents of this type, from the truth, else from the record as read."""
    if not document_type.group:
        return None
    value = value_at(stated, document_type.group) or value_at(read, document_type.group)
    return str(value) if value is not None else None


def _paths(root: Field, prefix: str = "") -> Iterator[str]:
    """The paths of all leaves, scalars of an object before its lists."""
    lists: list[Field] = []
    for child in root.fields:
        here = f"{prefix}/{escape(child.name)}"
        if child.kind == "object":
            yield from _paths(child, here)
        elif child.item is not None:
            lists.append(child)
        else:
            yield here
    for child in lists:
        assert child.item is not None
        here = f"{prefix}/{escape(child.name)}/*"
        yield from [here] if child.item.is_leaf else _paths(child.item, here)
