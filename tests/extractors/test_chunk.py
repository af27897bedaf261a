"""Packing pages into chunks: every page once, in order, within the room on both sides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.chunk import JOIN_TOKENS, Room, answer_estimator, chunk, halves, scalar_answer_tokens
from extractors.tokens import count_text
from schemas.document_types import DOCUMENT_TYPES
from schemas.errors import OversizedPageError
from schemas.step_data import Chunk, Figure, Image, Page

INVOICE = DOCUMENT_TYPES["invoice"].root


def page(number: int, text: str = "text", images: int = 0) -> Page:
    picture = Image(b"", "image/png", 28, 28)
    figures = tuple(Figure(place + 1, (0, 0, 1, 1), "raster", None, picture) for place in range(images))
    return Page(number, 595, 842, text, (), "text", "text is enough", figures=figures)


def cost(each: Page) -> int:
    return count_text(each.text) + 50 * len(each.images)


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 5)), max_size=60), st.integers(300, 2_000), st.integers(1, 6)
)
def test_every_page_is_in_exactly_one_chunk_in_order_and_within_limits(
    shapes: list[tuple[int, int]], room: int, images: int
) -> None:
    pages = [page(number, "word " * words, pictures) for number, (words, pictures) in enumerate(shapes, start=1)]
    made = list(chunk(pages, Room(room, 10**6, images, 10**9), cost, lambda _: 0))
    whole = [each for each in made if each.part == 0]
    numbers = [each.number for one in whole for each in one.pages]
    assert numbers == list(range(1, len(pages) + 1))
    assert [one.index for one in whole] == list(range(len(whole)))
    for one in made:
        assert sum(map(cost, one.pages)) + JOIN_TOKENS * len(one.pages) <= room
        assert sum(len(each.images) for each in one.pages) <= images
        assert one.page_tokens == tuple(cost(each) + JOIN_TOKENS for each in one.pages)
    text = "".join("".join(each.text.split()) for one in made for each in one.pages)
    assert text == "".join("".join(each.text.split()) for each in pages)


def test_the_expected_answer_closes_a_chunk_too() -> None:
    rows = "\n".join(f"| {number} | Screw | 2 | 3.50 | 7.00 |" for number in range(40))
    estimate = answer_estimator(INVOICE)
    pages = [page(number, rows) for number in range(1, 7)]
    made = list(chunk(pages, Room(100_000, estimate(pages[0]) * 2, 8, 10**9), cost, estimate))
    assert [len(one.pages) for one in made] == [2, 2, 2]


def test_a_schema_without_lists_expects_no_rows() -> None:
    from schemas.fields import field_tree

    flat = field_tree({"type": "object", "properties": {"a": {"type": "string"}}})
    assert answer_estimator(flat)(page(1, "| 1 | 2 |\n| 3 | 4 |")) == 0
    assert scalar_answer_tokens(flat) > 0


def test_a_page_too_long_is_cut_at_lines_and_one_line_too_long_within_it() -> None:
    text = "\n".join(f"line {number}" for number in range(2_000)) + "\n" + "x" * 9_000
    made = list(chunk([page(1), page(2, text), page(3)], Room(1_000, 10**6, 8, 10**9), cost, lambda _: 0))
    assert [one.part for one in made if one.pages[0].number == 2] == list(range(len(made) - 2))
    assert made[-1].pages[0].number == 3


def test_pictures_that_alone_do_not_fit_are_an_error_with_a_remedy() -> None:
    with pytest.raises(OversizedPageError, match="--images never"):
        list(chunk([page(1, "text", 5)], Room(100, 10**6, 8, 10**9), cost, lambda _: 0))


@given(st.integers(1, 9), st.integers(1, 9))
def test_halves_hold_together_what_the_whole_held(count: int, lines: int) -> None:
    pages = tuple(page(number, "\n".join(f"{number}.{line}" for line in range(lines))) for number in range(count))
    whole = Chunk(0, 0, pages, tuple(map(cost, pages)))
    parts = halves(whole)
    if parts is None:
        assert (count, lines) == (1, 1)
        return
    assert [text for half in parts for each in half.pages for text in each.text.splitlines()] == [
        text for each in pages for text in each.text.splitlines()
    ]
    assert len({whole.part, parts[0].part, parts[1].part}) == 3


@given(st.lists(st.integers(0, 4), min_size=1, max_size=20), st.integers(1, 6))
def test_no_request_carries_more_bytes_of_pictures_than_the_endpoint_takes(shapes: list[int], most: int) -> None:
    picture = Image(b"x" * 30_000, "image/png", 28, 28)
    limit = most * 40_010
    pages = [
        Page(
            number, 595, 842, "text", (), "text", "why",
            figures=tuple(Figure(place + 1, (0, 0, 1, 1), "raster", None, picture) for place in range(count)),
        )
        for number, count in enumerate(shapes, start=1)
    ]  # fmt: skip
    made = list(chunk(pages, Room(10**6, 10**6, 8, limit), cost, lambda _: 0))
    for one in made:
        assert sum(len(image.data) * 4 / 3 for each in one.pages for image in each.images) <= limit
    sent = [each for one in made for each in one.pages]
    assert [each.number for each in sent] == [each.number for each in pages]
    for before, after in zip(pages, sent, strict=True):
        assert len(after.images) == min(len(before.images), most)


def test_a_page_is_halved_between_blocks_and_a_table_keeps_its_head() -> None:
    text = "\n".join(["a paragraph", "of three", "lines", "", "another", "of two"])
    first, second = halves(Chunk(0, 0, (page(1, text),), (50,)))
    assert first.pages[0].text == "a paragraph\nof three\nlines\n"
    assert second.pages[0].text == "another\nof two"
    table = "\n".join(
        ["| Article | Price |", "| --- | --- |", *(f"| A{number} | {number}.50 |" for number in range(8))]
    )
    first, second = halves(Chunk(0, 0, (page(1, table),), (50,)))
    assert second.pages[0].text.startswith("| Article | Price |\n| --- | --- |\n| A3 |")
    rows = [line for half in (first, second) for line in half.pages[0].text.splitlines() if line.startswith("| A")]
    assert [row for row in rows if "Article" not in row] == table.splitlines()[2:]


@given(st.lists(st.sampled_from(["", "a line of words", "| a | 1 |"]), min_size=2, max_size=40))
def test_halves_hold_every_line_once_but_for_a_tables_head(lines: list[str]) -> None:
    parts = halves(Chunk(0, 0, (page(1, "\n".join([*lines, "end"])),), (50,)))
    assert parts is not None
    joined = parts[0].pages[0].text + "\n" + parts[1].pages[0].text
    assert joined == "\n".join([*lines, "end"])
