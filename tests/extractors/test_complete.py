"""Rows that pages show against the items of an answer: what is missing is counted, what is complete is left alone."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extractors.complete import coverage, uncounted, with_items_of_page
from extractors.ground import ground
from extractors.parse import parse
from schemas.fields import field_tree
from schemas.pipeline import Answer, Image, Located, Page, Word
from tests.support.rows import SCHEMA, row

ROOT = field_tree(SCHEMA)
COLUMNS = (60.0, 140.0, 400.0, 480.0)


def line(y: float, texts: list[tuple[float, str, bool]]) -> list[Word]:
    """Words at a height; a number's position is its right edge."""
    words = []
    for x, text, is_right in texts:
        start = x - 4.0 * len(text) if is_right else x
        for word in text.split():
            words.append(Word(word, start, y, start + 4.0 * len(word), y + 7))
            start += 4.0 * (len(word) + 1)
    return words


def page(number: int, rows: list[tuple[str, str, int, str]], **more: Any) -> Page:
    words = line(40, [(60, "Article", False), (140, "Name", False), (400, "Quantity", True), (480, "Price", True)])
    for place, (article, name, quantity, price) in enumerate(rows):
        shown = [
            (COLUMNS[0], article, False),
            (COLUMNS[1], name, False),
            (COLUMNS[2], str(quantity), True),
            (COLUMNS[3], price, True),
        ]
        words += line(60 + 10.0 * place, shown)
    words += line(70 + 10.0 * len(rows), [(60, "Total carried forward", False), (480, "1234.50", True)])
    text = "\n".join(" ".join(map(str, each)) for each in rows)
    return Page(number, 595, 842, text, tuple(words), "text", "text is enough", **more)


def items(rows: list[tuple[str, str, int, str]]) -> list[dict[str, Any]]:
    return [{"article": a, "name": n, "quantity": q, "price": float(p)} for a, n, q, p in rows]


def located(pages: list[Page], rows: list[tuple[str, str, int, str]]) -> Located:
    import json

    return ground(parse(json.dumps({"number": "7", "rows": items(rows)}), ROOT), ROOT, 0, pages)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(3, 30), min_size=1, max_size=4), st.sets(st.integers(0, 119), max_size=8))
def test_exactly_the_rows_that_are_left_out_are_missing(sizes: list[int], forgotten: set[int]) -> None:
    pages, all_rows, missing = [], [], {}
    number = 0
    for at, size in enumerate(sizes, start=1):
        rows = [row(number + place) for place in range(size)]
        pages.append(page(at, rows))
        missing[at] = sum(number + place in forgotten for place in range(size))
        all_rows += rows
        number += size
    kept = [each for place, each in enumerate(all_rows) if place not in forgotten]
    found = {each.page: each.missing for each in coverage([located(pages, kept)], ROOT, pages)}
    if len(kept) >= 5:
        assert {at: found.get(at, 0) for at in missing} == missing


def test_equal_rows_headers_and_totals_are_told_apart() -> None:
    rows = [row(1), row(1), row(2), row(2), row(2), row(3)]
    pages = [page(1, rows)]
    assert [each.missing for each in coverage([located(pages, rows)], ROOT, pages)] == [0]
    assert [each.missing for each in coverage([located(pages, rows[1:])], ROOT, pages)] == [1]


def test_a_part_of_a_page_and_a_page_without_words_prove_nothing() -> None:
    rows = [row(number) for number in range(10)]
    assert coverage([located([page(1, rows)], rows[:5])], ROOT, [page(1, rows, is_part=True)]) == []
    blind = Page(2, 595, 842, "", (), "image", "scan", image=Image(b"x", "image/png", 10, 10))
    assert uncounted(located([page(1, rows)], rows), ROOT, [page(1, rows), blind]) == [("/rows", 2)]


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
    for at in asked_again:
        renewed = with_items_of_page(renewed, [located([pages[at - 1]], rows[at])], "/rows", at)
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


@pytest.mark.parametrize("rows", [[], [row(1)], [row(1), row(2)]])
def test_too_few_rows_have_no_shape_to_learn(rows: list) -> None:
    pages = [page(1, [row(number) for number in range(9)])]
    assert coverage([located(pages, rows)], ROOT, pages) == []


def test_an_empty_answer_is_no_obstacle() -> None:
    empty = Located(0, (1,), Answer(parse("{}", ROOT).value), {})
    assert coverage([empty], ROOT, [page(1, [row(1)])]) == []
    assert with_items_of_page([empty], [empty], "/rows", 1)


@pytest.mark.parametrize("footer", ["Orders 01952 555 0142", "Page 3", "Kestrel Fixings 2026 edition 7.00"])
def test_lines_that_run_through_the_pages_are_no_rows(footer: str) -> None:
    pages, rows = [], []
    for number in range(1, 4):
        own = [row(20 * number + place) for place in range(8)]
        plain = page(number, own)
        words = line(800, [(60, footer, False), (480, str(number), True)])
        pages.append(Page(number, 595, 842, plain.text, (*plain.words, *words), "text", "text is enough"))
        rows += own
    assert [each.missing for each in coverage([located(pages, rows)], ROOT, pages)] == [0, 0, 0]
    assert sum(each.missing for each in coverage([located(pages, rows[1:])], ROOT, pages)) == 1
