"""The page of a run: what stands on it, whom it names, that it is kept and goes with what is forgotten, and that it does nothing."""

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from flows import cli
from flows.reports import run_page
from flows.reports.run_facts import facts_of, run_row
from flows.reports.status import run_lines
from flows.runs.request import RunRequest
from flows.runs.resources import Engine
from flows.runs.run import run
from flows.settings import load_settings
from flows.storage.open import read_dataset
from flows.type_loader import load_type
from flows.ui.text import duration
from schemas.errors import ConfigurationError
from tests.conftest import SAMPLES, Finished
from tests.flows.storage.places import Place
from tests.support.browser import browser
from tests.support.html_reading import check_harmless
from tests.support.painted import HOSTILE, Studio, busy, studio
from tests.support.quick import quick


@pytest.fixture
def painted(tmp_path: Path, offline_engine: Engine) -> Any:
    with studio(tmp_path, offline_engine) as place:
        yield place


def drawn(place: Studio, tmp_path: Path, *arguments: object) -> str:
    assert cli.main(["status", str(place.out), "--html", str(tmp_path / "run.html"), *map(str, arguments)]) == 0
    return (tmp_path / "run.html").read_text(encoding="utf-8")


def text_of(html: str) -> str:
    """What a page says, without its elements."""
    bare = re.sub(r"<style.*?</style>|<[^>]*>", " ", html, flags=re.DOTALL)
    return " ".join(bare.split())


def test_the_page_tells_the_run_as_the_tables_do(painted: Studio, tmp_path: Path) -> None:
    summary = busy(painted)
    html = drawn(painted, tmp_path)
    check_harmless(html)
    said = text_of(html)
    assert f"Run {summary['run_id']}" in said
    assert "6 addresses discovered" in said
    assert "0 already done 0 skipped 3 ok 1 partial 2 failed 0 deferred" in said
    for reason in ("parse InvalidCompletionError 1", "split UnreadableDocumentError 1"):
        assert reason in said
    assert "the kinds of all their problems: " in said
    assert re.search(r"c0\.txt 1 rejected", said)
    assert f"${summary['cost_usd']:.4f}" in said
    assert "against the estimate" in said
    titles = re.findall(r"<h3>(.*?)</h3>", html)
    assert titles == [
        "Pages per second", "Requests per second", "Time to an answer", "Tokens of a call", "Cost of a document",
        "Estimate and cost",
    ]  # fmt: skip
    assert [re.search(r'role="img" aria-label="(.*?): ', each)[1] for each in html.split("<figure")[1:]] == titles
    ids = re.findall(r'\bid="([^"]*)"', html)
    assert len(ids) == len(set(ids))


def test_the_same_tables_give_the_same_bytes(painted: Studio, tmp_path: Path) -> None:
    busy(painted)
    assert drawn(painted, tmp_path) == drawn(painted, tmp_path)


def test_names_and_messages_of_documents_are_on_the_page_that_somebody_asks_for_and_are_text(
    painted: Studio, tmp_path: Path
) -> None:
    busy(painted)
    html = drawn(painted, tmp_path)
    reading = check_harmless(html)
    assert "onerror" not in {name for _, attributes in reading.elements for name in attributes}
    assert "&lt;img src=x onerror=" in html
    assert "a0.txt" in html
    assert "try another model" in html


def test_a_run_keeps_a_page_of_ids_alone_and_names_it(painted: Studio) -> None:
    summary = busy(painted, report=True)
    path = painted.out / "_work" / "reports" / f"{summary['run_id']}.html"
    assert run_lines(summary, painted.out)[-1] == f"page of the run: {path}"
    html = path.read_text(encoding="utf-8")
    check_harmless(html)
    rows = read_dataset(painted.out).rows("documents", ["document_id", "status"]).to_pylist()
    partial = next(row["document_id"] for row in rows if row["status"] == "partial")
    assert f"{partial[:12]} 1 rejected" in text_of(html)
    for word in (".txt", ".pdf", "onerror", "Paint", "try another model", str(painted.root), "/in/"):
        assert word not in html, word


def test_a_run_that_did_nothing_keeps_no_page(painted: Studio) -> None:
    busy(painted, report=True)
    assert painted.run(report=True)["report"] is None
    assert len(list((painted.out / "_work" / "reports").iterdir())) == 1


def test_a_kept_page_stands_where_the_dataset_is(place: Place, extract: Callable) -> None:
    done = extract(SAMPLES / "invoices", place.url or place.root, report=True)
    kept = place.files() / "_work" / "reports" / f"{done.summary['run_id']}.html"
    assert "5 addresses discovered" in text_of(kept.read_text(encoding="utf-8"))
    assert done.summary["report"].endswith(f"/_work/reports/{done.summary['run_id']}.html")


def test_a_fault_in_drawing_is_a_line_and_costs_the_run_nothing(
    painted: Studio, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("no axis")

    monkeypatch.setattr(run_page, "_plots", broken)
    painted.write("a0")
    summary = painted.run(report=True)
    assert (summary["ok"], summary["report"]) == (1, None)
    told = capsys.readouterr().err.splitlines()
    assert [line for line in told if "ZeroDivisionError: no axis" in line and "--html" in line] == told[-1:]


def test_what_was_forgotten_while_the_page_was_drawn_is_not_on_it(
    painted: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = busy(painted)
    dataset = read_dataset(painted.out)
    partial = dataset.rows("documents", ["document_id", "status"]).to_pylist()
    mine = next(row["document_id"] for row in partial if row["status"] == "partial")
    render, times = run_page.render_run, []

    def slow(*arguments: Any, **options: Any) -> str:
        page = render(*arguments, **options)
        if not times:
            assert cli.main(["forget", str(painted.out), mine]) == 0
        times.append(page)
        return page

    monkeypatch.setattr(run_page, "render_run", slow)
    path = run_page.keep_report(dataset, summary["run_id"])
    assert path is not None
    assert mine[:12] in times[0]
    assert mine[:12] not in Path(path).read_text(encoding="utf-8")


def test_a_refresh_has_a_page_of_the_documents_that_it_made_anew(painted: Studio, tmp_path: Path) -> None:
    busy(painted)
    before = read_dataset(painted.out).rows("runs", ["run_id"]).column(0).to_pylist()
    painted.making = 2
    painted.refresh(is_all=True)
    said = text_of(drawn(painted, tmp_path))
    assert "Refresh of documents of type paint" in said
    assert "a0.txt" in said
    old = text_of(drawn(painted, tmp_path, "--run", before[0]))
    assert "superseded or forgotten since: 4 documents of this run" in old
    assert "a0.txt" not in old


def test_a_run_of_an_older_pagemill_is_drawn_from_the_columns_that_it_has(painted: Studio) -> None:
    summary = busy(painted)
    dataset = read_dataset(painted.out)
    for table, column in (("documents", "problem_kinds"), ("runs", "cost_usd_estimated")):
        schema = dataset.tables[table]
        dataset.tables[table] = schema.remove(schema.get_field_index(column))
    run_row_ = run_row(dataset, summary["run_id"])
    assert run_row_ is not None
    said = text_of(run_page.render_run(dataset, run_row_, is_named=False))
    assert "made by an older version" in said
    assert "against the estimate" not in said


def test_of_many_documents_few_are_python_values(painted: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.reports import run_facts

    monkeypatch.setattr(run_facts, "SHOWN", 2)
    painted.write(*(f"a{number}" for number in range(12)))
    summary = painted.run()
    dataset = read_dataset(painted.out)
    facts = facts_of(dataset, run_row(dataset, summary["run_id"]) or {})
    assert facts.measured.num_rows == 12
    assert [len(rows) for rows in (facts.slowest, facts.dearest)] == [2, 2]
    longest = max(dataset.rows("documents", ["seconds"]).column(0).to_pylist())
    assert facts.slowest[0]["seconds"] == longest
    assert set(facts.measured.column_names) == {"extracted_at", "seconds", "pages", "requests", "cost_usd"}


def test_the_drift_of_a_run_is_that_of_its_night(
    tmp_path: Path, offline_engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.support.nights import VENDORS, invoice

    engine = dataclasses.replace(offline_engine, settings=load_settings(model="offline", report=True))
    lines: list[list[str]] = []
    runs: list[str] = []
    for night in range(7):
        for place, vendor in enumerate(VENDORS * 6):
            is_odd = (night, vendor) in {(0, VENDORS[1]), (6, VENDORS[0])}  # of the first night nobody knew better
            label = "Zu zahlen bleibt" if is_odd else "Total amount"
            invoice(tmp_path / "in" / f"{night}-{place}.pdf", vendor, night * 100 + place, total=label)
        request = RunRequest([str(tmp_path / "in")], load_type("invoice"), tmp_path / "out", quiet=True)
        with quick(), mock.patch("os.fsync", lambda handle: None):
            summary = run(engine, request).summary
            runs.append(summary["run_id"])  # two of one second are told apart by chance only
            lines.append(summary["drift"])
    assert lines[:6] == [[]] * 6
    assert any(VENDORS[0] in line for line in lines[6])
    dataset = read_dataset(tmp_path / "out")
    for run_id, told in zip(runs, lines, strict=True):
        assert facts_of(dataset, run_row(dataset, run_id) or {}).drift == told
    kept = (tmp_path / "out" / "_work" / "reports" / f"{runs[6]}.html").read_text(encoding="utf-8")
    assert VENDORS[0] in kept
    assert cli.main(["status", str(tmp_path / "out")]) == 0
    assert f"worse than in the nights before: {VENDORS[0]}" in capsys.readouterr().out


def test_what_cannot_be_drawn_is_said(
    samples_out: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = samples_out["invoices"]
    for arguments, complaint in (
        (
            ["--html", tmp_path / "x.html", "--run", "20200101T000000-abcdef"],
            "unknown run '20200101T000000-abcdef'",
        ),
        (["--html", out / "documents" / "x.html"], "is in the dataset"),
        (["--html", tmp_path / "no" / "x.html"], "there is no folder"),
        (["--run", "20200101T000000-abcdef"], "give both"),
    ):
        assert cli.main(["status", str(out), *map(str, arguments)]) == 2
        assert complaint in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigurationError, match="is no Pagemill dataset"):
        run_page.draw_run(tmp_path, tmp_path / "x.html")


def test_the_page_and_the_accounting_come_in_one_command(
    samples_out: dict[str, Path], tmp_path: Path, pagemill: Callable[..., Finished]
) -> None:
    done = pagemill("status", samples_out["invoices"], "--html", tmp_path / "x.html", "--json")
    assert done.code == 0
    assert done.json["drawn"] == done.json["last_run"]["run_id"]
    assert (tmp_path / "x.html").exists()


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.04, "0.0 s"), (119.9, "119.9 s"), (150, "2 min"), (7_140, "119 min"), (50_000, "13 h 53 min")],
)
def test_a_time_is_told_in_the_unit_that_fits(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.real_browser
def test_a_real_browser_shows_it_and_nothing_in_it_acts(painted: Studio, tmp_path: Path) -> None:
    summary = busy(painted, report=True)
    drawn(painted, tmp_path)
    kept = painted.out / "_work" / "reports" / f"{summary['run_id']}.html"
    with browser() as page:
        for path in (tmp_path / "run.html", kept):
            for width in (400, 1280):
                page.open(path.as_uri(), width, is_dark=width == 400)
                assert page.tell("document.documentElement.scrollWidth") <= width
                assert page.tell("document.title") == f"Run {summary['run_id']}"
                assert page.tell("document.querySelectorAll('figure svg path, figure svg text').length") > 50
                assert page.troubles == []
                assert page.requested == [path.as_uri()]
        page.open((tmp_path / "run.html").as_uri(), 1280)
        assert HOSTILE.replace("/", "") in json.dumps(page.tell("document.body.innerText")).replace('\\"', '"')
        (tmp_path / "open.html").write_text(f"<title>x</title>{HOSTILE}<script>no()</script>")
        page.open((tmp_path / "open.html").as_uri(), 400)
        assert page.troubles, "a page that acts is seen"
    assert kept.stat().st_size < 400_000
