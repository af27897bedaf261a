"""Claims: documents that live runs work on, so that no two runs extract the same one. All functions need the lock."""

from collections.abc import Collection, Iterable, Sequence

from flows.storage.backends.layout import CLAIMS
from flows.storage.dataset import Dataset


def claim(dataset: Dataset, run_id: str, ids: Iterable[str], shards: Sequence[str] = ()) -> set[str]:
    """Claim those of `ids` that are not published, forgotten, or claimed by another live run or another shard of this one.

    `shards` has the name of the shard to claim for, and the names of earlier tries of its documents. Hold the lock, recover
    first.
    """
    wanted = list(dict.fromkeys(ids))
    taken = dataset.published_among(wanted) | claimed_by_others(dataset, run_id).keys() | dataset.forgotten_ids()
    taken |= claimed_beside(dataset, run_id, shards)
    return _claimed(dataset, run_id, [name for name in wanted if name not in taken], *shards[:1])


def claimed_beside(dataset: Dataset, run_id: str, shards: Collection[str]) -> set[str]:
    """The ids claimed by other shards of this run, also by finished ones. Hold the lock."""
    return {document_id for document_id, shard in _claims(dataset, run_id) if shard and shard not in shards}


def claim_published(dataset: Dataset, run_id: str, ids: Iterable[str]) -> set[str]:
    """Claim those of `ids` that are published and not claimed by another live run. Hold the lock, recover first."""
    free_ids = dataset.published_among(ids) - claimed_by_others(dataset, run_id).keys() - dataset.forgotten_ids()
    return _claimed(dataset, run_id, sorted(free_ids))


def _claimed(dataset: Dataset, run_id: str, granted: list[str], shard: str = "") -> set[str]:
    if granted:
        lines = "".join(f"{entry} {shard}\n" for entry in granted)
        dataset.store.append(f"{CLAIMS}/{run_id}", lines.encode("ascii"))
    return set(granted)


def _claims(dataset: Dataset, run_id: str) -> list[tuple[str, str]]:
    """Claims of a run: ids, each with its shard, "" where none is recorded."""
    try:
        lines = dataset.store.read(f"{CLAIMS}/{run_id}").decode("ascii").splitlines()
    except FileNotFoundError:
        return []
    return [(document_id, shard) for document_id, _, shard in (line.partition(" ") for line in lines)]


def claimed_by_others(dataset: Dataset, run_id: str) -> dict[str, str]:
    """The ids claimed by other live runs, each with its run. Hold the lock."""
    claimed: dict[str, str] = {}
    other_runs = dataset.store.live_runs() - {run_id}
    for name in dataset.entries("claims"):
        if name in other_runs:
            claimed.update((document_id, name) for document_id, _ in _claims(dataset, name))
    return claimed
