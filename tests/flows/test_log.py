"""Lines on standard error: text as ever, or one JSON object each, whatever happens to the command."""

import datetime
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from flows import cli
from flows.log import LOG, note, say
from flows.model.outage_notice import OutageNotice
from flows.ui.progress import ProgressLine
from tests.conftest import SAMPLES, Finished


def objects(text: str) -> list[dict]:
    """The lines of standard error, each an object with its time, its event and its text."""
    found = [json.loads(line) for line in text.splitlines()]
    for each in found:
        assert list(each)[:3] == ["at", "event", "text"]
        assert datetime.datetime.fromisoformat(each["at"]).tzinfo is not None
    return found


@pytest.fixture
def as_json() -> object:
    LOG.use("json")
    yield None
    LOG.use(None)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(SAMPLES / "invoices" / "harrow_finch.pdf", folder)
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    return folder


def test_a_run_and_a_refresh_tell_all_they_tell_as_objects(
    archive: Path, tmp_path: Path, pagemill: Callable[..., Finished]
) -> None:
    out = tmp_path / "out"
    done = pagemill(
        "run", archive, "--type", "invoice", "--out", out, "--model", "offline", "--log-format", "json", "--json",
        PAGEMILL_API_KEY="canary-key",
    )  # fmt: skip
    assert done.code == 1
    told = objects(done.err)
    told = [each for each in told if each["event"] != "progress"]  # a slow machine tells of it
    assert [each["event"] for each in told] == ["begin", "end"]
    assert told[0]["run_id"] == told[1]["run_id"] == done.json["run_id"]
    figures = {name: told[1][name] for name in ("discovered", "ok", "failed", "cost_usd", "requests")}
    assert figures == {"discovered": 2, "ok": 1, "failed": 1, "cost_usd": 0.0, "requests": done.json["requests"]}
    assert "canary-key" not in done.err
    again = pagemill(
        "refresh", out, "--all", "--document", "harrow_finch.pdf", "--model", "offline", PAGEMILL_LOG_FORMAT="json"
    )
    assert again.code == 0
    assert [each["event"] for each in objects(again.err)][-1:] == ["end"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "nosuch", "--type", "invoice", "--out", "OUT", "--model", "offline"],
        ["run", "nosuch", "--type", "invoice", "--no-such-flag"],
        ["run", "nosuch", "--type", "invoice", "--out", "OUT", "--model", "offline", "--concurrency", "0"],
        ["status", "nosuch"],
        ["status"],
    ],
)
def test_what_is_wrong_is_an_object_too(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGEMILL_LOG_FORMAT", "json")
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 2
    (told,) = objects(capsys.readouterr().err)
    assert told["event"] == "complaint"
    assert not told["text"].startswith("pagemill:")


def test_the_flag_holds_for_errors_of_other_flags(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for flag in (["--log-format", "json"], ["--log-format=json"]):
        assert cli.main(["run", "x", *flag, "--no-such-flag"]) == 2
        objects(capsys.readouterr().err)
    assert cli.main(["run", "x", "--type", "invoice", "--out", str(tmp_path), "--log-format", "xml"]) == 2
    assert "xml" in capsys.readouterr().err


def test_without_it_lines_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "/nosuch"]) == 2
    assert capsys.readouterr().err.startswith("pagemill: /nosuch is no Pagemill dataset")
    say("a line", "event", documents=3)
    note("stands on standard output", "end")
    assert capsys.readouterr().err == "a line\n"


def test_a_setting_that_is_no_format_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGEMILL_LOG_FORMAT", "xml")
    assert cli.main(["check", "--model", "offline"]) == 2
    assert "PAGEMILL_LOG_FORMAT" in capsys.readouterr().err


def test_progress_is_an_object_with_its_figures(
    as_json: object, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.ui.progress._PLAIN_EVERY", 0.0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with ProgressLine(10) as line:
        line.update(3, 7, 0.25)
    (told,) = objects(capsys.readouterr().err)
    figures = {"documents": 3, "total": 10, "pages": 7, "cost_usd": 0.25}
    assert {name: told[name] for name in ("event", *figures)} == {"event": "progress", **figures}


def test_an_outage_is_an_object(as_json: object, capsys: pytest.CaptureFixture[str]) -> None:
    OutageNotice("model.example", 60.0, quiet=False)._say("model.example does not answer")
    (told,) = objects(capsys.readouterr().err)
    assert told["event"] == "endpoint"


def test_text_of_others_stays_on_one_line(as_json: object, capsys: pytest.CaptureFixture[str]) -> None:
    say('a "name"\nwith lines\x1b[31m\u2028', "note")
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["text"] == 'a "name"\nwith lines\x1b[31m\u2028'


def test_a_name_of_a_file_cannot_command_the_terminal(capsys: pytest.CaptureFixture) -> None:
    say("in/\x1b[31m\x07\u202egpj.pdf cannot be read: no page")
    assert capsys.readouterr().err == "in/\ufffd[31m\ufffd\ufffdgpj.pdf cannot be read: no page\n"


def test_a_line_is_a_record_of_the_standard_library(caplog: pytest.LogCaptureFixture) -> None:
    import logging

    logger = logging.getLogger("pagemill")
    logger.addHandler(caplog.handler)
    try:
        say("the endpoint answers again", "endpoint", seconds=3)
    finally:
        logger.removeHandler(caplog.handler)
    (record,) = caplog.records
    assert (record.levelname, record.getMessage(), record.event) == ("INFO", "the endpoint answers again", "endpoint")
