"""`correct` as its user sees it: the corrected value is the published one, whatever is run, refreshed or killed after it."""

import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from flows.cli import main
from flows.review.correct import correct, open_with_type
from flows.review.records import read_record, read_records
from flows.runs.forget import forget
from flows.runs.migrate import refresh_into
from flows.runs.resources import Engine
from flows.settings import load_settings
from flows.storage.find import find_documents
from flows.storage.verify import verify
from schemas.errors import ConfigurationError
from tests.conftest import ROOT
from tests.support.moody import moody
from tests.support.outcomes import rows
from tests.support.repainted import Place, kind

SAID = {"name": "Alpha", "colour": "red", "layers": [{"made_of": "oil"}, {"made_of": "wax"}]}


@pytest.fixture
def place(tmp_path: Path, offline_engine: Engine) -> Iterator[Place]:
    with moody(**SAID) as model:
        yield Place(tmp_path, model, offline_engine)


def the_id(place: Place, name: str) -> str:
    (document_id,) = [
        each for each, file in rows(place.out, "documents", "document_id, file_name") if file == f"{name}.txt"
    ]
    return document_id


def told(place: Place) -> list[tuple]:
    """What `changes` says, in its order."""
    return [each[1:] for each in sorted(rows(place.out, "changes", "change_id, kind, field, old, new"))]


def test_a_corrected_value_is_what_pandas_reads_also_after_a_refresh_of_all(place: Place) -> None:
    place.write("a", "b", "c")
    place.run(kind())
    a = the_id(place, "a")
    assert main(["correct", str(place.out), "a.txt", "/colour", "green", "--by", "ada", "--note", "saw it"]) == 0
    assert main(["correct", str(place.out), a[:10], "/layers/0/made_of", "chalk", "--by", "bob"]) == 0
    assert verify(place.out) == []
    place.model.says = {
        **SAID,
        "colour": "blue",
        "layers": [{"made_of": "tar"}, {"made_of": "oil"}, {"made_of": "wax"}],
    }
    looked = place.refresh(kind("as printed"), sample=3)
    assert [(each.document_id, each.field, each.machine, each.corrected, each.by) for each in looked.disagreements] == [
        (a, "/colour", "blue", "green", "ada"),
        (a, "/layers/1/made_of", "oil", "chalk", "bob"),  # the row that it was made in stands elsewhere now
    ]
    done = place.refresh(kind("as printed"), is_all=True)
    assert done.refreshed == 3
    paint = pd.read_parquet(place.out / "paint").set_index("document_id")
    assert paint["colour"].to_dict() == {a: "green"} | {each: "blue" for each in paint.index if each != a}
    assert list(paint.loc[a, "corrected_fields"]) == ["/colour", "/layers/1/made_of"]
    layers = pd.read_parquet(place.out / "paint_layers")
    assert list(layers[layers["document_id"] == a].sort_values("item_index")["made_of"]) == ["tar", "chalk", "wax"]
    assert set(paint["recipe_id"]) == {paint["recipe_id"].iloc[0]}
    row = pd.read_parquet(place.out / "corrections").set_index("correction_id").loc[1]
    assert (row["by"], row["field"], row["old"], row["new"], row["note"]) == (
        "ada",
        "/colour",
        "red",
        "green",
        "saw it",
    )
    documents = pd.read_parquet(place.out / "documents").set_index("document_id")
    assert json.loads(documents.loc[a, "extracted"])["colour"] == "blue"  # what the machine read last
    assert verify(place.out) == []


def test_readers_of_changes_hear_of_it_once(place: Place) -> None:
    place.write("a")
    place.run(kind())
    before = len(told(place))
    main(["correct", str(place.out), "a.txt", "/colour", "green", "--by", "ada"])
    main(["correct", str(place.out), "a.txt", "/layers/1", "--null", "--by", "ada"])
    main(["correct", str(place.out), "a.txt", "/colour", "green", "--by", "bob"])
    main(["correct", str(place.out), "a.txt", "--accept", "--by", "bob"])
    assert [each for each in told(place) if each[0] == "corrected"] == [
        ("corrected", "/colour", "red", "green"),
        ("corrected", "/layers/1", '{"made_of": "wax"}', None),
        ("corrected", None, None, None),
        ("corrected", None, None, None),
    ]
    assert len(told(place)) == before + 4
    place.refresh(kind("as printed"), is_all=True)  # the machine reads what it did before: nothing is another
    assert [each for each in told(place) if each[0] == "replaced"] == []
    assert rows(place.out, "paint", "needs_review") == [(False,)]


def test_a_correction_made_while_a_refresh_works_on_the_document_is_in_what_it_publishes(place: Place) -> None:
    place.write("a")
    place.run(kind())
    dataset, document_type = open_with_type(place.out)
    document_id = the_id(place, "a")
    made = []

    def tell(_: dict) -> dict:  # while the refresh waits for its answer
        made.append(correct(dataset, document_type, document_id, "/colour", "green", by="ada"))
        return {**SAID, "colour": "blue", "name": "Beta"}

    place.model.tells = tell
    assert place.refresh(kind("as printed"), is_all=True).refreshed == 1
    assert [each.after.value["colour"] for each in made] == ["green"]
    assert rows(place.out, "paint", "name, colour") == [("Beta", "green")]
    assert verify(place.out) == []


def test_a_new_dataset_of_another_type_takes_the_corrections_along(place: Place) -> None:
    place.write("a", "b")
    place.run(kind())
    main(["correct", str(place.out), "a.txt", "/colour", "green", "--by", "ada"])
    main(["correct", str(place.out), "b.txt", "/name", "Gamma", "--by", "ada"])
    other = kind(gloss={"type": "string"})
    for _ in range(2):  # the second time there is nothing to do, and nothing is told twice
        outcome = refresh_into(place.engine(), place.out, place.root / "new", other, None, None)
        assert outcome.exit_code == 0
    found = pd.read_parquet(place.root / "new" / "paint").set_index("file_name")
    assert (found.loc["a.txt", "colour"], found.loc["b.txt", "name"]) == ("green", "Gamma")
    assert len(pd.read_parquet(place.root / "new" / "corrections")) == 2
    assert verify(place.root / "new") == []


def test_a_document_that_is_published_anew_is_published_as_it_was_corrected(place: Place) -> None:
    place.write("a", "b")
    place.run(kind())
    main(["correct", str(place.out), "a.txt", "/colour", "green", "--by", "ada"])
    (shard,) = [path.name for path in (place.out / "documents").glob("2*.parquet")]
    for path in place.out.glob(f"*/{shard}"):  # as a damaged file is remedied
        if path.parent.name not in {"calls", "failures", "changes"}:
            path.unlink()
    place.run(kind())
    assert sorted(rows(place.out, "paint", "file_name, colour")) == [("a.txt", "green"), ("b.txt", "red")]
    assert verify(place.out) == []


def test_what_is_forgotten_is_forgotten_here_too(place: Place) -> None:
    place.write("a", "b")
    place.run(kind())
    for name in "ab":
        main(["correct", str(place.out), f"{name}.txt", "/colour", "secret", "--by", "ada", "--note", "secret"])
    dataset, _ = open_with_type(place.out)
    forget(place.out, find_documents(dataset, ["a.txt"], None), load_settings())
    assert [each for (each,) in rows(place.out, "corrections", "document_id")] == [the_id(place, "b")]
    assert verify(place.out) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nobody.txt", "/colour", "x"], "nobody.txt is no document of"),
        (["a.txt", "/nope", "x"], "/nope is no place of the record"),
        (["a.txt", "/colour"], "give FIELD and VALUE"),
        (["a.txt", "/colour", "x", "--null"], "give FIELD and VALUE"),
        (["a.txt", "/colour", "x", "--accept"], "give FIELD and VALUE"),
        (["a.txt", "/colour", "x", "--by", " "], "missing name of the corrector"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_changed(
    place: Place, capsys: pytest.CaptureFixture, arguments: list[str], message: str
) -> None:
    place.write("a")
    place.run(kind())
    before = sorted(path.name for path in place.out.rglob("*.parquet"))
    assert main(["correct", str(place.out), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in place.out.rglob("*.parquet")) == before


def test_two_people_correct_at_once_and_both_hold(place: Place) -> None:
    place.write(*"abcd")
    place.run(kind())
    ids = [the_id(place, name) for name in "abcd"]
    errors: list[Exception] = []

    def work(by: str, field: str) -> None:
        try:
            dataset, document_type = open_with_type(place.out)
            for each in ids:
                correct(dataset, document_type, each, field, by, by=by)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=each) for each in (("ada", "/colour"), ("bob", "/name"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert rows(place.out, "paint", "name, colour") == [("bob", "ada")] * 4
    assert sorted(number for (number,) in rows(place.out, "corrections", "correction_id")) == list(range(1, 9))
    assert verify(place.out) == []


def test_one_session_keeps_one_file_of_each_log(place: Place) -> None:
    place.write("a")
    place.run(kind())
    dataset, document_type = open_with_type(place.out)
    for colour in ("green", "blue", "white"):
        correct(
            dataset, document_type, the_id(place, "a"), "/colour", colour, by="ada", session="20260101T000000-aaaaaa"
        )
    assert [path.name for path in (place.out / "corrections").glob("2*")] == ["20260101T000000-aaaaaa-correct.parquet"]
    assert [each for (each,) in rows(place.out, "corrections", "new")] == ["green", "blue", "white"]
    assert rows(place.out, "paint", "colour") == [("white",)]


def test_records_are_read_back_as_they_were_published(samples_out: dict[str, Path]) -> None:
    dataset, document_type = open_with_type(samples_out["invoices"])
    found = {each.document["file_name"]: each for each in read_records(dataset, document_type)}
    truth = json.loads((ROOT / "sample_docs" / "invoices" / "nordlicht.json").read_text())
    assert found["nordlicht.pdf"].value["gross_total"] == Decimal("8407.89")
    assert len(found["nordlicht.pdf"].value["line_items"]) == len(truth["line_items"])
    assert found["nordlicht.pdf"].extracted is None
    with pytest.raises(ConfigurationError, match="is not published"):
        read_record(dataset, document_type, "0" * 64)
