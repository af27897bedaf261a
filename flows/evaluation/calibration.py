"""`pagemill evaluate --calibrate`: weights of confidence fitted to labels of this dataset."""

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from extractors.confidence.confidence import DocumentContext, Weights, default_weights, document_context, features
from extractors.confidence.fit import Labelled, fit, reliability
from extractors.prompt.field_groups import groups
from flows.documents.confidence_weights import keep_weights
from flows.evaluation.evaluate import Compared
from flows.settings import load_settings
from flows.storage.dataset import Dataset
from flows.ui.terminal import Section
from schemas.document_type import DocumentType
from schemas.errors import ConfigurationError

LEAST_VALUES = 50  # labels: fewer are too few for a fit
_PAGES = ("document_id", "page", "sent_as", "hidden_text", "chunk")


def labelled_values(
    dataset: Dataset, document_type: DocumentType, compared: Iterable[Compared]
) -> Iterator[tuple[Compared, list[Labelled]]]:
    """Each compared document with the signals and labels of its scored values. The pages of a shard are read once."""
    parts = len(groups(document_type.root, load_settings().fields_per_request))
    shard, contexts = "", dict[str, DocumentContext]()
    for comparison in compared:
        published = comparison.published
        if published.shard != shard:
            shard, contexts = published.shard, _contexts(dataset, published.shard, parts)
        about = contexts.get(published.document_id, DocumentContext(frozenset(), frozenset(), asked_again=False))
        given = features(published.record, document_type.root, about)
        rows = zip(published.record.evidence, given, strict=True)
        right = comparison.scored.right_at
        yield (
            comparison,
            [
                (signal, right[row.field])
                for row, signal in rows
                if signal is not None and row.match != "conflict" and row.field in right
            ],
        )


def keeping(
    dataset: Dataset, document_type: DocumentType, compared: Iterable[Compared], labelled: list[Labelled]
) -> Iterator[Compared]:
    """Yield the compared documents unchanged, and add their labelled values to `labelled` on the way."""
    for entry, values in labelled_values(dataset, document_type, compared):
        labelled += values
        yield entry


def calibrate(dataset: Dataset, labelled: list[Labelled]) -> dict[str, float]:
    """Fit the dataset's weights to labels and store them. Raises ConfigurationError for fewer than LEAST_VALUES."""
    if len(labelled) < LEAST_VALUES:
        raise ConfigurationError(
            f"--calibrate: {len(labelled)} values have evidence and a label: expected at least {LEAST_VALUES}; label more "
            "documents"
        )
    weights = fit(labelled, default_weights(), by_field=True)
    keep_weights(dataset, {"values": len(labelled), "weights": weights})
    return weights


def calibration_table(labelled: list[Labelled], weights: Weights) -> Section:
    """Share of right values by tenth of confidence, as a table for people."""
    rows = [
        [f"{tenth.low:.1f} to {tenth.high:.1f}", str(tenth.values), f"{tenth.confidence:.3f}", f"{tenth.right:.3f}"]
        for tenth in reliability(labelled, weights)
    ]
    headings = ("confidence", "values", "mean", "right")
    return Section(
        "Calibrated: refresh --replay gives every value its new confidence", headings, rows, frozenset(headings)
    )


def _contexts(dataset: Dataset, shard: str, parts: int) -> dict[str, DocumentContext]:
    requests = dataset.shard_columns("documents", shard, ["document_id", "requests"]).to_pylist()
    rows = dataset.shard_columns("pages", shard, _PAGES)
    contexts = {}
    for row in requests:
        own_pages = rows.filter(pc.equal(rows.column("document_id"), pa.scalar(row["document_id"])))
        contexts[row["document_id"]] = document_context(own_pages.to_pylist(), row["requests"], parts)
    return contexts
