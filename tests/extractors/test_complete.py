"""Rows that pages show against the items of a document's answers: what is missing is counted, what is complete is left alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extractors.complete import Coverage, coverage, covers, sheet, uncounted
from extractors.parse import parse
from schemas.pipeline import Answer, Image, Located, Page
from tests.support.rows import row
from tests.support.sheets import ROOT, Row, line, located, page


def counted(answers: list[Located], pages: list[Page]) -> list[Coverage]:
    return coverage(answers, ROOT, [sheet(each) for each in pages])


def in_chunks(pages: list[Page], rows: dict[int, list[Row]], size: int) -> list[Located]:
    """Answers with `rows` by page, for `size` pages each."""
    return [
        located(part, [each for one in part for each in rows[one.number]])
        for part in (pages[start : start + size] for start in range(0, len(pages), size))
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(3, 30), min_size=1, max_size=6),
    st.sets(st.integers(0, 179), max_size=8),
    st.sets(st.integers(1, 6), max_size=5),
    st.integers(1, 6),
    st.booleans(),
)
def test_exactly_the_rows_that_are_left_out_are_missing(
    sizes: list[int], forgotten: set[int], pages_forgotten: set[int], chunk_size: int, has_heads: bool
) -> None:
    pages, kept, missing = [], {}, {}
    number = 0
    for at, size in enumerate(sizes, start=1):
        rows = [row(number + place) for place in range(size)]
        pages.append(page(at, rows) if has_heads or at == 1 else page(at, rows, head=None))
        left_out = {each for each in range(size) if number + each in forgotten or at in pages_forgotten}
        kept[at] = [each for place, each in enumerate(rows) if place not in left_out]
        missing[at] = len(left_out)
        number += size
    found = {each.page: each for each in counted(in_chunks(pages, kept, chunk_size), pages)}
    if any(kept.values()):  # of no row at all nothing can be learned
        assert {at: found[at].missing if at in found else 0 for at in missing} == missing
        assert all(found[at].again for at, count in missing.items() if count)


def test_a_chunk_without_any_item_is_missed_as_a_whole() -> None:
    rows = {at: [row(20 * at + place) for place in range(12)] for at in range(1, 5)}
    pages = [page(at, each) for at, each in rows.items()]
    found = counted(in_chunks(pages, {**rows, 3: [], 4: []}, 2), pages)
    assert [(each.page, each.missing) for each in found] == [(1, 0), (2, 0), (3, 12), (4, 12)]


def test_another_table_of_the_same_columns_is_doubtful_and_never_missing() -> None:
    rows = [row(number) for number in range(6)]
    other = page(2, [row(number) for number in range(40, 46)], head="Lent until further notice")
    (own, doubtful) = counted([located([page(1, rows), other], rows)], [page(1, rows), other])
    assert (own.missing, own.again) == (0, False)
    assert (doubtful.missing, len(doubtful.doubtful), doubtful.again) == (0, 6, True)


def test_a_second_answer_is_better_when_it_stands_on_more_rows_of_its_page() -> None:
    rows = {at: [row(20 * at + place) for place in range(6)] for at in (1, 2)}
    pages = [page(at, each) for at, each in rows.items()]
    _, gap = counted(in_chunks(pages, {**rows, 2: rows[2][:3]}, 2), pages)
    assert gap.missing == 3
    sheet_2 = sheet(pages[1])
    assert not covers([located([pages[1]], rows[2][3:])], sheet_2, gap)
    assert not covers([located([pages[1]], [rows[2][0]] * 6)], sheet_2, gap)  # one line, six times
    assert covers([located([pages[1]], rows[2][:4])], sheet_2, gap)


def test_equal_rows_headers_and_totals_are_told_apart() -> None:
    rows = [row(1), row(1), row(2), row(2), row(2), row(3)]
    pages = [page(1, rows)]
    assert [each.missing for each in counted([located(pages, rows)], pages)] == [0]
    assert [each.missing for each in counted([located(pages, rows[1:])], pages)] == [1]


def test_equal_rows_in_the_answers_for_two_parts_of_a_page_are_no_gap() -> None:
    rows = [row(number // 2) for number in range(10)]
    pages = [page(1, rows)]
    parts = [located(pages, rows[:5]), located(pages, rows[5:])]  # the row in the middle is found on one line by both
    assert [each.missing for each in counted(parts, pages)] == [0]
    assert [each.missing for each in counted([parts[0], located(pages, rows[5:9])], pages)] == [1]


def test_what_only_a_picture_shows_cannot_be_counted() -> None:
    rows = [row(number) for number in range(10)]
    blind = Page(2, 595, 842, "", (), "image", "scan", image=Image(b"x", "image/png", 10, 10))
    answer = located([page(1, rows), blind], rows)
    assert uncounted([answer], ROOT, [sheet(page(1, rows)), sheet(blind)]) == [("/rows", 2)]


def test_of_one_row_the_others_of_its_table_are_known() -> None:
    rows = [row(number) for number in range(9)]
    other = page(2, [row(number) for number in range(40, 46)], head="Lent until further notice")
    pages = [page(1, rows), other]
    assert counted([located(pages, [])], pages) == []
    assert [(each.page, each.missing) for each in counted([located(pages, rows[4:5])], pages)] == [(1, 8), (2, 0)]


def test_an_empty_answer_is_no_obstacle() -> None:
    empty = Located(0, (1,), Answer(parse("{}", ROOT).value), {})
    assert counted([empty], [page(1, [row(1)])]) == []


@pytest.mark.parametrize("footer", ["Orders 01952 555 0142", "Page 3", "Kestrel Fixings 2026 edition 7.00"])
def test_lines_that_run_through_the_pages_are_no_rows(footer: str) -> None:
    pages, rows = [], []
    for number in range(1, 4):
        own = [row(20 * number + place) for place in range(8)]
        plain = page(number, own)
        words = line(800, [(60, footer, False), (480, str(number), True)])
        pages.append(Page(number, 595, 842, plain.text, (*plain.words, *words), "text", "text is enough"))
        rows += own
    assert [each.missing for each in counted([located(pages, rows)], pages)] == [0, 0, 0]
    assert sum(each.missing for each in counted([located(pages, rows[1:])], pages)) == 1
