"""Long lists: complete, or said to be incomplete; and what is complete is not called anything else."""

import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from tests.support.outcomes import rows
from tests.support.rows import SCHEMA, row, row_model, write


def extracted(extract: Callable, folder: Path, url: str, source: Path | None = None, **options: object) -> object:
    folder.mkdir(exist_ok=True)
    (folder / "stock.schema.json").write_text(json.dumps(SCHEMA))
    return extract(source or folder / "in", folder / "out", url, kind=str(folder / "stock.schema.json"), **options)


def articles(out: Path, name: str) -> list[str]:
    return [
        article
        for (article,) in duckdb.sql(
            f"select r.article from '{out}/stock_list_rows/*.parquet' r join '{out}/documents/*.parquet' d using (document_id) "
            f"where d.file_name = '{name}' order by r.item_index"
        ).fetchall()
    ]


@pytest.mark.parametrize(
    ("limit", "sizes"),
    [
        (2_000, (100, 200)),
        pytest.param(2_000, (400, 800), marks=pytest.mark.whole_machine),
        pytest.param(4_000, (100, 400, 1_600), marks=pytest.mark.whole_machine),
        pytest.param(8_000, (100, 400, 800), marks=pytest.mark.whole_machine),
    ],
)
def test_every_row_is_there_once_and_in_order_at_every_length_and_output_limit(
    tmp_path: Path, extract: Callable, limit: int, sizes: tuple[int, ...]
) -> None:
    for size in sizes:
        write(tmp_path / "in" / f"{size}.pdf", [row(number) for number in range(size)], 50)
    with row_model() as model:
        done = extracted(extract, tmp_path, model.url, max_output=limit)
    out = tmp_path / "out"
    assert (done.exit_code, done.summary["ok"]) == (0, len(sizes)), rows(out, "documents", "file_name, problems")
    for size in sizes:
        assert articles(out, f"{size}.pdf") == [row(number)[0] for number in range(size)]


def test_a_model_that_forgets_rows_is_asked_again_page_by_page(tmp_path: Path, extract: Callable) -> None:
    for size in (100, 600):
        write(tmp_path / "in" / f"{size}.pdf", [row(number) for number in range(size)], 50)
    with row_model() as model:
        extracted(extract, tmp_path / "whole", model.url, source=tmp_path / "in")
        least = model.calls
    with row_model(forgets=0.05, above=60) as model:  # more than a page's rows, fewer than a request's
        done = extracted(extract, tmp_path, model.url)
    out = tmp_path / "out"
    assert (done.exit_code, done.summary["ok"]) == (0, 2), rows(out, "documents", "file_name, problems")
    assert model.calls > least  # rows were forgotten, and their pages asked for once more
    assert rows(out, "calls", "count(*) - count(distinct (document_id, request_id))") == [(0,)]
    for size in (100, 600):
        assert articles(out, f"{size}.pdf") == [row(number)[0] for number in range(size)]


def test_rows_that_stay_forgotten_make_the_document_partial_and_name_the_pages(
    tmp_path: Path, extract: Callable
) -> None:
    write(tmp_path / "in" / "dense.pdf", [row(number) for number in range(300)], 75)
    write(tmp_path / "in" / "short.pdf", [row(number) for number in range(60)], 75)
    with row_model(forgets=0.05, above=70) as model:  # it forgets on a single page, too
        done = extracted(extract, tmp_path, model.url)
    out = tmp_path / "out"
    assert (done.exit_code, done.summary["partial"], done.summary["ok"]) == (0, 1, 1)
    ((problems,),) = duckdb.sql(f"select problems from '{out}/documents/*.parquet' where status = 'partial'").fetchall()
    missing = sorted({row(number)[0] for number in range(300)} - set(articles(out, "dense.pdf")))
    assert missing
    pages = {int(article[4:]) // 75 + 1 for article in missing}
    assert {int(problem.split("page ")[1].split(":")[0]) for problem in problems} == pages


def test_equal_lines_are_kept_and_headers_add_none(tmp_path: Path, extract: Callable) -> None:
    doubled = [row(number // 2) for number in range(120)]
    write(tmp_path / "in" / "doubled.pdf", doubled, 40)
    with row_model() as model:
        done = extracted(extract, tmp_path, model.url)
    assert (done.exit_code, done.summary["ok"]) == (0, 1), rows(tmp_path / "out", "documents", "problems")
    assert articles(tmp_path / "out", "doubled.pdf") == [each[0] for each in doubled]


def test_chunks_whose_answers_have_no_row_at_all_are_asked_again_page_by_page(
    tmp_path: Path, extract: Callable
) -> None:
    write(tmp_path / "in" / "long.pdf", [row(number) for number in range(420)], 50)  # the last page is a chunk alone
    with row_model(forgets=1.0, above=60) as model:
        done = extracted(extract, tmp_path, model.url)
    assert (done.exit_code, done.summary["ok"]) == (0, 1), rows(tmp_path / "out", "documents", "problems")
    assert articles(tmp_path / "out", "long.pdf") == [row(number)[0] for number in range(420)]


def test_chunks_whose_rows_are_never_told_make_the_document_partial(tmp_path: Path, extract: Callable) -> None:
    write(tmp_path / "in" / "long.pdf", [row(number) for number in range(420)], 50)
    with row_model(forgets=1.0, above=40) as model:
        done = extracted(extract, tmp_path, model.url)
    assert (done.exit_code, done.summary["partial"]) == (0, 1)
    ((problems,),) = rows(tmp_path / "out", "documents", "problems")
    assert [problem.split(": ", 1)[1] for problem in problems] == [
        f"page {page}: 50 of 50 rows of rows are not in it" for page in range(1, 9)
    ]
