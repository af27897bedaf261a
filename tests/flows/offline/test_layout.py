from flows.offline.layout import TextPage, TextRow, text_rows


def cells(text: str) -> list[tuple[str, ...]]:
    return [row.cells for row in text_rows([TextPage(1, text)])]


def test_lines_are_cut_at_wide_gaps_and_bars() -> None:
    assert cells("Invoice no.   7 | Date  1.2.2026") == [("Invoice no.", "7", "Date 1.2.2026")]


def test_table_rows_keep_empty_cells_and_lose_their_rules() -> None:
    assert cells("| a |  | b<br>c |\n| --- | :-: | --- |\n| \\| |  |  |") == [("a", "", "b c"), ("|", "", "")]


def test_headings_have_a_level() -> None:
    assert [(row.level, row.cells) for row in text_rows([TextPage(1, "## Two\n#no\n####### seven")])] == [
        (2, ("Two",)),
        (0, ("#no",)),
        (0, ("####### seven",)),
    ]


def test_blocks_end_at_blank_lines_tables_and_pages() -> None:
    found: list[TextRow] = text_rows([TextPage(1, "a\nb\n\nc\n| d | e |\n| f | g |"), TextPage(2, "h")])
    blocks = [row.block for row in found]
    assert blocks[0] == blocks[1]
    assert blocks[4] == blocks[5 - 1]
    assert len(set(blocks)) == 4
    assert [row.page for row in found] == [1, 1, 1, 1, 1, 2]
