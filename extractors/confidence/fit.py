"""Weights of confidence fitted to labels: ridge logistic regression around the earlier weights.

Few labels change little; a signal without labels keeps its weight.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from extractors.confidence.confidence import BEGIN, OF_FIELD, Weights, confidence

_RIDGE = 1.0  # pull of a weight towards its earlier value, as strong as one uncertain label
_STEPS = 50
_CLOSE = 1e-8
BINS = 10

Labelled = tuple[Mapping[str, float], bool]  # signals of a value, and whether it is right


@dataclass(frozen=True, slots=True)
class Bin:
    """Values whose confidence is within one tenth: their number, their mean confidence, and the share of right ones."""

    low: float
    high: float
    values: int
    confidence: float
    right: float


def fit(labelled: Sequence[Labelled], before: Weights, *, by_field: bool) -> dict[str, float]:
    """The weights that fit `labelled` best, near `before`; `by_field` adds an intercept for each field."""
    labelled_names = {name for given, _ in labelled for name in given if by_field or not name.startswith(OF_FIELD)}
    names = sorted(labelled_names | before.keys(), key=lambda name: (name != BEGIN, name))
    at = {name: index for index, name in enumerate(names)}
    table = np.zeros((len(labelled), len(names)))
    for row, (given, _) in enumerate(labelled):
        for name in given.keys() & at.keys():
            table[row, at[name]] = given[name]
    right = np.array([entry for _, entry in labelled], dtype=float)
    origin = np.array([before.get(name, 0.0) for name in names])
    fitted = _newton(table, right, origin)
    return {name: round(float(weight), 4) for name, weight in zip(names, fitted, strict=True)}


def reliability(labelled: Iterable[Labelled], weights: Weights) -> list[Bin]:
    """Share of right values by tenth of confidence; tenths without values are left out."""
    tenths: dict[int, list[tuple[float, bool]]] = {}
    for given, right in labelled:
        sure = confidence(given, weights)
        tenths.setdefault(min(int(sure * BINS), BINS - 1), []).append((sure, right))
    return [
        Bin(
            number / BINS,
            (number + 1) / BINS,
            len(tenth),
            sum(sure for sure, _ in tenth) / len(tenth),
            sum(right for _, right in tenth) / len(tenth),
        )
        for number, tenth in sorted(tenths.items())
    ]


def _newton(table: NDArray[np.float64], right: NDArray[np.float64], origin: NDArray[np.float64]) -> NDArray[np.float64]:
    """Newton's method from the origin; each step is halved until the penalised likelihood grows."""

    def loss(weights: NDArray[np.float64]) -> float:
        odds = table @ weights
        return float(np.logaddexp(0.0, odds).sum() - right @ odds + _RIDGE / 2 * ((weights - origin) ** 2).sum())

    weights = origin.copy()
    now = loss(weights)
    for _ in range(_STEPS):
        sure = 1 / (1 + np.exp(-np.clip(table @ weights, -30, 30)))
        gradient = table.T @ (sure - right) + _RIDGE * (weights - origin)
        curvature = (table * (sure * (1 - sure))[:, None]).T @ table + _RIDGE * np.eye(len(weights))
        step = np.linalg.solve(curvature, gradient)
        size = 1.0
        while size > _CLOSE and loss(weights - size * step) > now:
            size /= 2
        weights = weights - size * step
        after = loss(weights)
        if now - after < _CLOSE:
            break
        now = after
    return weights
