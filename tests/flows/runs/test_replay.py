"""`refresh --replay` as its user sees it: today's parser over stored answers, nothing asked, nothing lost."""

import json
import random
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.cli import main
from flows.runs.replay import replay
from flows.runs.request import RunRequest
from flows.runs.run import run
from flows.settings import load_settings
from flows.storage.document_claims import claim_published
from flows.storage.open import read_dataset
from flows.type_loader import load_type
from tests.conftest import SAMPLES, Finished
from tests.support.commands import Begun
from tests.support.everywhere import read_everywhere
from tests.support.killing import kill
from tests.support.quick import quick
from tests.support.waiting import wait_until

ASIDE = {"run_id", "extracted_at", "seconds", "recipe_id"}  # what is of the replay itself
NAMES = ("calder_point", "harrow_finch", "nordlicht", "studio_veldkamp", "whitmore_letter")


OFFLINE = load_settings(model="offline")


def run_offline(engine: Any, source: Path, out: Path, kind: str = "invoice", **options: object) -> None:
    engine = replace(engine, settings=load_settings(model="offline", **options))
    assert run(engine, RunRequest([str(source)], load_type(kind), out, quiet=True)).exit_code == 0


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, shared_engine: Any) -> Path:
    """The sample invoices and their dataset of three shards, to be copied."""
    root = tmp_path_factory.mktemp("replay")
    (root / "in").mkdir()
    for name in NAMES:
        shutil.copy(SAMPLES / "invoices" / f"{name}.pdf", root / "in")
    with quick():
        run_offline(shared_engine, root / "in", root / "out", shard_size=2)
    assert len(list((root / "out" / "documents").glob("*-*.parquet"))) == 3
    return root


@pytest.fixture
def place(tmp_path: Path, template: Path) -> Path:
    """A folder with `in` and `out` of its own."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    edit(
        tmp_path / "out", "documents", lambda row: row["source_uri"].replace(str(template), str(tmp_path)), "source_uri"
    )
    return tmp_path


def edit(out: Path, table: str, value: Callable[[dict], Any], column: str) -> int:
    """Give the column of every row of a table a value made of the row; returns how many rows have another now."""
    count = 0
    for path in (out / table).glob("*.parquet"):
        rows = pq.read_table(path)
        new = [{**row, column: value(row)} for row in rows.to_pylist()]
        count += sum(row != before for row, before in zip(new, rows.to_pylist(), strict=True))
        pq.write_table(pa.Table.from_pylist(new, rows.schema), path)
    return count


def drop(out: Path, table: str, document_id: str) -> None:
    for path in (out / table).glob("*.parquet"):
        rows = pq.read_table(path)
        pq.write_table(rows.filter(pa.compute.not_equal(rows.column("document_id"), document_id)), path)


def ids(out: Path) -> dict[str, str]:
    """The id of each document by its file's name without extension."""
    rows = read_dataset(out).rows("documents", ["file_name", "document_id"]).to_pylist()
    return {Path(row["file_name"]).stem: row["document_id"] for row in rows}


def tables(out: Path) -> dict[str, list[dict]]:
    """Every table that a replay must leave equal, its rows in an order of their own."""
    dataset = read_dataset(out)
    found = {}
    for table, schema in dataset.tables.items():
        if table not in {"runs", "sources"}:
            aside = set() if table in {"calls", "failures", "changes", "recipes"} else ASIDE
            names = [name for name in schema.names if name not in aside]
            found[table] = sorted(dataset.rows(table, names).to_pylist(), key=repr)
    return found


def contents(out: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in out.glob("*/*.parquet")}


def answers_otherwise(out: Path, document_id: str, **values: Any) -> None:
    """The stored answer to a document says otherwise, as if today's parser read it so."""

    def response(row: Mapping[str, Any]) -> str:
        if row["document_id"] != document_id:
            return row["response"]
        return json.dumps({**json.loads(row["response"]), **values}, ensure_ascii=False)

    assert edit(out, "calls", response, "response") == 1


def runs(out: Path) -> list[dict]:
    dataset = read_dataset(out)
    found = sorted(dataset.rows("runs", dataset.tables["runs"].names).to_pylist(), key=lambda row: row["started_at"])
    for row in found:
        parts = ("already_done", "skipped", "ok", "partial", "failed", "deferred")
        assert row["discovered"] == sum(row[part] for part in parts), row
    return found


def leftovers(out: Path) -> list[Path]:
    """What a command that has ended leaves in the workshop, aside from its lease and its claims."""
    return [path for name in ("staged", "journal", "runs", "spool") for path in (out / "_work" / name).iterdir()]


def refresh(pagemill: Callable[..., Finished], out: Path, *arguments: object, **environment: str) -> dict:
    done = pagemill("refresh", out, "--replay", "--model", "offline", "--json", *arguments, **environment)
    assert done.code == 0, done.err
    return done.json


def test_a_replay_without_any_change_leaves_all_values_equal(place: Path, pagemill: Callable[..., Finished]) -> None:
    out = place / "out"
    before, files = tables(out), contents(out)
    assert refresh(pagemill, out).items() >= {"refreshed": 5, "changed": 0, "kept": []}.items()
    assert tables(out) == before
    after = contents(out)
    assert sorted(path.parent.name for path in after.keys() - files.keys()) == ["runs"]
    assert all(after[path] == files[path] for path in files if path.parent.name in {"calls", "failures", "changes"})
    first, second = runs(out)
    counts = ("discovered", "already_done", "skipped", "ok", "partial", "failed", "deferred")
    assert [second[name] for name in counts] == [first[name] for name in counts]
    assert (second["discovered"], second["skipped"]) == (5, 0)
    assert (second["requests"], second["prompt_tokens"], second["completion_tokens"], second["cost_usd"]) == (0,) * 4
    assert second["recipe_id"] == first["recipe_id"]
    assert second["finished_at"] >= second["started_at"]
    made = read_dataset(out).rows("documents", ["run_id"]).column(0).to_pylist()
    assert made == [second["run_id"]] * 5
    assert leftovers(out) == []


def test_nothing_is_asked_and_costs_stay_as_paid(
    tmp_path: Path, template: Path, pagemill: Callable[..., Finished], model_server: Callable, extract: Callable
) -> None:
    out, paid = tmp_path / "out", ["cost_usd", "requests", "prompt_tokens", "completion_tokens", "model"]
    with model_server() as server:
        assert (
            extract(template / "in" / "harrow_finch.pdf", out, server.url, price_in=1.7, price_out=5.3).exit_code == 0
        )
        before, asked = tables(out), server.log.read_bytes()
        (cost,) = read_dataset(out).rows("documents", paid).to_pylist()
        assert cost["cost_usd"] > 0
        assert cost["prompt_tokens"] > 0
        done = pagemill("refresh", out, "--replay", "--json", **server.environment, PAGEMILL_PRICE_IN="99")
        assert (done.json["refreshed"], done.json["changed"], done.json["kept"]) == (1, 0, [])
        assert server.log.read_bytes() == asked
    assert tables(out) == before
    assert read_dataset(out).rows("documents", paid).to_pylist() == [cost]
    _, row = runs(out)
    assert (row["cost_usd"], row["requests"], row["prompt_tokens"], row["completion_tokens"]) == (0, 0, 0, 0)


def test_another_reading_of_one_answer_changes_just_its_value_evidence_and_changes(
    place: Path, pagemill: Callable[..., Finished]
) -> None:
    out = place / "out"
    document_id = ids(out)["harrow_finch"]
    answers_otherwise(out, document_id, gross_total=4321.09)
    before = tables(out)
    done = refresh(pagemill, out)
    assert (done["refreshed"], done["changed"]) == (5, 1)
    after = tables(out)
    (old,) = [row for row in before["invoice"] if row["document_id"] == document_id]
    (new,) = [row for row in after["invoice"] if row["document_id"] == document_id]
    of_record = {"record_status", "record_problems", "needs_review"}  # a check that fails now says so there
    assert {name for name in new if new[name] != old[name]} - of_record == {"gross_total"}
    assert str(new["gross_total"]) == "4321.0900"
    assert new["needs_review"]  # it is nowhere on its pages
    placed, placed_before = (
        [{name: value for name, value in row.items() if name != "confidence"} for row in rows["evidence"]]
        for rows in (after, before)
    )  # a check that fails now makes every value of the record less sure
    assert [row for row in placed if row not in placed_before] == [
        {
            **dict.fromkeys(("page", "x0", "y0", "x1", "y1", "quote")),
            "document_id": document_id,
            "record": 0,
            "field": "/gross_total",
            "value": "4321.09",
            "match": "absent",
        }
    ]
    assert len(after["evidence"]) == len(before["evidence"])
    (told,) = [row for row in after["changes"] if row not in before["changes"]]
    assert {name: value for name, value in told.items() if name != "at"} == {
        "change_id": 6,
        "run_id": done["run_id"],
        "document_id": document_id,
        "record": 0,
        "kind": "replaced",
        "field": "/gross_total",
        "old": str(old["gross_total"]),
        "new": "4321.0900",
    }
    for table, rows in after.items():
        if table not in {"changes"}:
            differ = [row for row in rows if row not in before[table]]
            assert {row["document_id"] for row in differ} <= {document_id}, table
            assert not differ or table not in {"pages", "figures", "calls", "failures", "recipes"}, table
    unsaid = {"document_id", "record", "record_status"}
    lines = [
        [{k: v for k, v in row.items() if k not in unsaid} for row in each["invoice_line_items"]]
        for each in (before, after)
    ]
    assert sorted(lines[0], key=repr) == sorted(lines[1], key=repr)
    assert replay(out, OFFLINE).changed == 0  # told once
    assert tables(out) == after


def test_documents_whose_source_or_answer_is_gone_keep_their_rows_and_are_named(
    place: Path, pagemill: Callable[..., Finished]
) -> None:
    """Two of them have one name in two folders; both are told."""
    out, known = place / "out", ids(place / "out")
    for name in ("nordlicht", "harrow_finch"):
        (place / "in" / name).mkdir()
        (place / "in" / f"{name}.pdf").rename(place / "in" / name / "same.pdf")
    moved = {known[name]: str(place / "in" / name / "same.pdf") for name in ("nordlicht", "harrow_finch")}
    edit(out, "documents", lambda row: moved.get(row["document_id"], row["source_uri"]), "source_uri")
    edit(out, "sources", lambda row: True, "gone")  # they stand nowhere else
    before = {row["document_id"]: row for row in documents(out)}
    files = {name: Path(before[known[name]]["source_uri"]) for name in NAMES}
    answers_otherwise(out, known["studio_veldkamp"], currency="XXX")
    for name in ("nordlicht", "harrow_finch"):
        files[name].unlink()
    files["calder_point"].write_bytes(files["calder_point"].read_bytes() + b"\n% edited\n")
    drop(out, "calls", known["whitmore_letter"])
    kept = [known[name] for name in NAMES if name != "studio_veldkamp"]
    old = {table: [row for row in rows if row.get("document_id") in kept] for table, rows in tables(out).items()}
    done = refresh(pagemill, out)
    assert (done["refreshed"], done["changed"]) == (1, 1)
    said = {each["document_id"]: each for each in done["kept"]}
    assert sorted(said) == sorted(kept)
    assert len(done["kept"]) == 4
    for name, why in (
        ("nordlicht", "No such file"),
        ("harrow_finch", "No such file"),
        ("calder_point", "other bytes"),
        ("whitmore_letter", "not among the stored ones"),
    ):
        assert said[known[name]]["source_uri"] == str(files[name])
        assert why in said[known[name]]["reason"]
    assert {
        table: [row for row in rows if row.get("document_id") in kept] for table, rows in tables(out).items()
    } == old
    after = {row["document_id"]: row for row in documents(out)}
    assert [after[each] for each in kept] == [
        before[each] for each in kept
    ]  # run, recipe and time are the old ones too
    assert after[known["studio_veldkamp"]]["run_id"] == done["run_id"]
    last = runs(out)[-1]
    assert (last["discovered"], last["ok"] + last["partial"], last["skipped"]) == (5, 1, 4)
    for_people = pagemill("refresh", out, "--replay", "--model", "offline")
    assert for_people.code == 0
    lines = for_people.out.splitlines()
    assert lines[0].endswith("1 of 5 documents made anew, 0 of them with other values; 0 requests, $0.0000")
    assert len(lines) == 5
    for each in said.values():
        assert sum(line.startswith(f"kept as it was: {each['source_uri']}: ") for line in lines) == 1
        assert all(line.count(each["source_uri"]) < 2 for line in lines)


def documents(out: Path) -> list[dict]:
    dataset = read_dataset(out)
    return dataset.rows("documents", dataset.tables["documents"].names).to_pylist()


def test_a_document_that_another_run_works_on_is_left_to_it(place: Path) -> None:
    out = place / "out"
    document_id, dataset = ids(out)["nordlicht"], read_dataset(out)
    with dataset.lease("20260101T000000-aaaaaa"):
        with dataset.locked():
            assert claim_published(dataset, "20260101T000000-aaaaaa", [document_id])
        done = replay(out, OFFLINE)
    assert done.refreshed == 4
    assert [(each.document_id, each.reason) for each in done.kept] == [(document_id, "another run works on it")]
    assert replay(out, OFFLINE).refreshed == 5


def test_a_window_that_the_endpoint_served_is_the_replays_too(
    tmp_path: Path, template: Path, offline_engine: object
) -> None:
    out = tmp_path / "out"
    run_offline(offline_engine, template / "in" / "harrow_finch.pdf", out, window=10_000)
    done = replay(out, OFFLINE)
    assert (done.refreshed, done.changed, done.kept) == (1, 0, [])
    assert len(read_dataset(out).rows("recipes", ["recipe_id"])) == 1


def test_a_fault_of_ours_costs_its_own_document_only(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.documents.extract import extract_document

    known = ids(place / "out")

    async def broken(tools: Any, document: Any, *arguments: Any) -> Any:
        if document.document_id == known["nordlicht"]:
            raise ZeroDivisionError("a slip")
        return await extract_document(tools, document, *arguments)

    monkeypatch.setattr("flows.runs.refresh_shard.extract_document", broken)
    done = replay(place / "out", OFFLINE)
    assert done.refreshed == 4
    assert [(each.document_id, each.reason) for each in done.kept] == [
        (known["nordlicht"], "ZeroDivisionError: a slip")
    ]
    assert runs(place / "out")[-1]["skipped"] == 1


def test_a_folder_that_is_no_dataset_is_refused(tmp_path: Path, pagemill: Callable[..., Finished]) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "letter.txt").write_text("Dear Sir")
    done = pagemill("refresh", tmp_path / "letters", "--replay", "--model", "offline")
    assert (done.code, done.out) == (2, "")
    assert f"{tmp_path / 'letters'} is no Pagemill dataset" in done.err
    assert main(["refresh", str(tmp_path / "nowhere"), "--replay", "--model", "offline"]) == 2
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["letter.txt", "letters"]


@pytest.mark.whole_machine
def test_what_a_killed_replay_left_is_completed_by_the_next(
    place: Path, pagemill: Callable[..., Finished], begin: Callable[..., Begun]
) -> None:
    out, chance = place / "out", random.Random(7)
    known = ids(out)
    answers_otherwise(out, known["harrow_finch"], number="H-1")
    answers_otherwise(out, known["studio_veldkamp"], number="S-1")
    calls = {path: data for path, data in contents(out).items() if path.parent.name == "calls"}
    shutil.copytree(out, place / "undisturbed")
    assert replay(place / "undisturbed", OFFLINE).changed == 2
    kills = 0
    for _ in range(3):
        before = set((out / "_work" / "runs").iterdir())
        process = begin("refresh", out, "--replay", "--model", "offline")
        wait_until(lambda: process.poll() is not None or set((out / "_work" / "runs").iterdir()) - before, every=0.005)
        time.sleep(chance.uniform(0.0, 1.2))
        kills += kill(process)
        read_everywhere(out)
        assert sorted(ids(out).values()) == sorted(known.values())
        assert len(documents(out)) == 5
    assert kills  # one that ends before its kill is no harm
    assert refresh(pagemill, out)["refreshed"] == 5
    read_everywhere(out)
    ended, expected = tables(out), tables(place / "undisturbed")
    told = {name: [by_field(row) for row in found.pop("changes")] for name, found in (("a", ended), ("b", expected))}
    assert ended == expected
    assert sorted(told["a"], key=repr) == sorted(told["b"], key=repr)
    numbers = sorted(read_dataset(out).rows("changes", ["change_id"]).column(0).to_pylist())
    assert numbers == list(range(1, len(numbers) + 1))
    assert leftovers(out) == []
    assert {path: data for path, data in contents(out).items() if path.parent.name == "calls"} == calls
    assert len(runs(out)) == 5  # a killed one has its row, and every sum adds up


def by_field(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in {"change_id", "at", "run_id"}}


CLASS = '''
from decimal import Decimal
from pydantic import BaseModel, Field, field_validator

class Bill(BaseModel):
    """What somebody is asked to pay:
    one bill a document."""

    number: str | None = Field(None, description="Invoice number")
    gross_total: Decimal | None = Field(None, description="Total with tax")

    @field_validator("number")
    def known(cls, value):
        if not value.startswith(PREFIX):
            raise ValueError("of another series")
        return value
'''


@pytest.fixture
def bills(tmp_path: Path, template: Path, offline_engine: object) -> Path:
    """A dataset of a pydantic class with a validator that the sample's number passes."""
    (tmp_path / "bills.py").write_text(f'PREFIX = ""\n{CLASS}')
    run_offline(offline_engine, template / "in" / "harrow_finch.pdf", tmp_path / "out", f"{tmp_path / 'bills.py'}:Bill")
    assert duckdb.sql(f"select number is not null from '{tmp_path}/out/bill/*.parquet'").fetchall() == [(True,)]
    return tmp_path


def test_a_pydantic_class_is_named_with_type_and_its_validators_run(
    bills: Path, pagemill: Callable[..., Finished]
) -> None:
    out, kind = bills / "out", f"{bills / 'bills.py'}:Bill"
    before = contents(out)
    refused = pagemill("refresh", out, "--replay", "--model", "offline")
    assert (refused.code, refused.out) == (2, "")
    assert "'bill'" in refused.err
    assert "--type" in refused.err
    assert contents(out) == before
    done = replay(out, OFFLINE, load_type(kind))
    assert (done.refreshed, done.changed, done.kept) == (1, 0, [])
    (bills / "bills.py").write_text(f'PREFIX = "no number begins like this"\n{CLASS}')
    assert refresh(pagemill, out, "--type", kind).items() >= {"refreshed": 1, "changed": 1}.items()
    assert duckdb.sql(f"select number from '{out}/bill/*.parquet'").fetchall() == [(None,)]


def test_a_class_whose_columns_changed_is_refused_and_the_fields_named(
    bills: Path, pagemill: Callable[..., Finished], capsys: pytest.CaptureFixture[str]
) -> None:
    out, kind = bills / "out", f"{bills / 'bills.py'}:Bill"
    before = contents(out)
    changed = CLASS.replace("gross_total: Decimal", "gross_total: str").replace(
        "    @field_validator",
        '    paid_on: str | None = Field(None, description="Day of payment")\n\n    @field_validator',
    )
    (bills / "bills.py").write_text(f'PREFIX = ""\n{changed}')
    refused = pagemill("refresh", out, "--replay", "--model", "offline", "--type", kind)
    assert (refused.code, refused.out) == (2, "")
    assert "bill.gross_total" in refused.err
    assert "bill.paid_on" in refused.err
    assert "bill.number" not in refused.err
    assert main(["refresh", str(out), "--replay", "--model", "offline", "--type", "report"]) == 2
    assert "'bill', not 'report'" in capsys.readouterr().err
    assert contents(out) == before


def test_an_item_that_moves_from_one_list_to_another_is_told(tmp_path: Path, offline_engine: object) -> None:
    kind = tmp_path / "plan.schema.json"
    row = {"type": "object", "properties": {"text": {"type": "string"}}}
    section = {"name": {"type": "string"}, "rows": {"type": "array", "items": row}}
    items = {"type": "object", "properties": section}
    schema = {"title": "plan", "type": "object", "properties": {"sections": {"type": "array", "items": items}}}
    kind.write_text(json.dumps(schema))
    (tmp_path / "plan.txt").write_text("North\nSouth\nsow in May\n")
    out = tmp_path / "out"
    run_offline(offline_engine, tmp_path / "plan.txt", out, str(kind))
    (document_id,) = ids(out).values()
    sow = {"text": "sow in May"}
    told = []
    for rows in (([sow], []), ([], [sow])):
        sections = [{"name": name, "rows": below} for name, below in zip(("North", "South"), rows, strict=True)]
        answers_otherwise(out, document_id, sections=sections)
        assert replay(out, OFFLINE).changed == 1
        told.append(duckdb.sql(f"select field from '{out}/changes/*.parquet' where kind = 'replaced'").fetchall())
    assert sorted(told[0]) == [("/sections",), ("/sections/rows",)]
    assert sorted(told[1]) == [("/sections",), ("/sections/rows",), ("/sections/rows",)]
