"""Pages that were asked for once more: their items stand in the place of the earlier ones, and no other item moves."""

import random

from hypothesis import given
from hypothesis import strategies as st

from extractors.parse import parse
from extractors.splice import splice
from schemas.pipeline import Answer, Located
from tests.support.rows import row
from tests.support.sheets import ROOT, located, page


@given(st.integers(0, 2**16))
def test_pages_that_are_asked_again_get_their_items_and_no_other_page_does(seed: int) -> None:
    chance = random.Random(seed)
    pages = [page(at, [row(20 * at + place) for place in range(chance.randint(4, 12))]) for at in range(1, 6)]
    rows = {
        each.number: [row(20 * each.number + place) for place in range(each.text.count("\n") + 1)] for each in pages
    }
    asked_again = chance.sample(range(1, 6), chance.randint(1, 5))
    left = {at: chance.choice([0, len(rows[at]) // 2]) if at in asked_again else len(rows[at]) for at in rows}
    half = chance.randint(1, 5)  # the answers may come in two, as after halving
    renewed = [
        located(part, [each for at in (one.number for one in part) for each in rows[at][: left[at]]])
        for part in (pages[:half], pages[half:])
        if part
    ]
    again = {at: [located([pages[at - 1]], rows[at])] for at in asked_again}
    renewed = splice(renewed, again, "/rows")
    joined = [item["article"] for each in renewed for item in each.answer.value.get("rows", [])]
    assert joined == [each[0] for at in rows for each in rows[at]]
    for each in renewed:
        for pointer, found in each.evidence.items():
            assert found.field == pointer
            if pointer.startswith("/rows/"):
                _, _, place, name = pointer.split("/")
                assert (
                    str(each.answer.value["rows"][int(place)][name]).rstrip("0") in str(found.value).rstrip("0") + "."
                )


def test_a_page_whose_answer_had_no_item_gets_its_items_in_its_place() -> None:
    pages = [page(at, [row(10 * at + place) for place in range(4)]) for at in range(1, 4)]
    rows = {at: [row(10 * at + place) for place in range(4)] for at in range(1, 4)}
    answers = [located([pages[0]], rows[1]), located([pages[1]], []), located([pages[2]], rows[3])]
    renewed = splice(answers, {2: [located([pages[1]], rows[2])]}, "/rows")
    joined = [item["article"] for each in renewed for item in each.answer.value["rows"]]
    assert joined == [each[0] for at in rows for each in rows[at]]
    assert [each.answer.value.get("number") for each in renewed] == ["7", "7", None, None, "7"]  # scalars stay, once


def test_an_empty_answer_is_no_obstacle() -> None:
    empty = Located(0, (1,), Answer(parse("{}", ROOT).value), {})
    assert [each.answer.value["rows"] for each in splice([empty], {1: [empty]}, "/rows")] == [[], [], []]
