"""Earlier attempts at a shard: a process of a cluster may be killed over it, and another takes it up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flows.model.budget import Spending
from flows.storage.backends.layout import STAGED
from flows.storage.dataset import Dataset
from flows.storage.publish import published_as
from flows.storage.recover import recover


@dataclass(frozen=True, slots=True)
class EarlierAttempt:
    """Earlier attempt at a shard: former names of its documents, published ones among them, answers that only the journal has.

    `published` has status and pages by document id, `addresses` where these documents were found.
    """

    names: Sequence[str] = ()
    published: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    journaled: Sequence[Mapping[str, Any]] = ()
    was_tried: bool = False


def earlier_attempt_of(dataset: Dataset, name: str, former: Sequence[str], spending: Spending) -> EarlierAttempt:
    """Leftovers of a killed process for the shard `name`; money it had paid is counted in `spending`."""
    if dataset.store.names(f"{STAGED}/{name}"):  # killed while it was published
        with dataset.locked():
            recover(dataset)
    journaled = dataset.store.read_segment(name)
    names = published_as(dataset, name)[:-1]
    rows: list[dict[str, Any]] = []
    for entry in names:
        rows += dataset.shard_columns("documents", entry, ("document_id", "source_uri", "status", "pages")).to_pylist()
        columns = ("cost_usd", "attempts", "prompt_tokens", "completion_tokens")
        spending.enter_calls(dataset.shard_columns("calls", entry, columns).to_pylist())
    spending.enter_calls(journaled)
    return EarlierAttempt(
        former,
        {row["document_id"]: (row["status"], row["pages"]) for row in rows},
        {row["source_uri"]: row["document_id"] for row in rows},
        journaled,
        bool(names or journaled),
    )
