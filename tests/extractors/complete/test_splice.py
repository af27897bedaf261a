"""Items of a second answer: each stands where its row does, and no other item moves or is lost."""

import random

from hypothesis import given
from hypothesis import strategies as st

from extractors.complete.coverage import coverage, fresh_items
from extractors.complete.lines import page_lines
from extractors.complete.splice import items_on, splice
from schemas.step_data import Located, Page
from tests.support.rows import row
from tests.support.sheets import ROOT, Row, located, page


def with_second_answers(answers: list[Located], pages: list[Page], rows: dict[int, list[Row]]) -> list[Located]:
    """What becomes of `answers` when every page with a gap is answered whole, once more."""
    fresh = {}
    for gap in coverage(answers, ROOT, [page_lines(each) for each in pages]):
        again = [located([pages[gap.page - 1]], rows[gap.page])]
        found = fresh_items(again, page_lines(pages[gap.page - 1]), gap, items_on(answers, "/rows", gap.page))
        if found:
            fresh[gap.page] = found
    return splice(answers, fresh, "/rows")


@given(st.integers(0, 2**16))
def test_pages_that_are_asked_again_get_the_items_that_were_missing_where_they_stand(seed: int) -> None:
    chance = random.Random(seed)
    rows = {at: [row(20 * at + place) for place in range(chance.randint(4, 12))] for at in range(1, 6)}
    pages = [page(at, each) for at, each in rows.items()]
    kept = {at: [each for each in there if chance.random() < 0.7] for at, there in rows.items()}
    kept[chance.randint(1, 5)] = []
    half = chance.randint(1, 4)  # the answers may come in two, as after halving
    answers = [
        located(part, [each for one in part for each in kept[one.number]]) for part in (pages[:half], pages[half:])
    ]
    renewed = with_second_answers(answers, pages, rows)
    joined = [item["article"] for each in renewed for item in each.answer.value.get("rows", [])]
    if any(kept.values()):
        assert joined == [each[0] for at in rows for each in rows[at]]
    for each in renewed:
        for pointer, found in each.evidence.items():
            assert found.field == pointer
            if pointer.startswith("/rows/"):
                _, _, place, name = pointer.split("/")
                said = str(each.answer.value["rows"][int(place)][name]).rstrip("0")
                assert said in str(found.value).rstrip("0") + "."


def test_a_page_whose_answer_had_no_item_gets_its_items_in_its_place_and_scalars_stay_once() -> None:
    rows = {at: [row(10 * at + place) for place in range(4)] for at in range(1, 4)}
    pages = [page(at, each) for at, each in rows.items()]
    answers = [located([pages[0]], rows[1]), located([pages[1]], []), located([pages[2]], rows[3])]
    renewed = with_second_answers(answers, pages, rows)
    joined = [item["article"] for each in renewed for item in each.answer.value["rows"]]
    assert joined == [each[0] for at in rows for each in rows[at]]
    assert [each.answer.value.get("number") for each in renewed if each.answer.value.get("number")] == ["7"] * 3


def test_nothing_fresh_changes_nothing() -> None:
    pages = [page(1, [row(number) for number in range(4)])]
    answers = [located(pages, [row(number) for number in range(4)])]
    assert splice(answers, {}, "/rows") == answers
