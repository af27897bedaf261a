"""Confidence of values: what speaks for one and against one, and that people's word is left alone."""

from dataclasses import replace

import pytest

from extractors.confidence.confidence import (
    DocumentContext,
    confidence,
    default_weights,
    document_context,
    features,
    rated,
    weights_of,
)
from schemas.checks import CheckResult
from schemas.document_types import DOCUMENT_TYPES
from schemas.step_data import Evidence, Record

ROOT = DOCUMENT_TYPES["invoice"].root
NOTHING = DocumentContext(frozenset(), frozenset(), asked_again=False)
TOTAL = Evidence("/gross_total", "119", 1, (300, 700, 340, 710), "Gross total 119.00", "exact")
NET = Evidence("/net_total", "100", 1, (300, 680, 340, 690), "100.00", "normalized")
AMOUNT = Evidence("/line_items/0/amount", "60", 2, (300, 80, 340, 90), "Lamp 60", "exact")
VALUE = {
    **dict.fromkeys(("number", "issue_date", "due_date", "currency", "iban"), "x"),
    "seller": {"name": "x", "address": "x", "tax_id": "x"}, "net_total": 100, "tax_total": 19, "gross_total": 119,
}  # fmt: skip
SUMS = CheckResult("gross", ok=True, expected="119", found="119", fields=("/net_total", "/gross_total"))


def record(*evidence: Evidence, checks: tuple[CheckResult, ...] = ()) -> Record:
    return Record(
        VALUE, evidence, (), "ok", needs_review=False, first_page=1, last_page=1, item_pages={}, checks=checks
    )


def given(*evidence: Evidence, seen: DocumentContext = NOTHING, checks: tuple[CheckResult, ...] = ()) -> set[str]:
    (first, *_) = features(record(*evidence, checks=checks), ROOT, seen)
    assert first is not None
    return set(first)


def test_how_a_value_was_found_and_its_kind_are_signals() -> None:
    assert {"sure", "match exact", "kind number", "label beside a number", "field /gross_total"} <= given(TOTAL)
    assert "label beside a number" not in given(NET)
    assert {"in a list", "short", "field /line_items/*/amount"} <= given(AMOUNT)
    assert "record is half empty" not in given(TOTAL)
    few = replace(record(TOTAL), value={"number": "A", "gross_total": 119})
    assert "record is half empty" in features(few, ROOT, NOTHING)[0]


def test_checks_speak_for_what_they_cover_and_against_it() -> None:
    assert "check holds" in given(TOTAL, checks=(SUMS,))
    failed = replace(SUMS, ok=False)
    assert "check fails" in given(TOTAL, checks=(failed,))
    assert "another check fails" in given(AMOUNT, checks=(failed,))
    assert not {"check holds", "check fails", "another check fails"} & given(AMOUNT, checks=(SUMS,))


def test_what_is_seen_of_the_page_counts_for_the_values_on_it() -> None:
    seen = DocumentContext(frozenset({1}), frozenset({1}), asked_again=True)
    assert {"page is a picture", "page hides text", "asked for again"} <= given(TOTAL, seen=seen)
    assert {"page is a picture", "page hides text"}.isdisjoint(given(AMOUNT, seen=seen))


def test_a_value_that_is_stated_otherwise_elsewhere_or_shares_its_place_is_told() -> None:
    other = replace(TOTAL, value="120", box=None, match="conflict")
    assert "contested" in given(TOTAL, other)
    assert "match conflict" in given(other, TOTAL)
    assert "contested" not in given(other, TOTAL)
    assert "place of another value, too" in given(TOTAL, replace(NET, box=TOTAL.box))
    assert "place of another value, too" not in given(TOTAL, NET)


def test_a_person_is_not_doubted() -> None:
    said = replace(TOTAL, match="corrected", confidence=1.0)
    after = rated(record(said, NET), ROOT, NOTHING, default_weights())
    assert after.evidence[0].confidence == 1.0
    assert 0 < after.evidence[1].confidence < 1


def test_the_weights_of_the_package_say_what_anybody_would() -> None:
    def sure(each: Evidence, checks: tuple[CheckResult, ...] = (), seen: DocumentContext = NOTHING) -> float:
        return rated(record(each, checks=checks), ROOT, seen, default_weights()).evidence[0].confidence

    assert sure(TOTAL) > 0.8
    assert sure(TOTAL, (SUMS,)) > sure(TOTAL) > sure(TOTAL, (replace(SUMS, ok=False),))
    assert sure(TOTAL) > sure(replace(TOTAL, match="fuzzy")) > sure(replace(TOTAL, match="absent"))
    assert sure(TOTAL) > sure(replace(TOTAL, match="image"))
    assert sure(replace(TOTAL, match="rejected", value=None)) < 0.5
    assert sure(TOTAL, seen=DocumentContext(frozenset(), frozenset({1}), asked_again=False)) < sure(TOTAL)


def test_odds_add_up_and_never_overflow() -> None:
    assert confidence({"sure": 1.0}, {}) == 0.5
    assert confidence({"sure": 1.0, "x": 1.0}, {"sure": 1.0, "x": -1.0}) == 0.5
    assert 0 < confidence({"sure": 1.0}, {"sure": -1e9}) < confidence({"sure": 1.0}, {"sure": 1e9}) < 1


def test_signs_are_told_by_the_rows_of_pages() -> None:
    rows = [
        {"page": 1, "sent_as": "image", "hidden_text": 0, "chunk": 0},
        {"page": 2, "sent_as": "text", "hidden_text": 7, "chunk": 1},
        {"page": 3, "sent_as": "blank", "hidden_text": 0, "chunk": 2},
    ]
    assert document_context(rows, 2, 1) == DocumentContext(frozenset({1}), frozenset({2}), asked_again=False)
    assert document_context(rows, 3, 1).asked_again
    assert not document_context(rows, 4, 2).asked_again


@pytest.mark.parametrize("told", [None, [], {}, {"weights": {"sure": "x"}}, {"weights": {"sure": float("nan")}}])
def test_what_is_no_weights_is_refused(told: object) -> None:
    with pytest.raises(ValueError, match="no weights"):
        weights_of(told)
