"""Probability that a value is right, from 0 to 1 for each row of evidence, computed from signals without the model.

Each signal adds its weight to the log-odds (logistic regression), so that a confidence can be explained signal by signal. The
weights that come with the package were fitted on labelled documents (benchmarks/calibration.py); a dataset may have its own.
"""

import functools
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

from extractors.values import fold_text
from schemas.fields import Field, field_at, keys_of, pattern_of, value_at, walk_fields
from schemas.step_data import Evidence, Record

Weights = Mapping[str, float]  # by signal; `sure` is the intercept
BEGIN = "sure"
OF_FIELD = "field "  # prefix of a field's intercept: only a dataset's own weights have fields
_NOT_READ = frozenset({"corrected"})  # given by a person: there is nothing to estimate
_SHORT = 2  # characters: a value this short occurs on a page by chance
_LEAST_WORD = 3  # letters: shorter words of a label do not count
_KINDS = {"decimal": "number", "integer": "number", "number": "number", "date": "date", "datetime": "date"}


@dataclass(frozen=True, slots=True)
class DocumentContext:
    """Context of a document beside its record: numbers of pages with pictures or hidden text, and repeated requests."""

    pictures: frozenset[int]
    hidden: frozenset[int]
    asked_again: bool


def document_context(pages: Iterable[Mapping[str, Any]], requests: int, groups: int) -> DocumentContext:
    """The context from a document's rows of `pages`; `groups` is the number of parts in which its fields were asked for."""
    rows = list(pages)
    chunks = {row["chunk"] for row in rows if row["sent_as"] != "blank"}
    return DocumentContext(
        frozenset(row["page"] for row in rows if row["sent_as"] == "image"),
        frozenset(row["page"] for row in rows if row["hidden_text"]),
        requests > len(chunks) * groups,
    )


def rated(record: Record, root: Field, context: DocumentContext, weights: Weights) -> Record:
    """The record with a confidence in each row of evidence that is not a person's."""
    return replace(
        record,
        evidence=tuple(
            entry if given is None else replace(entry, confidence=round(confidence(given, weights), 4))
            for entry, given in zip(record.evidence, features(record, root, context), strict=True)
        ),
    )


def confidence(given: Mapping[str, float], weights: Weights) -> float:
    """Probability from signals and weights."""
    odds = sum(weights.get(name, 0.0) * amount for name, amount in given.items())
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, odds))))


def features(record: Record, root: Field, context: DocumentContext) -> list[dict[str, float] | None]:
    """The signals of each row of evidence; None for rows that people have corrected."""
    contested = {entry.field for entry in record.evidence if entry.match == "conflict"}
    places = Counter((entry.page, entry.box) for entry in record.evidence if entry.box is not None)
    passed = {pointer for check in record.checks if check.ok for pointer in check.fields}
    failed = {pointer for check in record.checks if not check.ok for pointer in check.fields}
    is_sparse = _is_sparse(record.value, root)
    labels: dict[str, tuple[str, frozenset[str]]] = {}
    signals: list[dict[str, float] | None] = []
    for entry in record.evidence:
        if entry.match in _NOT_READ:
            signals.append(None)
            continue
        path = pattern_of(root, entry.field)
        if path not in labels:
            labels[path] = _label(field_at(root, keys_of(path)))
        kind, label = labels[path]
        given = {BEGIN: 1.0, f"{OF_FIELD}{path}": 1.0, f"match {entry.match}": 1.0, f"kind {kind}": 1.0}
        features = {
            "contested": entry.field in contested and entry.match != "conflict",
            "check holds": path in passed,
            "check fails": path in failed,
            "another check fails": bool(failed) and path not in failed,
            "page hides text": entry.page in context.hidden,
            "page is a picture": entry.page in context.pictures,
            "place of another value, too": entry.box is not None and places[entry.page, entry.box] > 1,
            f"label beside a {kind}": _is_labelled(entry, label),
            "asked for again": context.asked_again,
            "in a list": "/*" in path,
            "short": len(entry.value or "") <= _SHORT,
            "record is partial": record.status == "partial",
            "record is half empty": is_sparse,
        }
        signals.append({**given, **{name: 1.0 for name, holds in features.items() if holds}})
    return signals


@functools.cache
def default_weights() -> Weights:
    """The weights that come with the package."""
    text = resources.files("extractors.confidence").joinpath("confidence.json").read_text(encoding="utf-8")
    return weights_of(json.loads(text))


def weights_of(content: Any) -> Weights:
    """Weights from the content of a JSON file. Raises ValueError for any other content."""
    weights = content.get("weights") if isinstance(content, Mapping) else None
    if not isinstance(weights, Mapping) or not all(
        isinstance(row, int | float) and math.isfinite(row) for row in weights.values()
    ):
        raise ValueError("no weights by signal")
    return {str(name): float(row) for name, row in weights.items()}


def _is_sparse(value: Mapping[str, Any], root: Field) -> bool:
    """True where less than half of the fields outside of lists have a value."""
    values = [value_at(value, keys_of(path)) for path, _ in walk_fields(root) if "/*" not in path]
    return 2 * sum(leaf is not None for leaf in values) < len(values)


def _label(field: Field | None) -> tuple[str, frozenset[str]]:
    """The kind of a field, and the words of its label."""
    if field is None:
        return "text", frozenset()
    return _KINDS.get(field.kind, "text"), frozenset(_words(f"{field.name.replace('_', ' ')} {field.description}"))


def _is_labelled(evidence: Evidence, label: frozenset[str]) -> bool:
    return bool(label and evidence.quote and label.intersection(_words(evidence.quote)))


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\W_]+", fold_text(text)) if len(word) >= _LEAST_WORD]
