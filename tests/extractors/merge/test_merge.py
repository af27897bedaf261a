"""Answers of several chunks to one record: first stated counts, conflicts kept, lists joined, nothing de-duplicated."""

from dataclasses import replace
from decimal import Decimal

import pytest

from extractors.merge.merge import merge
from extractors.parse.parse import parse
from schemas.document_type import DocumentType
from schemas.document_types import DOCUMENT_TYPES
from schemas.step_data import Evidence, Located, Problem

INVOICE = DOCUMENT_TYPES["invoice"]
WHOLE = '"number": "7", "issue_date": "2026-01-02", "gross_total": 3'


def located(chunk: int, text: str, page: int = 1) -> Located:
    answer = parse(text, INVOICE.root)
    evidence = {}
    for key in ("number", "gross_total", "net_total"):
        if answer.value[key] is not None:
            evidence[f"/{key}"] = Evidence(f"/{key}", str(answer.value[key]), page, (0, 0, 1, 1), "q", "exact")
    for index, item in enumerate(answer.value["line_items"]):
        if item["description"]:
            pointer = f"/line_items/{index}/description"
            evidence[pointer] = Evidence(pointer, item["description"], page, (0, 0, 1, 1), "q", "exact")
    return Located(chunk, (page,), answer, evidence)


def test_the_first_stated_scalar_counts_and_a_conflict_is_kept() -> None:
    record = merge([located(0, "{%s}" % WHOLE), located(1, '{"number": "8", "net_total": 2}', page=2)], INVOICE)
    assert record.value["number"] == "7"
    assert record.value["net_total"] == Decimal(2)
    assert record.status == "ok"
    assert record.needs_review
    assert [(each.field, each.match, each.page) for each in record.evidence if each.match == "conflict"] == [
        ("/number", "conflict", 2)
    ]
    assert [problem.kind for problem in record.problems] == ["conflict"]
    assert (record.first_page, record.last_page) == (1, 2)


def test_lists_are_joined_in_order_equal_rows_stay_and_pointers_move_along() -> None:
    first = '{%s, "line_items": [{"description": "Bolt"}, {"description": "Nut"}]}' % WHOLE
    second = '{"line_items": [{"description": "Bolt", "amount": 1.23456}, {"description": "Nut"}]}'
    record = merge([located(0, first, 1), located(1, second, 2)], INVOICE)
    assert [item["description"] for item in record.value["line_items"]] == ["Bolt", "Nut", "Bolt", "Nut"]
    assert [record.item_pages[f"/line_items/{index}"] for index in range(4)] == [1, 1, 2, 2]
    assert [problem.field for problem in record.problems] == ["/line_items/2/amount"]
    assert record.status == "partial"
    assert [each.match for each in record.evidence if each.field == "/line_items/2/amount"] == ["rejected"]


def test_required_nulls_unread_pages_and_unanswered_chunks_make_it_partial() -> None:
    assert merge([located(0, "{%s}" % WHOLE)], INVOICE).status == "ok"
    assert merge([located(0, '{"number": "7"}')], INVOICE).status == "partial"
    for kind in ("page", "unanswered"):
        assert merge([located(0, "{%s}" % WHOLE)], INVOICE, [Problem("", kind, "why")]).status == "partial"
    hidden = merge([located(0, "{%s}" % WHOLE)], INVOICE, [Problem("", "hidden", "12 characters")])
    assert (hidden.status, hidden.needs_review) == ("ok", True)


def test_an_absent_value_is_a_problem_of_an_ok_record() -> None:
    each = located(0, "{%s}" % WHOLE)
    missing = {**each.evidence, "/number": Evidence("/number", "7", None, None, None, "absent")}
    record = merge([Located(0, (1,), each.answer, missing)], INVOICE)
    assert (record.status, record.needs_review, [problem.kind for problem in record.problems]) == (
        "ok",
        True,
        ["absent"],
    )


def test_money_read_only_from_a_picture_asks_for_review() -> None:
    each = located(0, "{%s}" % WHOLE)
    seen = {**each.evidence, "/gross_total": Evidence("/gross_total", "3", 1, None, None, "image")}
    record = merge([Located(0, (1,), each.answer, seen)], INVOICE)
    assert (record.status, record.needs_review, record.problems) == ("ok", True, ())


def test_a_value_that_breaks_the_schema_is_dropped_and_named() -> None:
    schema = {
        "type": "object",
        "title": "t",
        "required": ["a"],
        "properties": {"a": {"type": "string", "pattern": "^X"}, "b": {"type": "string"}},
    }
    document_type = DocumentType.from_schema(schema, "t")
    answer = parse('{"a": "Y1", "b": "kept"}', document_type.root)
    record = merge([Located(0, (1,), answer, {"/a": Evidence("/a", "Y1", 1, None, None, "exact")})], document_type)
    assert record.value == {"a": None, "b": "kept"}
    assert [(each.field, each.match, each.value) for each in record.evidence] == [("/a", "rejected", "Y1")]
    assert {problem.kind for problem in record.problems} == {"rejected", "required"}


def test_a_document_without_any_answer_is_a_record_of_nulls() -> None:
    record = merge([], INVOICE)
    assert record.status == "partial"
    assert record.value["line_items"] == []
    assert record.first_page is None


def test_a_failed_check_makes_the_record_partial_and_a_skipped_one_says_nothing() -> None:
    right = merge([located(0, '{%s, "net_total": 2, "tax_total": 1}' % WHOLE)], INVOICE)
    assert (right.status, [(each.check, each.ok) for each in right.checks]) == ("ok", [("gross", True)])
    wrong = merge([located(0, '{%s, "net_total": 2, "tax_total": 2}' % WHOLE)], INVOICE)
    assert wrong.status == "partial"
    assert [problem.message for problem in wrong.problems] == ["gross: 4.0000 is found where 3.0000 is expected"]
    assert merge([located(0, "{%s}" % WHOLE)], INVOICE).checks == ()


def test_money_that_only_a_picture_shows_needs_a_look_unless_a_check_proves_it() -> None:
    def by_image(text: str) -> Located:
        found = located(0, text)
        return replace(
            found, evidence={key: replace(each, match="image", box=None) for key, each in found.evidence.items()}
        )

    assert merge([by_image("{%s}" % WHOLE)], INVOICE).needs_review
    proven = merge([by_image('{%s, "net_total": 2, "tax_total": 1}' % WHOLE)], INVOICE)
    assert (proven.status, proven.needs_review) == ("ok", False)


def test_a_conflict_is_settled_by_what_adds_up() -> None:
    first = located(0, '{"number": "7", "issue_date": "2026-01-02", "net_total": 30}')
    last = located(1, '{"net_total": 2, "tax_total": 1, "gross_total": 3}', page=2)
    once_more = located(2, '{"net_total": 2}', page=3)
    record = merge([first, last, once_more], INVOICE)
    assert record.value["net_total"] == 2
    assert record.status == "ok"
    assert [(each.check, each.ok) for each in record.checks] == [("gross", True)]
    assert [(each.page, each.match) for each in record.evidence if each.field == "/net_total"] == [
        (1, "conflict"),
        (2, "exact"),
    ]
    ((problem),) = [each for each in record.problems if each.field == "/net_total"]
    assert "2.0000 adds up (gross), 30.0000 is stated first" in problem.message


def test_a_conflict_that_nothing_settles_keeps_the_first_value_and_fails_its_check() -> None:
    first = located(0, '{"number": "7", "issue_date": "2026-01-02", "net_total": 30}')
    last = located(1, '{"net_total": 20, "tax_total": 1, "gross_total": 3}', page=2)
    record = merge([first, last], INVOICE)
    assert record.value["net_total"] == 30
    assert record.status == "partial"
    assert [problem.kind for problem in record.problems] == ["conflict", "check"]


def test_an_item_that_goes_on_over_a_page_break_is_put_together() -> None:
    first = located(0, '{%s, "line_items": [{"description": "Pump, bronze,", "amount": 7}]}' % WHOLE, page=1)
    rest = located(1, '{"line_items": [{"description": "with flange"}, {"description": "Hose", "amount": 2}]}', page=2)
    for _ in range(2):  # and merging changes no answer
        record = merge([first, rest], INVOICE)
        assert [item["description"] for item in record.value["line_items"]] == ["Pump, bronze, with flange", "Hose"]
        values = {each.field: each.value for each in record.evidence if each.field.endswith("description")}
        assert values == {
            "/line_items/0/description": "Pump, bronze, with flange",
            "/line_items/1/description": "Hose",
        }
        assert record.status == "ok"
        assert record.needs_review


@pytest.mark.parametrize(
    ("last", "rest", "page"),
    [
        ('{"description": "Pump", "amount": 7}', '{"description": "Hose", "amount": 2}', 2),  # a row of its own
        ('{"description": "Pump"}', '{"description": "Hose"}', 2),  # a list of texts
        ('{"description": "Pump", "amount": 7}', '{"description": "Hose"}', 3),  # not the next page
        ('{"amount": 7}', '{"description": "Hose"}', 2),  # nothing to go on from
    ],
)
def test_what_may_be_a_row_of_its_own_stays_one(last: str, rest: str, page: int) -> None:
    first = located(0, '{%s, "line_items": [%s]}' % (WHOLE, last))
    after = located(1, '{"line_items": [%s]}' % rest, page=page)
    assert len(merge([first, after], INVOICE).value["line_items"]) == 2


def test_a_choice_among_candidates_counts_and_is_told() -> None:
    answers = [located(0, "{%s}" % WHOLE), located(1, '{"number": "8"}', page=2)]
    assert merge(answers, INVOICE).unsettled == ("/number",)
    record = merge(answers, INVOICE, choices={"/number": 1})
    assert (record.value["number"], record.unsettled) == ("8", ())
    assert [(each.page, each.match) for each in record.evidence if each.field == "/number"] == [
        (1, "conflict"),
        (2, "exact"),
    ]
    for place in (0, 7, -1):
        assert merge(answers, INVOICE, choices={"/number": place}).value["number"] == "7"
