"""Runs against an endpoint that fails: nothing lost, nothing paid twice, nobody hammered, no key anywhere.

`benchmarks/ask.py` has the same at full size.
"""

import collections
import json
import os
import pty
import select
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from flows.model.rate_limits import BURST
from flows.preview.estimate import estimate
from flows.settings import load_settings
from flows.type_loader import load_type
from schemas.errors import ConfigurationError
from tests.conftest import start
from tests.support.answering import Reply
from tests.support.archives import invoices
from tests.support.commands import Begun
from tests.support.database import placed
from tests.support.fault_server import started
from tests.support.outcomes import check_sum, rows
from tests.support.scripted import scripted
from tests.support.waiting import wait_until

RIGHT = {None, "fenced", "parts", "usage"}  # kinds whose answer says everything
QUICK = {"PAGEMILL_BACKOFF": "0.02", "PAGEMILL_REQUEST_TIMEOUT": "3"}


def test_a_hundred_documents_come_through_every_kind_of_fault(tmp_path: Path, extract: Callable) -> None:
    source, out = invoices(tmp_path / "in", 100), tmp_path / "out"
    with started(tmp_path / "log", "--faults", 0.4, "--seed", 7, "--hang", 1) as server:
        done = extract(source, out, server.url)
        log = server.entries("asked", "answered")
    assert (done.exit_code, done.stopped) == (0, None)
    assert done.summary["ok"] + done.summary["partial"] == 100
    assert done.summary["ok"] >= 90
    assert rows(out, "documents", "count(distinct document_id)") == [(100,)]
    assert rows(out, "calls", "count(*) - count(distinct (document_id, request_id))") == [(0,)]
    answered: set[str] = set()
    for entry in log:
        if entry["event"] == "answered" and entry["kind"] in RIGHT:
            answered.add(entry["request"])
        elif entry["event"] == "asked":
            assert entry["request"] not in answered  # what was answered well is asked for no more


def test_a_faithful_endpoint_is_paid_for_each_request_once(tmp_path: Path, extract: Callable) -> None:
    source, out = invoices(tmp_path / "in", 40), tmp_path / "out"
    with started(tmp_path / "log") as server:
        settings = load_settings(base_url=server.url)
        estimated = estimate([str(source)], load_type("invoice"), settings, exact=True)
        done = extract(source, out, server.url)
        billed = sum(entry["prompt_tokens"] for entry in server.entries("billed"))
    assert (done.exit_code, done.summary["ok"], done.summary["cut_calls"]) == (0, 40, 0)
    assert billed == estimated["prompt_tokens"] == done.summary["prompt_tokens"]
    assert done.summary["cost_usd_estimated"] == pytest.approx(estimated["cost_usd"])
    assert done.summary["cost_usd"] > 0


@pytest.mark.through_prefect
def test_an_endpoint_without_room_for_a_while_costs_few_calls_and_no_document(
    tmp_path: Path, extract: Callable, cache_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = invoices(tmp_path / "in", 40), tmp_path / "out"
    with started(tmp_path / "log", "--only-429-for", 4) as server:
        done = extract(source, out, server.url, backoff=0.3)
        asked = len(server.entries("asked"))
    assert (done.exit_code, done.summary["ok"]) == (0, 40)
    assert asked < 3 * 40
    said = capsys.readouterr().err
    assert "does not answer" in said
    assert "answers again" in said
    with sqlite3.connect(cache_dir / "prefect" / "prefect.db") as database:
        states = database.execute(
            "select s.name from flow_run_state s join flow_run r on r.id = s.flow_run_id where r.name = ? order by s.timestamp",
            (done.summary["run_id"],),
        ).fetchall()
    assert ("AwaitingEndpoint",) in states
    assert states[-1] == ("Completed",)


def test_an_endpoint_that_hangs_for_good_stops_the_run_within_the_patience(tmp_path: Path, extract: Callable) -> None:
    source, out = invoices(tmp_path / "in", 6), tmp_path / "out"
    with started(tmp_path / "log", "--faults", 1, "--kinds", "hang", "--hang", 3600) as server:
        done = extract(source, out, server.url, request_timeout=0.5, patience=2.0)
    assert (done.exit_code, done.summary["deferred"], done.summary["failed"]) == (1, 6, 0)
    assert done.summary["cut_calls"] > 0  # a call ends after 0.5 s, the patience after 2 s, the server's hour never
    assert "PAGEMILL_PATIENCE" in str(done.stopped)
    with started(tmp_path / "log2") as server:
        again = extract(source, out, server.url)
    assert (again.exit_code, again.summary["ok"]) == (0, 6)


def test_a_wrong_key_is_one_call_whatever_the_concurrency(tmp_path: Path, extract: Callable) -> None:
    source = invoices(tmp_path / "in", 20)
    with started(tmp_path / "log", "--key", "another") as server:
        done = extract(source, tmp_path / "out", server.url)
        assert len(server.entries("asked")) == 1
    assert (done.exit_code, done.summary["deferred"]) == (2, 20)
    assert "PAGEMILL_API_KEY" in str(done.stopped)


def test_what_is_no_endpoint_stops_the_run_soon(tmp_path: Path, extract: Callable) -> None:
    source = invoices(tmp_path / "in", 3)
    for reply in (Reply(b"<html>Welcome</html>"), Reply(b"", 307, {"Location": "http://127.0.0.1:1/"})):
        with scripted([reply]) as server:
            done = extract(source, tmp_path / "out", server.url)
        assert done.exit_code == 2
        assert len(server.asked) <= 3
        assert "PAGEMILL_BASE_URL" in str(done.stopped)


def test_a_first_document_that_always_breaks_holds_up_nobody(
    tmp_path: Path, extract: Callable, model_server: Callable
) -> None:
    source, out = invoices(tmp_path / "in", 12), tmp_path / "out"
    with model_server("--broken", "INV-0000") as server:
        done = extract(source, out, server.url, backoff=0.02)
    assert (done.exit_code, done.summary["ok"], done.summary["failed"]) == (1, 11, 1)
    ((uri, message),) = rows(out, "failures", "source_uri, message")
    assert uri.endswith("invoice000.pdf")
    assert "out of order" in message
    assert "canary-key" not in message


def test_a_budget_holds_by_the_servers_own_bill_with_many_calls_in_flight_and_calls_cut(
    tmp_path: Path, extract: Callable
) -> None:
    source, out = invoices(tmp_path / "in", 100), tmp_path / "out"
    faults = ("--faults", 0.15, "--kinds", "hang,reset,drip", "--hang", 0.5, "--seed", 3)
    with started(tmp_path / "log", *faults, "--price-in", 15, "--price-out", 15, "--latency", 0.1) as server:
        done = extract(
            source, out, server.url, budget=0.40, concurrency=32, price_in=15.0, price_out=15.0, max_output=512
        )
        bill = server.bill()
    assert done.exit_code == 3
    assert bill["cost"] <= done.summary["cost_usd"] + 1e-9  # what we count is never less than what is billed
    assert done.summary["cost_usd"] <= 0.40
    assert bill["cost"] > 0.25  # it is used, not only kept
    assert bill["by_kind"].keys() & {"hang", "reset", "drip"}
    assert done.summary["cut_calls"] > 0
    check_sum(done.summary)
    assert done.summary["deferred"] > 0


def test_a_document_that_one_model_cannot_answer_goes_to_the_next(
    tmp_path: Path, extract: Callable, model_server: Callable
) -> None:
    source, out = invoices(tmp_path / "in", 3), tmp_path / "out"
    with model_server("--prose-for", "first") as server:
        done = extract(source, out, server.url, model="first", fallback_models="second,third")
        models = collections.Counter(entry["body"]["model"] for entry in server.entries("answered"))
    assert (done.exit_code, done.summary["ok"]) == (0, 3)
    assert rows(out, "documents", "distinct model") == [("second",)]
    assert models["second"] == 3
    assert "third" not in models
    assert rows(out, "recipes", "model") == [("first,second,third",)]
    assert rows(out, "calls", "count(distinct model)") == [(2,)]


def test_a_costly_run_without_a_budget_asks_first(
    tmp_path: Path, extract: Callable, begin: Callable[..., Begun]
) -> None:
    source, out = invoices(tmp_path / "in", 5), tmp_path / "out"
    prices = {"PAGEMILL_PRICE_IN": "5000", "PAGEMILL_PRICE_OUT": "5000"}
    arguments = ("run", source, "--type", "invoice", "--out", out, "--json")
    with started(tmp_path / "log") as server:
        with pytest.raises(ConfigurationError, match=r"about \$.*--budget"):
            extract(source, out, server.url, price_in=5_000.0, price_out=5_000.0)
        assert asked_at_a_terminal(begin, "n\n", *arguments, **prices, **server.environment) == 2
        assert server.entries("asked") == []
        assert asked_at_a_terminal(begin, "y\n", *arguments, **prices, **server.environment) == 0
        assert len(server.entries("asked")) == 5
        capped = extract(source, tmp_path / "capped", server.url, budget=1_000.0, price_in=5_000.0, price_out=5_000.0)
        assert capped.exit_code == 0


def asked_at_a_terminal(begin: Callable[..., Begun], answer: str, *arguments: object, **environment: str) -> int:
    """The exit code of a command whose question somebody answers at a terminal."""
    ours, theirs = pty.openpty()
    process = begin(*arguments, terminal=os.ttyname(theirs), **environment)
    said = b""
    while b"Go on?" not in said:
        wait_until(lambda: select.select([ours], [], [], 0.1)[0] or process.poll() is not None)
        assert process.poll() is None, said
        said += os.read(ours, 4096)
    os.close(theirs)  # the command has it open
    os.write(ours, answer.encode())
    try:
        while os.read(ours, 4096):
            pass
    except OSError:
        pass  # the other end is closed: the command has ended
    os.close(ours)
    return process.wait(timeout=120)


def test_a_rate_that_was_set_is_kept(tmp_path: Path, extract: Callable, cache_dir: Path) -> None:
    source, out = invoices(tmp_path / "in", 16), tmp_path / "out"
    with started(tmp_path / "log") as server:
        began = time.time()
        done = extract(source, out, server.url, rpm=120, model="a-model-of-this-test")
        ended = time.time()
        asked = len(server.entries("asked"))
    assert (done.exit_code, asked) == (0, 16)
    # A burst of six seconds is twelve calls; the sixteenth waits for the three before it, half a second each. However slow the
    # machine, none of this takes less.
    assert ended - began >= 3 / 2
    (owed,) = [each for each in map(requests_owed, (cache_dir / "limits").glob("*.json")) if each >= began + 16 / 2]
    assert owed <= ended + BURST + 1 / 2


def requests_owed(path: Path) -> float:
    """The time at which all calls that were made are within the rate."""
    return float(json.loads(path.read_text()).get("requests", 0.0))


@pytest.mark.whole_machine
@pytest.mark.through_prefect
def test_the_key_is_nowhere(tmp_path: Path, model_server: Callable, prefect_database: Path) -> None:
    source, out = invoices(tmp_path / "in", 4), tmp_path / "out"
    home, cache = tmp_path / "home", tmp_path / "cache"
    home.mkdir()
    placed(prefect_database, cache)
    key = "sk-canary-5f1e7c"
    said = ""
    commands = (
        ("run", source, "--type", "invoice", "--out", out),
        ("check",),
        ("try", source / "invoice001.pdf", "--type", "invoice"),
    )
    for options in (("--broken", "INV-0001", "--refuse", "INV-0002"), ("--status", "401")):
        with model_server(*options) as server:
            environment = {
                **server.environment, **QUICK, "PAGEMILL_API_KEY": key, "HOME": str(home),
                "PAGEMILL_CACHE_DIR": str(cache), "PAGEMILL_PATIENCE": "1", "PREFECT_HOME": str(home / "prefect"),
            }  # fmt: skip
            for command in commands if options[0] == "--broken" else commands[:1]:
                process = start(*command, **environment)
                output, errors = process.communicate(timeout=120)
                assert process.returncode in {0, 1, 2}
                said += output + errors
            assert any(each["authorization"] == f"Bearer {key}" for each in server.entries("asked"))
    files = [path for folder in (out, home, cache) for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == "prefect.db" for path in files)
    holding = [path for path in files if key.encode() in path.read_bytes()]
    assert holding == []
    assert key not in said
    assert "Traceback" not in said
    for table in ("calls", "failures", "recipes", "runs", "sources"):  # compressed, so that bytes alone do not tell
        assert key not in str(duckdb.sql(f"from '{out}/{table}/*.parquet'").fetchall())
