"""Rows that pages show against the items of a document's answers: what is missing is counted, what is complete is left alone."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extractors.complete.coverage import Coverage, coverage, fresh_items, uncounted
from extractors.complete.lines import page_lines
from extractors.parse.parse import parse
from schemas.step_data import Answer, Image, Located, Page, Word
from tests.support.examples import examples
from tests.support.rows import row
from tests.support.sheets import ROOT, Row, line, located, page


def counted(answers: list[Located], pages: list[Page]) -> list[Coverage]:
    return coverage(answers, ROOT, [page_lines(each) for each in pages])


def in_chunks(pages: list[Page], rows: dict[int, list[Row]], size: int) -> list[Located]:
    """Answers with `rows` by page, for `size` pages each."""
    return [
        located(part, [each for one in part for each in rows[one.number]])
        for part in (pages[start : start + size] for start in range(0, len(pages), size))
    ]


@settings(max_examples=examples(60), deadline=None)
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
    if sum(map(len, kept.values())) >= 3:  # of no row nothing can be learned, and below one or two stands their sum
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


def test_of_a_second_answer_only_items_on_rows_that_were_open_are_taken_each_once() -> None:
    rows = {at: [row(20 * at + place) for place in range(6)] for at in (1, 2)}
    pages = [page(at, each) for at, each in rows.items()]
    _, gap = counted(in_chunks(pages, {**rows, 2: rows[2][:3]}, 2), pages)
    assert gap.missing == 3

    def taken(again: list[Row], held: int = 3) -> list[str]:
        found = fresh_items([located([pages[1]], again)], page_lines(pages[1]), gap, held)
        return [each.answer.answer.value["rows"][each.index]["article"] for each in found]

    assert taken(rows[2][:3]) == []
    assert taken(rows[2]) == [each[0] for each in rows[2][3:]]
    assert taken(rows[2][::-1]) == [each[0] for each in rows[2][3:]]  # in the order of the page
    assert taken([*rows[2], *rows[2]]) == [each[0] for each in rows[2][3:]]
    assert taken([rows[2][4]] * 6) == [rows[2][4][0]]
    assert taken(rows[2], held=5) == [rows[2][3][0]]  # never more items than rows


@pytest.mark.parametrize("name", ["Payment to rent", "Tax office", "Discount market", "Net curtain"])
def test_rows_that_begin_like_a_charge_are_rows_where_their_first_words_say_so(name: str) -> None:
    """After a date or an article number, and also first where every column has its number."""
    rows = [row(number) for number in range(12)]
    rows[4] = (rows[4][0], name, rows[4][2], rows[4][3])
    pages = [page(1, rows)]
    assert [each.missing for each in counted([located(pages, [*rows[:4], *rows[5:]])], pages)] == [1]


@pytest.mark.parametrize("word", ["Closing balance", "Kontostand am 01.03.2026", "Alter Saldo", "Summe"])
def test_sums_between_rows_are_no_rows_even_after_a_date(word: str) -> None:
    dated = line(300, [(60, "ART-00077", False), (140, word, False), (480, "1,234.50", True)])
    rows = [row(number) for number in range(12)]
    plain = page(1, rows)
    whole = replace(plain, words=(*plain.words, *dated))
    assert [each.missing for each in counted([located([whole], rows)], [whole])] == [0]


def test_a_head_of_years_is_no_row() -> None:
    rows = [row(number) for number in range(12)]
    plain = page(1, rows, head=None)
    head = line(48, [(60, "EUR thousand", False), (400, "2026", True), (480, "2025", True)])
    whole = replace(plain, words=(*head, *plain.words))
    assert [each.missing for each in counted([located([whole], rows)], [whole])] == [0]


def two_columns(number: int, count: int, start: int = 0) -> tuple[Page, list[Row]]:
    """A page on which each row has a number in one of two columns, or in none."""
    words, rows = [], []
    for place in range(start, start + count):
        article, name, _, price = row(place)
        shown = [(60, article, False), (140, name.split(" ")[0], False)]
        if place % 9 != 8:
            shown.append((400 if place % 3 else 480, price, True))
        words += line(60 + 10.0 * (place - start), shown)
        rows.append((article, name.split(" ")[0], 1, price))
    return Page(number, 595, 842, "", tuple(words), "text", "text is enough"), rows


def test_debit_and_credit_columns_and_rows_without_a_number_have_a_look_too() -> None:
    made = [two_columns(at, 30, 30 * at) for at in (1, 2, 3)]
    pages = [each for each, _ in made]
    rows = {at: each for at, (_, each) in enumerate(made, start=1)}
    found = {each.page: each.missing for each in counted(in_chunks(pages, {**rows, 2: []}, 3), pages)}
    assert found[2] >= 26  # those without a number are no rows for sure
    assert counted(in_chunks(pages, rows, 3), pages)[1].missing == 0


def test_brackets_and_signs_behind_a_number_hang_over_its_column() -> None:
    words, rows = [], []
    for place in range(20):
        article, _, _, price = row(place)
        shown = f"({price})" if place % 3 == 0 else price
        edge = 480 + (2.6 if place % 3 == 0 else 0)
        words += line(60 + 10.0 * place, [(60, article, False), (140, "Pump", False), (400, "7", True)])
        start = edge - 4.0 * len(price) - (2.6 if place % 3 == 0 else 0)
        words.append(Word(shown, start, 60 + 10.0 * place, edge, 67 + 10.0 * place))
        rows.append((article, "Pump", 7, price))
    pages = [Page(1, 595, 842, "", tuple(words), "text", "text is enough")]
    assert [each.missing for each in counted([located(pages, [*rows[:6], *rows[7:]])], pages)] == [1]


def test_thousands_that_a_space_sets_apart_are_one_number() -> None:
    words, rows = [], []
    for place in range(12):
        article, price = f"ART-{place:05d}", f"{place} 234,50" if place else "34,50"
        words += line(
            60 + 10.0 * place, [(60, article, False), (140, "Pump", False), (400, "7", True), (480, price, True)]
        )
        rows.append((article, "Pump", 7, price.replace(" ", "").replace(",", ".")))
    pages = [Page(1, 595, 842, "", tuple(words), "text", "text is enough")]
    assert [each.missing for each in counted([located(pages, rows[1:])], pages)] == [1]


def test_a_table_far_below_is_another_one() -> None:
    rows = [row(number) for number in range(12)]
    plain = page(1, rows)
    far = [line(500 + 10 * at, [(60, "VAT", False), (400, "19", True), (480, "11.00", True)]) for at in range(2)]
    whole = replace(plain, words=(*plain.words, *(word for each in far for word in each)))
    assert [each.missing for each in counted([located([whole], rows)], [whole])] == [0]


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
    assert uncounted([answer], ROOT, [page_lines(page(1, rows)), page_lines(blind)]) == [("/rows", 2)]


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
