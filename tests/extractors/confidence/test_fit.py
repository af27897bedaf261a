"""Weights of confidence fitted to labels."""

import random

import pytest

from extractors.confidence.confidence import confidence
from extractors.confidence.fit import fit, reliability

TRUE = {"sure": 1.0, "good": 1.5, "bad": -2.0}


def labelled(count: int, weights: dict[str, float] = TRUE) -> list[tuple[dict[str, float], bool]]:
    dice = random.Random(count)
    found = []
    for _ in range(count):
        given = {"sure": 1.0, **{name: 1.0 for name in ("good", "bad") if dice.random() < 0.5}, "field /a": 1.0}
        found.append((given, dice.random() < confidence(given, weights)))
    return found


def test_with_many_labels_the_weights_are_what_made_them() -> None:
    found = fit(labelled(20_000), {}, by_field=False)
    assert found == {name: pytest.approx(weight, abs=0.15) for name, weight in TRUE.items()}
    assert next(iter(found)) == "sure"


def test_with_few_labels_little_changes_and_what_no_label_speaks_of_stays() -> None:
    before = {"sure": 0.5, "good": 3.0, "never": -1.25}
    found = fit(labelled(4), before, by_field=False)
    assert found["never"] == -1.25
    assert all(abs(found[name] - weight) < 1.5 for name, weight in before.items())
    assert fit([], before, by_field=False) == before


def test_only_a_datasets_own_weights_know_its_fields() -> None:
    assert "field /a" in fit(labelled(50), {}, by_field=True)
    assert "field /a" not in fit(labelled(50), {}, by_field=False)


def test_labels_that_a_signal_separates_wholly_still_give_finite_weights() -> None:
    apart = [({"sure": 1.0, "good": 1.0}, True), ({"sure": 1.0}, False)] * 100
    found = fit(apart, {"sure": 8.0, "good": -8.0}, by_field=False)
    assert confidence(apart[0][0], found) > 0.8 > 0.3 > confidence(apart[1][0], found)
    assert max(map(abs, found.values())) < 20


def test_values_of_about_the_same_confidence_are_right_that_often() -> None:
    table = reliability(labelled(20_000), TRUE)
    assert sum(each.values for each in table) == 20_000
    for each in table:
        assert each.low <= each.confidence <= each.high
        assert each.right == pytest.approx(each.confidence, abs=0.05)
