"""A run as its user sees it: the accounting, the tables, bad input, two runs at once."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import psutil
import pyarrow as pa
import pymupdf
import pytest

from flows.runs.request import RunRequest
from flows.runs.resources import Engine
from flows.runs.run import run
from flows.storage.open import read_dataset
from flows.storage.verify import verify
from flows.type_loader import load_type
from schemas.errors import ConfigurationError
from schemas.tables import LOG_TABLES, SHARD_TABLES
from tests.conftest import SAMPLES, Finished, start
from tests.support.archives import INVOICE, copies, invoices
from tests.support.commands import Begun
from tests.support.killing import kill
from tests.support.outcomes import check_sum, rows
from tests.support.painted import studio
from tests.support.waiting import wait_until


def test_a_second_run_sends_nothing_and_adds_one_runs_file(tmp_path: Path, offline_engine: object) -> None:
    out = tmp_path / "out"
    request = RunRequest([str(SAMPLES / "invoices")], load_type("invoice"), out, quiet=True)
    first = run(offline_engine, request)
    before = {path: path.read_bytes() for path in out.glob("*/*.parquet")}
    second = run(offline_engine, request)
    after = {path: path.read_bytes() for path in out.glob("*/*.parquet")}
    assert first.summary["ok"] == 4
    assert first.summary["partial"] == 1  # the scanned letter
    assert second.summary["already_done"] == 5
    assert second.summary["requests"] == 0
    assert [path.parent.name for path in after.keys() - before.keys()] == ["runs"]
    assert all(after[path] == content for path, content in before.items())
    check_sum(first.summary)
    check_sum(second.summary)


def test_every_table_is_read_by_pandas_and_polars_with_the_stated_types(samples_out: dict[str, Path]) -> None:
    for out in samples_out.values():
        dataset = read_dataset(out)
        for name, schema in dataset.tables.items():
            assert pd.read_parquet(out / name, dtype_backend="pyarrow").columns.tolist() == schema.names
            read = pl.read_parquet(out / name / "*.parquet").to_arrow().schema
            for column in schema:
                kind = str(read.field(column.name).type).replace("large_", "").replace("string_view", "string")
                assert kind.replace("binary_view", "binary") == str(column.type).replace(
                    "element", "item"
                ) or pa.types.is_list(column.type), column


def test_every_table_is_there_with_the_columns_of_the_contract(samples_out: dict[str, Path]) -> None:
    out = samples_out["invoices"]
    for name, schema in {**SHARD_TABLES, **LOG_TABLES}.items():
        described = duckdb.sql(f"describe from '{out}/{name}/*.parquet'").fetchall()
        assert [column[0] for column in described] == schema.names
    names = {path.name for path in out.iterdir() if path.is_dir()}
    assert names == {*SHARD_TABLES, *LOG_TABLES, "invoice", "invoice_line_items", "_work"}
    assert all(path.suffix == ".parquet" for name in names - {"_work"} for path in (out / name).iterdir())
    assert {path.name for path in out.iterdir() if path.is_file()} == {"README.md", "catalog.sql"}


def test_a_document_is_found_in_every_table_and_sums_agree(samples_out: dict[str, Path]) -> None:
    out = samples_out["prices"]
    (document,) = rows(out, "documents", "document_id, pages, requests, prompt_tokens, completion_tokens")
    assert rows(out, "pages", "count(*), count(distinct page)") == [(document[1], document[1])]
    assert rows(out, "calls", "count(*), sum(prompt_tokens), sum(completion_tokens)") == [document[2:]]
    assert rows(out, "changes", "change_id, kind, document_id") == [(1, "added", document[0])]
    assert rows(out, "recipes", "count(*)") == [(1,)]


def test_bad_documents_fail_alone_and_are_held_back_the_next_time(tmp_path: Path, offline_engine: object) -> None:
    source, out = copies(tmp_path / "in", 1), tmp_path / "out"
    (source / "letter.pdf").write_bytes(b"Dear Sir, this is no PDF")
    (source / "empty.pdf").write_bytes(b"")
    with pymupdf.open(INVOICE) as document:
        document.save(source / "locked.pdf", encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="secret", owner_pw="owner")
    (source / "folder.pdf").mkdir()
    missing = [str(source), str(source / "folder.pdf"), str(source / "gone.pdf")]
    with pytest.raises(ConfigurationError, match=r"folder\.pdf|gone\.pdf"):  # one of the sources matches nothing
        run(offline_engine, RunRequest(missing, load_type("invoice"), out))
    (tmp_path / "list.txt").write_text(f"{source / 'gone.pdf'}\n")
    request = RunRequest([str(source), f"@{tmp_path / 'list.txt'}"], load_type("invoice"), out)
    first = run(offline_engine, request)
    assert (first.exit_code, first.summary["ok"], first.summary["failed"]) == (1, 1, 4)
    check_sum(first.summary)
    failures = {
        Path(uri).name: (error, stage) for uri, error, stage in rows(out, "failures", "source_uri, error, stage")
    }
    assert failures == {
        "letter.pdf": ("UnsupportedDocumentError", "split"),
        "empty.pdf": ("UnreadableDocumentError", "split"),
        "locked.pdf": ("EncryptedDocumentError", "split"),
        "gone.pdf": ("UnreadableDocumentError", "read"),
    }
    second = run(offline_engine, request)
    assert (second.exit_code, second.summary["already_done"], second.summary["skipped"]) == (0, 1, 4)
    check_sum(second.summary)


def test_a_password_from_the_file_opens_a_locked_document(tmp_path: Path, extract: Callable) -> None:
    (tmp_path / "passwords.txt").write_text("wrong\nsecret\n")
    locked = tmp_path / "locked.pdf"
    with pymupdf.open(INVOICE) as document:
        document.save(locked, encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="secret", owner_pw="owner")
    done = extract(locked, tmp_path / "out", passwords_file=tmp_path / "passwords.txt")
    assert (done.exit_code, done.summary["ok"]) == (0, 1)


def test_a_page_too_long_for_the_window_is_asked_in_parts_and_kept_whole(tmp_path: Path, extract: Callable) -> None:
    words = [f"line {number} of a very long page" for number in range(400)]
    (tmp_path / "long.txt").write_text("\n".join(words))
    done = extract(tmp_path / "long.txt", tmp_path / "out", kind="report", chunk_tokens=400)
    assert done.summary["requests"] > 5
    text = "\n".join(text for (text,) in rows(tmp_path / "out", "pages", "text"))
    assert all(line in text for line in words)


def test_one_poisonous_answer_costs_only_its_own_values(
    tmp_path: Path, extract: Callable, model_server: Callable
) -> None:
    source, out = invoices(tmp_path / "in", 20), tmp_path / "out"
    with model_server("--poison", "INV-0007") as server:
        done = extract(source, out, server.url)
    assert done.exit_code == 0
    assert (done.summary["ok"], done.summary["partial"]) == (19, 1)
    ((number, total, problems),) = duckdb.sql(
        f"select number, gross_total, record_problems from '{out}/invoice/*.parquet' where record_status = 'partial'"
    ).fetchall()
    assert number == "P\ufffd-\ufffd-7"
    assert total is None
    assert any("/gross_total" in problem for problem in problems)
    ((match,),) = duckdb.sql(
        f"select match from '{out}/evidence/*.parquet' where field = '/gross_total' and value is null"
    ).fetchall()
    assert match == "rejected"


def test_requests_go_to_another_process_with_text_images_and_schema(
    tmp_path: Path, pagemill: Callable, model_server: Callable
) -> None:
    source = tmp_path / "in"
    shutil.copytree(SAMPLES / "invoices", source)
    with model_server() as server:
        estimated = pagemill("estimate", source, "--type", "invoice", "--json", **server.environment)
        assert server.entries("asked") == []
        done = pagemill("run", source, "--type", "invoice", "--out", tmp_path / "out", "--json", **server.environment)
        asked, answered = server.entries("asked"), server.entries("answered")
    assert done.code == 0, done.err
    assert estimated.json["requests"] == len(asked) == done.json["requests"] == 6
    assert (
        estimated.json["prompt_tokens"]
        == done.json["prompt_tokens"]
        == sum(each["usage"]["prompt_tokens"] for each in answered)
    )
    assert rows(tmp_path / "out", "calls", "sum(prompt_tokens)") == [(estimated.json["prompt_tokens"],)]
    assert rows(tmp_path / "out", "documents", "sum(prompt_tokens)") == [(estimated.json["prompt_tokens"],)]
    assert done.json["cost_usd"] == pytest.approx(
        (done.json["prompt_tokens"] * 0.35 + done.json["completion_tokens"] * 0.55) / 1e6
    )
    assert all(each["body"]["response_format"]["json_schema"]["strict"] for each in asked)
    assert all(each["authorization"] == "Bearer canary-key" for each in asked)
    contents = [each["body"]["messages"][-1]["content"] for each in asked]
    assert any("RE-2026-00318" in content for content in contents if isinstance(content, str))
    pictures = [
        part for content in contents if isinstance(content, list) for part in content if part["type"] == "image_url"
    ]
    assert pictures
    assert all(part["image_url"]["url"].startswith("data:image/") for part in pictures)
    everything = "".join(
        path.read_bytes().decode("latin-1") for path in (tmp_path / "out").rglob("*") if path.is_file()
    )
    assert "canary-key" not in everything + done.out + done.err


def test_an_endpoint_without_json_schema_is_asked_with_the_schema_in_the_prompt_and_that_is_remembered(
    tmp_path: Path, extract: Callable, model_server: Callable
) -> None:
    source, out = invoices(tmp_path / "in", 3), tmp_path / "out"
    with model_server("--no-schema") as server:
        done = extract(source, out, server.url, concurrency=1)
        more = extract(invoices(tmp_path / "more", 5), out, server.url, concurrency=1)
        asked = [entry["body"]["response_format"]["type"] for entry in server.entries("asked")]
    assert (done.exit_code, done.summary["ok"], more.summary["ok"]) == (0, 3, 5)
    assert asked == ["json_schema", *["json_object"] * 8]


def test_an_endpoint_that_stays_away_stops_the_run_within_the_patience(
    tmp_path: Path, extract: Callable, model_server: Callable
) -> None:
    source, out = invoices(tmp_path / "in", 5), tmp_path / "out"
    with model_server("--status", "503") as server:
        done = extract(source, out, server.url, patience=2.0, backoff=1.0)
        assert len(server.entries("asked")) <= 4
    assert (done.exit_code, done.summary["deferred"], done.summary["failed"]) == (1, 5, 0)
    assert "PAGEMILL_PATIENCE" in str(done.stopped)
    with model_server() as server:
        again = extract(source, out, server.url)
    assert (again.exit_code, again.summary["ok"]) == (0, 5)


def test_an_odd_answer_is_used_and_a_refused_document_fails_alone(
    tmp_path: Path, extract: Callable, model_server: Callable
) -> None:
    source, out = invoices(tmp_path / "in", 6), tmp_path / "out"
    with model_server("--odd", "INV-0002", "--refuse", "INV-0004") as server:
        done = extract(source, out, server.url)
        again = extract(source, out, server.url)
    assert (done.exit_code, done.summary["ok"], done.summary["failed"]) == (1, 5, 1)
    assert 0 < done.summary["prompt_tokens"] < 10_000
    assert 0 < done.summary["cost_usd"] < 1
    ((error, message),) = rows(out, "failures", "error, message")
    assert error == "InvalidCompletionError"
    assert "canary-key" not in message
    assert (again.exit_code, again.summary["already_done"], again.summary["skipped"]) == (0, 5, 1)


def test_a_budget_stops_the_run_before_it_is_passed(tmp_path: Path, pagemill: Callable, model_server: Callable) -> None:
    source = invoices(tmp_path / "in", 6)
    prices = {"PAGEMILL_PRICE_IN": "10", "PAGEMILL_PRICE_OUT": "10", "PAGEMILL_CONCURRENCY": "1"}
    arguments = ("run", source, "--type", "invoice", "--out", tmp_path / "out", "--budget", "0.12", "--json")
    with model_server() as server:
        done = pagemill(*arguments, **prices, **server.environment)
        billed = sum(each["usage"]["total_tokens"] for each in server.entries("answered")) * 10 / 1e6
    assert done.code == 3
    assert billed == pytest.approx(done.json["cost_usd"])
    assert 0 < billed <= 0.12
    assert 0 < done.json["ok"] < 6
    assert done.json["deferred"] == 6 - done.json["ok"]


def test_equal_requests_are_asked_once_and_bytes_are_done_once(
    tmp_path: Path, extract: Callable, model_server: Callable
) -> None:
    source, out = copies(tmp_path / "in", 4), tmp_path / "out"
    shutil.copy(source / "copy000.pdf", source / "same-bytes.pdf")
    with model_server("--delay", "0.2") as server:
        done = extract(source, out, server.url)
        assert len(server.entries("asked")) == 1
    assert (done.summary["ok"], done.summary["already_done"], done.summary["requests"]) == (4, 1, 1)
    assert sorted(rows(out, "calls", "attempts, prompt_tokens = 0")) == [(0, True)] * 3 + [(1, False)]
    check_sum(done.summary)


def test_two_runs_at_once_do_each_document_once_and_ask_for_it_once(
    tmp_path: Path, model_server: Callable, begin: Callable[..., Begun]
) -> None:
    source = invoices(tmp_path / "in", 24)
    with model_server("--delay", "0.3") as server:
        options = {"PAGEMILL_CONCURRENCY": "4", "PAGEMILL_SHARD_SIZE": "6", **server.environment}
        arguments = ("run", source, "--type", "invoice", "--out", tmp_path / "out", "--json")
        both = [begin(*arguments, **options) for _ in range(2)]
        ends = [(each.communicate(timeout=240), each.returncode) for each in both]
        asked = [each["body"]["messages"][-1]["content"] for each in server.entries("asked")]
    assert [code for _, code in ends] == [0, 0], ends
    summaries = [Finished(code, out, err).json for (out, err), code in ends]
    assert sum(summary["ok"] for summary in summaries) == 24
    assert len(asked) == len(set(asked)) == 24
    assert rows(tmp_path / "out", "documents", "count(*), count(distinct document_id)") == [(24, 24)]
    for summary in summaries:
        check_sum(summary)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["{in}", "--type", "invoice"], "OPENROUTER_API_KEY"),
        (["nowhere", "--type", "invoice", "--model", "offline"], "matches nothing"),
        (["{in}", "--type", "invoise", "--model", "offline"], "unknown type"),
        (["{in}", "--type", "broken.json", "--model", "offline"], "not JSON"),
        (["{in}", "--type", "wrong.json", "--model", "offline"], "not a valid JSON Schema"),
        (["{in}", "--type", "collides.json", "--model", "offline"], "share the column"),
        (["{in}", "--type", "invoice", "--model", "offline", "--concurrency", "0"], "--concurrency"),
        (["{in}", "--type", "invoice", "--model", "unlisted", "--budget", "1"], "PAGEMILL_PRICE_IN"),
    ],
    ids=["no key", "no source", "no type", "no json", "no schema", "collision", "bad flag", "no price"],
)
def test_wrong_usage_is_one_line_and_exit_2(
    tmp_path: Path, pagemill: Callable, arguments: list[str], says: str
) -> None:
    copies(tmp_path / "in", 1)
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "wrong.json").write_text('{"type": "objekt"}')
    (tmp_path / "collides.json").write_text(
        '{"type":"object","properties":{"a_b":{"type":"string"},"a":{"type":"object","properties":{"b":{"type":"string"}}}}}'
    )
    filled = [argument.replace("{in}", str(tmp_path / "in")) for argument in arguments]
    environment = {"PAGEMILL_BASE_URL": "http://127.0.0.1:9/v1"} if "unlisted" in arguments else {}
    done = pagemill("run", *filled, "--out", tmp_path / "out", cwd=tmp_path, **environment)
    assert done.code == 2
    assert says in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not (tmp_path / "out" / "documents").exists()


def test_an_output_of_another_type_or_no_dataset_is_refused(
    tmp_path: Path, pagemill: Callable, samples_out: dict
) -> None:
    source = copies(tmp_path / "in", 1)
    other = pagemill("run", source, "--type", "report", "--out", samples_out["invoices"], "--model", "offline")
    assert (other.code, "'invoice'" in other.err) == (2, True)
    foreign = pagemill("run", source, "--type", "invoice", "--out", tmp_path / "in", "--model", "offline")
    assert (foreign.code, "no Pagemill dataset" in foreign.err) == (2, True)
    (tmp_path / "file").write_text("x")
    blocked = pagemill("run", source, "--type", "invoice", "--out", tmp_path / "file" / "out", "--model", "offline")
    assert (blocked.code, "cannot be written" in blocked.err) == (2, True)


def test_limit_defers_and_the_next_run_goes_on(tmp_path: Path, offline_engine: object) -> None:
    source = invoices(tmp_path / "in", 5)
    request = RunRequest([str(source)], load_type("invoice"), tmp_path / "out", limit=2, quiet=True)
    first, second = run(offline_engine, request), run(offline_engine, request)
    assert (first.summary["ok"], first.summary["deferred"]) == (2, 3)
    assert (second.summary["already_done"], second.summary["ok"], second.summary["deferred"]) == (2, 2, 1)
    assert (first.exit_code, second.exit_code) == (0, 0)


def test_limit_counts_new_documents_and_not_those_that_are_found_to_be_done(
    tmp_path: Path, offline_engine: Engine
) -> None:
    with studio(tmp_path, offline_engine) as place:
        place.write("a0", "b0")
        place.run()
        place.write("c0", "d0", "e0")
        place.write_at("c1", "a0")  # known bytes at a new address
        source = [str(tmp_path / "in")]
        request = RunRequest(source, place.kind, place.out, limit=2, rehash=True, quiet=True)
        done = run(place.engine(shard_size=256), request).summary
        counts = {name: done[name] for name in ("discovered", "already_done", "ok", "deferred", "requests")}
        assert counts == {"discovered": 6, "already_done": 3, "ok": 2, "deferred": 1, "requests": 2}
        assert sorted(row[0] for row in rows(place.out, "documents", "file_name")) == [
            "a0.txt",
            "b0.txt",
            "c0.txt",
            "d0.txt",
        ]


def test_help_is_there_for_every_command(pagemill: Callable) -> None:
    for command in ("run", "try", "estimate", "show", "status", "types", "tour"):
        assert pagemill(command, "--help").code == 0


@pytest.mark.through_prefect
@pytest.mark.parametrize(
    "signal_number", [pytest.param(signal.SIGINT, marks=pytest.mark.whole_machine), signal.SIGTERM]
)
def test_a_run_told_to_stop_says_what_is_left_and_the_next_one_goes_on(
    tmp_path: Path, extract: Callable, model_server: Callable, begin: Callable[..., Begun], signal_number: int
) -> None:
    source = invoices(tmp_path / "in", 12)
    arguments = ("run", source, "--type", "invoice", "--out", tmp_path / "out", "--json")
    with model_server("--delay", "0.5") as server:
        options = {**server.environment, "PAGEMILL_CONCURRENCY": "2"}
        # One is a process as a shell starts it, and has a Prefect server of its own to end with.
        process = (begin if signal_number == signal.SIGTERM else start)(*arguments, **options)
        wait_until(lambda: server.count("asked") >= 6)
        process.send_signal(signal_number)
        out, err = process.communicate(timeout=180)
        assert process.returncode == 1
        assert "Traceback" not in err
        assert "run the same command again" in err
        summary = Finished(1, out, err).json
        check_sum(summary)
        assert summary["deferred"] > 0
        again = extract(source, tmp_path / "out", server.url, request_timeout=60.0)
        assert (again.exit_code, again.summary["ok"]) == (0, 12 - summary["ok"])
        assert len(server.entries("answered")) == 12  # what was in flight was waited for and kept


def test_a_run_that_is_terminated_does_not_wait_for_calls_that_hang(
    tmp_path: Path, extract: Callable, model_server: Callable, begin: Callable[..., Begun]
) -> None:
    source = invoices(tmp_path / "in", 6)
    with model_server("--delay", "0.3", "--hang-after", "4") as server:
        options = {**server.environment, "PAGEMILL_CONCURRENCY": "2", "PAGEMILL_GRACE": "1"}
        process = begin("run", source, "--type", "invoice", "--out", tmp_path / "out", "--json", **options)
        wait_until(lambda: server.count("asked") >= 6)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=120)  # the calls hang for as long as the server lives
        assert process.returncode == 1
        assert "Traceback" not in err
        summary = Finished(1, out, err).json
        check_sum(summary)
        assert (summary["ok"], summary["deferred"], summary["cut_calls"]) == (4, 2, 2)
    with model_server() as server:
        again = extract(source, tmp_path / "out", server.url, request_timeout=60.0)
        assert (again.exit_code, again.summary["ok"]) == (0, 2)


@pytest.mark.usefixtures("offline_engine")  # its cache has a database
@pytest.mark.whole_machine
@pytest.mark.through_prefect
def test_a_process_that_is_killed_leaves_none_of_ours_behind(tmp_path: Path, model_server: Callable) -> None:
    source = invoices(tmp_path / "in", 8)
    with model_server("--delay", "30") as server:
        process = start("run", source, "--type", "invoice", "--out", tmp_path / "out", **server.environment)
        wait_until(lambda: server.count("asked"))
        assert len(psutil.Process(process.pid).children(recursive=True)) >= 2  # the Prefect server and a split process
        assert kill(process)


@pytest.mark.parametrize(
    "is_time",
    [
        lambda out, asked: any((out / "_work" / "claims").glob("*")),  # the first document is being split
        lambda out, asked: asked >= 1,
        lambda out, asked: asked >= 5,
        pytest.param(lambda out, asked: asked >= 11, marks=pytest.mark.whole_machine),  # in the last shard
    ],
    ids=["starting", "first", "middle", "last"],
)
def test_a_whole_group_that_is_told_to_stop_defers_what_is_left_and_fails_nothing(
    tmp_path: Path, extract: Callable, model_server: Callable, begin: Callable[..., Begun], is_time: Callable
) -> None:
    source, out = invoices(tmp_path / "in", 12), tmp_path / "out"
    with model_server("--delay", "0.1") as server:
        options = {
            **server.environment,
            "PAGEMILL_CONCURRENCY": "2",
            "PAGEMILL_WORKERS": "1",
            "PAGEMILL_SHARD_SIZE": "4",
        }
        process = begin("run", source, "--type", "invoice", "--out", out, "--json", is_group=True, **options)
        wait_until(lambda: process.poll() is not None or is_time(out, server.count("asked")), every=0.002)
        assert process.poll() is None
        os.killpg(process.pid, signal.SIGTERM)  # as an init system ends a service
        out_said, err = process.communicate()
        assert "Traceback" not in err
        summary = Finished(1, out_said, err).json
        check_sum(summary)
        failures = read_dataset(out).rows("failures", ["error", "message"]).to_pylist()
        assert (process.returncode, failures) == (1, [])  # no document has lost an attempt
        assert (summary["failed"], summary["deferred"]) == (0, 12 - summary["ok"])
        assert summary["deferred"] > 0
        again = extract(source, out, server.url)
        assert (again.exit_code, again.summary["ok"]) == (0, 12 - summary["ok"])
    assert verify(out) == []
