"""Assignment of list items to items of the truth: rows that agree in all labelled fields first, the rest optimally.

The optimal assignment has the most agreeing values (Jonker-Volgenant, lapx); its time is cubic and its memory quadratic. The
remaining rows of long lists are therefore paired by values that occur once on either side first, and then in blocks of
MOST_ASSIGNED_ROWS rows in order.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import lap
import numpy as np

from extractors.evaluate.compare import CompareKey

MOST_ASSIGNED_ROWS = 1_000  # rows of either side in one block: 8 MB, and about a second at most
_NULLS = 0.1  # weight of two nulls that agree; two values that agree weigh 1
_DRIFT = 0.01  # cost of a pair at opposite ends of the list

KeyedRow = Mapping[str, CompareKey]  # keys by path; a truth row has labelled fields only


def assign(truth: Sequence[KeyedRow], found: Sequence[KeyedRow]) -> dict[int, int]:
    """The index in `found` for each row of `truth` with a counterpart: a row that agrees in at least one stated value."""
    pairs = _exact(truth, found)
    left = [index for index in range(len(truth)) if index not in pairs]
    taken = set(pairs.values())
    free = [index for index in range(len(found)) if index not in taken]
    if max(len(left), len(free)) > MOST_ASSIGNED_ROWS:
        for index, counterpart in _by_unique_values(truth, found, left, free):
            pairs[index] = counterpart
        taken = set(pairs.values())
        left = [entry for entry in left if entry not in pairs]
        free = [index for index in free if index not in taken]
    blocks = max(1, -(-max(len(left), len(free)) // MOST_ASSIGNED_ROWS))
    for block in range(blocks):
        rows = left[len(left) * block // blocks : len(left) * (block + 1) // blocks]
        columns = free[len(free) * block // blocks : len(free) * (block + 1) // blocks]
        pairs.update(_optimal(truth, found, rows, columns))
    return pairs


def _exact(truth: Sequence[KeyedRow], found: Sequence[KeyedRow]) -> dict[int, int]:
    """Pairs that agree in all labelled fields, rows with the most labels first; equal rows in order."""
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    by_labels: dict[tuple[str, ...], list[int]] = {}
    for index, row in enumerate(truth):
        if any(value is not None for value in row.values()):
            by_labels.setdefault(tuple(sorted(row)), []).append(index)
    for paths in sorted(by_labels, key=len, reverse=True):
        waiting: dict[tuple[CompareKey, ...], list[int]] = {}
        for index in range(len(found) - 1, -1, -1):
            if index not in taken:
                waiting.setdefault(tuple(found[index].get(path) for path in paths), []).append(index)
        for index in by_labels[paths]:
            same = waiting.get(tuple(truth[index][path] for path in paths))
            if same:
                pairs[index] = same.pop()
                taken.add(pairs[index])
    return pairs


def _by_unique_values(
    truth: Sequence[KeyedRow], found: Sequence[KeyedRow], left: Sequence[int], free: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """Pairs that share a value no other row has; the column with the most values first."""
    done: set[int] = set()
    taken: set[int] = set()
    paths = {path for entry in left for path in truth[entry]}
    for path in sorted(paths, key=lambda path: (-len({truth[entry].get(path) for entry in left}), path)):
        truth_counts = Counter(truth[entry].get(path) for entry in left)
        found_counts = Counter(found[index].get(path) for index in free)
        places = {found[index].get(path): index for index in free if index not in taken}
        for entry in left:
            value = truth[entry].get(path)
            if (
                entry in done
                or value is None
                or truth_counts[value] > 1
                or found_counts[value] != 1
                or value not in places
            ):
                continue
            if places[value] not in taken:
                done.add(entry)
                taken.add(places[value])
                yield entry, places[value]


def _optimal(
    truth: Sequence[KeyedRow], found: Sequence[KeyedRow], rows: Sequence[int], columns: Sequence[int]
) -> dict[int, int]:
    """The assignment of `rows` (of truth) to `columns` (of found) with the most agreeing values."""
    if not rows or not columns:
        return {}
    agreeing = np.zeros((len(rows), len(columns)), np.float32)
    weight = np.zeros_like(agreeing)
    for path in {path for row in rows for path in truth[row]}:
        codes: dict[CompareKey, int] = {None: 0}
        truth_codes = np.array(
            [codes.setdefault(truth[at][path], len(codes)) if path in truth[at] else -1 for at in rows]
        )
        found_codes = np.array([codes.setdefault(found[at].get(path), len(codes)) for at in columns])
        same = truth_codes[:, None] == found_codes[None, :]
        stated = same & (truth_codes > 0)[:, None]
        agreeing += stated
        weight += stated + _NULLS * (same & (truth_codes == 0)[:, None])
    distance = np.abs(np.array(rows)[:, None] - np.array(columns)[None, :], dtype=np.float32)
    weight -= _DRIFT * distance / max(len(truth), len(found))
    places, _ = lap.lapjv((weight.max() - weight).astype(np.float64), extend_cost=True, return_cost=False)  # -1 is none
    return {
        rows[row]: columns[column] for row, column in enumerate(places) if column >= 0 and agreeing[row, column] > 0
    }
