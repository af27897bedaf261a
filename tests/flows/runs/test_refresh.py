"""`refresh` as its user sees it: a new recipe looked at first, then taken; what fails keeps its rows; nothing is paid twice."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from flows.cli import main
from flows.runs.migrate import refresh_into
from flows.runs.recipe_differences import by_field, difference_lines, draw_differences
from flows.runs.refresh import refresh
from flows.runs.refresh_request import RefreshRequest
from flows.runs.request import RunRequest
from flows.runs.resources import Engine
from flows.runs.run import run
from flows.storage.verify import verify
from flows.type_loader import load_type
from schemas.document_type import DocumentType
from schemas.errors import BudgetExceededError, ConfigurationError
from tests.support.moody import moody
from tests.support.outcomes import rows
from tests.support.repainted import SAID, Place, kind


def told(out: Path, kind: str) -> list[tuple]:
    """What `changes` says of one kind: field, old, new."""
    return sorted(each[1:] for each in rows(out, "changes", "kind, field, old, new") if each[0] == kind)


class AsContext:
    """An engine that is there already, where a command would start one."""

    def __init__(self, value: Engine) -> None:
        self.value = value

    def __enter__(self) -> Engine:
        return self.value

    def __exit__(self, *error: object) -> None:
        pass


@pytest.fixture
def place(tmp_path: Path, offline_engine: Engine) -> Iterator[Place]:
    with moody(**SAID) as model:
        yield Place(tmp_path, model, offline_engine)


def test_a_sample_shows_what_would_change_and_publishes_nothing_and_all_then_costs_only_the_rest(place: Place) -> None:
    place.write(*"abcdef")
    place.run(kind(), shard_size=4)
    before = rows(place.out, "paint", "document_id, colour")
    place.model.says["colour"] = "blue"
    looked = place.refresh(kind("as printed"), sample=2)
    assert (looked.chosen, looked.refreshed, looked.changed, looked.requests) == (2, 2, 2, 2)
    assert looked.cost_usd == pytest.approx(2 * 1010e-6)
    assert {(each.field, each.old, each.new) for each in looked.differences} == {("/colour", "red", "blue")}
    assert rows(place.out, "paint", "document_id, colour") == before
    assert rows(place.out, "recipes", "count(*)") == [(1,)]
    again = place.refresh(kind("as printed"), sample=2)
    assert (again.requests, len(again.differences)) == (0, 2)  # the same ones, from the stored answers
    done = place.refresh(kind("as printed"), is_all=True)
    assert (done.refreshed, done.changed, done.requests) == (6, 6, 4)
    assert {colour for _, colour in rows(place.out, "paint", "document_id, colour")} == {"blue"}
    assert told(place.out, "replaced") == [("/colour", "red", "blue")] * 6
    assert verify(place.out) == []
    assert place.refresh(kind("as printed"), is_all=True).chosen == 0  # nothing is of an older recipe


def test_the_next_run_says_what_is_old_what_it_cost_and_the_command(
    place: Place, capsys: pytest.CaptureFixture
) -> None:
    place.write("a", "b")
    place.run(kind())
    run(place.engine(), RunRequest([str(place.root / "in")], kind("as printed"), place.out))
    first = capsys.readouterr().err.splitlines()[0]
    assert f"2 published documents are of another recipe and stay as they are: `pagemill refresh {place.out}" in first
    assert "about $0.00," in first


def test_partial_and_named_documents_and_those_of_a_condition(place: Place) -> None:
    place.write("a", "b", "c")
    place.run(kind())
    assert place.refresh(kind(), is_partial=True).chosen == 0
    assert place.refresh(kind(), documents=["b.txt"]).chosen == 1
    assert place.refresh(kind(), where="file_name > 'a.txt'").chosen == 2
    for wrong in ({}, {"documents": ["nobody.txt"]}, {"where": "nonsense ="}):
        with pytest.raises(ConfigurationError):
            place.refresh(kind(), **wrong)


def test_what_fails_or_is_gone_or_has_changed_keeps_its_rows(place: Place) -> None:
    place.write("a", "b", "c", "d")
    place.run(kind())
    (place.root / "in" / "b.txt").unlink()
    (place.root / "in" / "c.txt").write_text("something else")
    place.model.fails = ("Paint d",)
    place.model.says["colour"] = "blue"
    done = place.refresh(kind("as printed"), is_all=True)
    assert (done.refreshed, done.deferred) == (1, 0)
    assert {Path(each.source_uri).name: each.reason.split(":")[0] != "" for each in done.kept} == {
        "b.txt": True, "c.txt": True, "d.txt": True,
    }  # fmt: skip
    assert sorted(rows(place.out, "paint", "file_name, colour")) == [
        ("a.txt", "blue"), ("b.txt", "red"), ("c.txt", "red"), ("d.txt", "red"),
    ]  # fmt: skip
    assert verify(place.out) == []


@pytest.mark.through_prefect
def test_prefect_knows_a_run_and_a_refresh_by_their_names(place: Place) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
    from prefect.settings import PREFECT_API_URL, temporary_settings

    place.write("a")
    run_id = place.run(kind())["run_id"]
    refreshed = place.refresh(kind("as printed"), is_all=True).run_id
    names = {}
    url = place.shared.prefect_url or place.shared.server.url()
    with temporary_settings({PREFECT_API_URL: url}), get_client(sync_client=True) as client:
        for each in (run_id, refreshed):
            (known,) = client.read_flow_runs(flow_run_filter=FlowRunFilter(name=FlowRunFilterName(any_=[each])))
            names[each] = client.read_flow(known.flow_id).name
    assert names == {run_id: "extract", refreshed: "refresh"}


def test_a_budget_without_a_price_and_a_high_cost_without_a_word_are_refused(place: Place) -> None:
    place.write("a", "b")
    place.run(kind())
    asked, told = len(place.model.asked), list[str]()
    request = RefreshRequest(place.out, kind("as printed"), is_all=True, quiet=True)
    with pytest.raises(ConfigurationError, match=r"--budget needs the price of some/model, .* PAGEMILL_PRICE_IN"):
        nameless = place.engine(model="some/model", price_in=None, price_out=None)
        refresh(nameless, replace(request, budget_usd=1.0))
    with pytest.raises(ConfigurationError, match=r"2 documents cost before \$0\.00, more than .* Nothing was sent"):
        refresh(place.engine(confirm_above=0.0001), request)
    for word in (False, True):
        careful = replace(request, confirm=lambda text, word=word: told.append(text) or word)
        if word:
            assert refresh(place.engine(confirm_above=0.0001), careful)[0].refreshed == 2
        else:
            with pytest.raises(ConfigurationError, match="not confirmed"):
                refresh(place.engine(confirm_above=0.0001), careful)
            assert len(place.model.asked) == asked
    assert len(told) == 2


def test_a_budget_stops_it_and_the_same_command_goes_on(place: Place) -> None:
    place.write(*"abcdef")
    place.run(kind())
    place.model.says["colour"] = "blue"
    request = RefreshRequest(place.out, kind("as printed"), is_all=True, budget_usd=0.0115, quiet=True)
    done, stopped = refresh(place.engine(), request)
    assert isinstance(stopped, BudgetExceededError)
    assert 0 < done.refreshed < 6
    assert done.deferred == 6 - done.refreshed
    assert verify(place.out) == []
    assert place.refresh(kind("as printed"), is_all=True).refreshed == done.deferred
    assert len(place.model.asked) == 12  # once for each recipe
    assert verify(place.out) == []


def test_changed_columns_are_refused_with_the_command_that_takes_them(place: Place) -> None:
    place.write("a", "b")
    place.run(kind())
    wider = kind("", finish={"type": "string"})
    with pytest.raises(ConfigurationError, match=r"paint\.finish.*--into NEW"):
        place.refresh(wider, is_all=True)
    place.model.says["finish"] = "matt"
    done = refresh_into(place.engine(), place.out, place.root / "new", wider, None, None)
    assert (done.summary["ok"], done.summary["requests"]) == (2, 2)
    assert rows(place.root / "new", "paint", "finish") == [("matt",)] * 2
    assert verify(place.root / "new") == []


def test_a_new_dataset_takes_stored_answers_where_requests_are_equal(place: Place) -> None:
    place.write("a", "b")
    place.run(kind())
    done = refresh_into(place.engine(), place.out, place.root / "new", kind(), None, None)
    assert (done.summary["ok"], done.summary["requests"], len(place.model.asked)) == (2, 0, 2)
    assert rows(place.root / "new", "calls", "attempts, prompt_tokens, cost_usd") == [(0, 0, 0.0)] * 2
    assert verify(place.root / "new") == []


def test_a_document_that_has_moved_is_read_where_it_stands_now(place: Place, capsys: pytest.CaptureFixture) -> None:
    place.write("a", "b", "c")
    place.run(kind())
    folder = place.root / "in"
    (folder / "sub").mkdir()
    (folder / "a.txt").rename(folder / "sub" / "moved.txt")
    (folder / "a.txt").write_text("Paint another\n")  # and another document stands in its place
    (folder / "b.txt").rename(folder / "sub" / "b.txt")
    place.run(kind())
    (folder / "c.txt").unlink()
    place.model.says["colour"] = "blue"
    done = place.refresh(kind("as printed"), is_all=True)
    assert (done.refreshed, [Path(each.source_uri).name for each in done.kept]) == (3, ["c.txt"])
    capsys.readouterr()
    into = refresh_into(place.engine(), place.out, place.root / "new", kind("as printed"), None, None)
    assert into.summary["ok"] == 3
    assert (
        f"1 documents stand nowhere any more, and are not in {place.root / 'new'}: {folder / 'c.txt'}"
        in capsys.readouterr().err
    )


def test_a_type_that_is_a_file_is_named_in_what_is_advised_and_asked_for_where_it_is_needed(
    place: Place, capsys: pytest.CaptureFixture
) -> None:
    place.write("a")
    file = place.root / "paint.schema.json"

    def edited(document_type: DocumentType) -> DocumentType:
        file.write_text(json.dumps(document_type.schema))
        return load_type(str(file))

    place.run(edited(kind()))
    run(place.engine(), RunRequest([str(place.root / "in")], edited(kind("as printed")), place.out))
    assert f"`pagemill refresh {place.out} --type {file} --sample 20`" in capsys.readouterr().err
    with pytest.raises(ConfigurationError, match=rf"refresh {place.out} --type {file} --into NEW"):
        place.run(edited(kind("", finish={"type": "string"})))
    with pytest.raises(ConfigurationError, match="name the file with --type"):
        refresh_into(place.engine(), place.out, place.root / "new", None, None, None)
    assert not (place.root / "new").exists()


def test_the_command_tells_a_sample_as_a_table_as_json_and_as_a_page(
    place: Place, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write("a", "b")
    place.run(kind())
    place.model.says["colour"] = "<b>blue</b>"
    (place.root / "paint.schema.json").write_text(json.dumps(kind("as printed").schema))
    monkeypatch.setenv("PAGEMILL_BASE_URL", place.model.url)
    monkeypatch.setattr(
        "flows.runs.resources.engine", lambda settings: AsContext(replace(place.engine(), settings=settings))
    )
    command = ["refresh", str(place.out), "--sample", "5", "--type", str(place.root / "paint.schema.json")]
    assert main([*command, "--html", str(place.root / "page.html")]) == 0
    assert "/colour  ####################  2 of 2  red -> <b>blue</b>" in capsys.readouterr().out
    page = (place.root / "page.html").read_text()
    assert "&lt;b&gt;blue&lt;/b&gt;" in page
    assert "<b>blue" not in page
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["refreshed"], found["changed"], len(found["differences"])) == (2, 2, 2)
    assert main(["refresh", str(place.out), "--type", str(place.root / "paint.schema.json")]) == 2


def test_items_of_lists_differ_as_a_whole_and_fields_by_how_many_documents(place: Place) -> None:
    place.write("a", "b", "c")
    place.run(kind())
    place.model.says |= {"colour": "blue", "layers": [{"made_of": "oil"}, {"made_of": "wax"}]}
    looked = place.refresh(kind("as printed"), sample=3)
    listed = by_field(looked.differences, 3)
    assert [(each.field, each.documents, each.share) for each in listed] == [("/colour", 3, 1.0), ("/layers", 3, 1.0)]
    assert "wax" in str(listed[1].example.new)
    assert difference_lines([], 3) == []


def test_a_picture_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written"):
        draw_differences([], 0, {}, tmp_path / "nowhere" / "page.html")


def test_a_newer_version_at_an_address_takes_the_place_of_the_older(place: Place) -> None:
    place.write("a", "b")
    place.run(kind())
    (place.root / "in" / "a.txt").write_text("Paint a, second coat\n")
    done = place.run(kind())
    assert (done["ok"], done["already_done"], done["superseded"]) == (1, 1, 1)
    assert len(rows(place.out, "documents", "document_id")) == 2
    assert told(place.out, "superseded") == [
        ("/colour", "red", None),
        ("/layers", '[{"made_of": "oil"}]', None),
        ("/name", "Alpha", None),
    ]
    assert rows(place.out, "calls", "count(*)") == [(3,)]
    assert verify(place.out) == []


def test_what_is_forgotten_stays_out_of_later_runs(place: Place, capsys: pytest.CaptureFixture) -> None:
    place.write("a", "b")
    place.run(kind())
    assert main(["forget", str(place.out), "a.txt"]) == 0
    done = place.run(kind())
    assert (done["skipped"], done["already_done"], done["requests"]) == (1, 1, 0)
    assert rows(place.out, "documents", "file_name") == [("b.txt",)]
    assert verify(place.out) == []
