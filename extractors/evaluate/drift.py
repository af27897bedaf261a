"""Drift: rates of this night compared with the nights before, by field and by the group that a type declares.

A share is compared by its bad side: missing values, values not located on their page, failed checks, partial documents. The
probability of tonight's count follows from the nights before: beta-binomial, with Jeffreys' prior (Gelman et al., Bayesian
Data Analysis, section 2.4), over counts divided by the quasi-binomial dispersion among the nights (McCullagh and Nelder,
Generalized Linear Models, section 4.5). A break is improbable among all comparisons of the night, and large enough to be
checked by a person.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Measure = Literal["filled", "located", "failed_check", "partial", "cost_per_page"]

NIGHTS = 28  # compared with tonight: four weeks, so that each weekday weighs the same
LEAST_NIGHTS = 5  # fewer nights are no basis for a comparison
CHANCE = 1e-3  # probability of a false alarm in a night, over all its comparisons
LEAST_CHANGE = 0.2  # change of a share that raises an alarm
LEAST_RATIO = 1.5  # ratio of a cost per page to its median that raises an alarm
_SIGMAS = 6.0  # deviations of the logarithm of a cost from its median that raise an alarm
_MAD = 1.4826  # median absolute deviation to standard deviation, for a normal distribution
_LEAST_SPREAD = 0.02  # deviation of the logarithm at least: equal costs in the past may differ in the future
_IS_BAD = frozenset({"failed_check", "partial"})  # measures that count bad cases


@dataclass(frozen=True, slots=True)
class RateKey:
    """Key of a rate: a measure of a field (JSON pointer with `*` for indexes, or a check's name) in a group, None for all."""

    measure: Measure
    field: str | None
    group: str | None


@dataclass(frozen=True, slots=True)
class Count:
    """`count` of `total`; for a cost, USD and pages."""

    count: float
    total: float


@dataclass(frozen=True, slots=True)
class Break:
    """A measure that is worse tonight than chance explains: the share (or USD a page) before and tonight."""

    key: RateKey
    before: float
    tonight: float
    total_before: float
    total_tonight: float
    chance: float

    @property
    def text(self) -> str:
        """The break in words."""
        measured = _WORDS[self.key.measure].format(field=self.key.field)
        group = f"{self.key.group}: " if self.key.group is not None else ""
        if self.key.measure == "cost_per_page":
            return f"{group}{measured} ${self.tonight:.5f}, was ${self.before:.5f}"
        return (
            f"{group}{measured} {self.tonight:.0%} of {self.total_tonight:,.0f}, was {self.before:.0%} of "
            f"{self.total_before:,.0f} in the nights before"
        )


_WORDS: Mapping[Measure, str] = {
    "filled": "{field} has a value in",
    "located": "{field} was located on its page in",
    "failed_check": "check {field} failed in",
    "partial": "documents are partial:",
    "cost_per_page": "a page costs",
}


def find_breaks(tonight: Mapping[RateKey, Count], before: Mapping[RateKey, Sequence[Count]]) -> list[Break]:
    """Rates that are worse tonight than the nights `before` explain, the least probable first.

    `before` has one count for each of the last nights (at most `NIGHTS`) with anything to count.
    """
    counted = {key: [night for night in before.get(key, ()) if night.total] for key in tonight if tonight[key].total}
    comparable = {key: nights for key, nights in counted.items() if len(nights) >= LEAST_NIGHTS}
    breaks = [
        entry
        for key, nights in comparable.items()
        if (entry := _cost(key, tonight[key], nights) if key.measure == "cost_per_page" else _share(key, tonight[key], nights))
        is not None
    ]  # fmt: skip
    return sorted(
        (entry for entry in breaks if entry.chance <= CHANCE / len(comparable)),
        key=lambda entry: (entry.chance, str(entry.key)),
    )


def _share(key: RateKey, tonight: Count, nights: Sequence[Count]) -> Break | None:
    """The break of a share with its chance; None where the share is hardly worse or better."""
    bad = [_bad(key, night) for night in nights]
    total = sum(night.total for night in nights)
    if _bad(key, tonight) / tonight.total - sum(bad) / total < LEAST_CHANGE:
        return None
    dispersion = _dispersion(bad, nights)
    chance = _tail(
        math.floor(_bad(key, tonight) / dispersion),
        max(1, round(tonight.total / dispersion)),
        sum(bad) / dispersion,
        total / dispersion,
    )
    count = sum(night.count for night in nights)
    return Break(key, count / total, tonight.count / tonight.total, total, tonight.total, chance)


def _bad(key: RateKey, night: Count) -> float:
    return night.count if key.measure in _IS_BAD else night.total - night.count


def _dispersion(bad: Sequence[float], nights: Sequence[Count]) -> float:
    """Dispersion of the nights beyond chance, at least 1: Pearson's statistic, corrected for nights of few documents.

    The correction is Fletcher's (Biometrika 99, 2012, pages 230 to 237): without it one miss on a night of two documents
    counts as a night unlike any other.
    """
    share = (sum(bad) + 0.5) / (sum(night.total for night in nights) + 1)
    variances = [
        (entry - night.total * share, night.total * share * (1 - share))
        for entry, night in zip(bad, nights, strict=True)
    ]
    pearson = sum(off**2 / variance for off, variance in variances) / (len(variances) - 1)
    skew = (1 - 2 * share) * statistics.fmean(off / variance for off, variance in variances)
    return max(1.0, pearson / (1 + skew)) if skew > 0 else max(1.0, pearson)


def _tail(bad: int, total: int, bad_before: float, total_before: float) -> float:
    """The chance of `bad` or more of `total`, after `bad_before` of `total_before`: the beta-binomial's upper tail."""
    a, b = bad_before + 0.5, total_before - bad_before + 0.5
    ways = math.lgamma(total + 1) - _log_beta(a, b)
    terms = (
        ways - math.lgamma(index + 1) - math.lgamma(total - index + 1) + _log_beta(index + a, total - index + b)
        for index in range(min(bad, total), total + 1)
    )
    return min(1.0, math.fsum(math.exp(term) for term in terms))


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _cost(key: RateKey, tonight: Count, nights: Sequence[Count]) -> Break | None:
    """The break of a cost per page: far above its median, by the spread of the nights' logarithms."""
    costs = [night.count / night.total for night in nights if night.count > 0]
    if len(costs) < LEAST_NIGHTS or tonight.count <= 0:
        return None
    now, middle = tonight.count / tonight.total, statistics.median(costs)
    if now < LEAST_RATIO * middle:
        return None
    logs = [math.log(cost) for cost in costs]
    spread = max(_MAD * statistics.median(abs(log - math.log(middle)) for log in logs), _LEAST_SPREAD)
    sigmas = (math.log(now) - math.log(middle)) / spread
    total = sum(night.total for night in nights)
    chance = 0.0 if sigmas >= _SIGMAS else 1.0
    return Break(key, middle, now, total, tonight.total, chance)
