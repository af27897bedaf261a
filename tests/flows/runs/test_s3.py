"""OUT on an S3-compatible store, from the command line: the same datasets as on disk."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from flows import cli
from flows.storage.open import read_dataset
from tests.conftest import SAMPLES
from tests.flows.storage.places import Place, bucket


def test_run_status_and_replay_work_on_a_url(
    tmp_path: Path, s3_server: str, pagemill: Callable, samples_out: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    url = bucket(s3_server)
    source = ("run", SAMPLES / "invoices", "--type", "invoice", "--out", url, "--model", "offline", "--json")
    done = pagemill(*source)
    assert done.code == 0, done.err
    assert done.json["ok"] + done.json["partial"] == done.json["discovered"] == 5
    assert cli.main(["status", url, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["documents"] == 5
    here, there = read_dataset(url), read_dataset(samples_out["invoices"])
    assert set(here.tables) == set(there.tables)
    for table in ("invoice", "invoice_line_items", "evidence", "checks", "pages"):
        columns = [name for name in here.tables[table].names if name != "extracted_at"]
        rows = [sorted(map(str, each.rows(table, columns).to_pylist())) for each in (here, there)]
        assert rows[0] == rows[1], table
    assert cli.main(["refresh", url, "--replay", "--model", "offline", "--json"]) == 0
    replayed = json.loads(capsys.readouterr().out)
    assert (replayed["refreshed"], replayed["changed"], replayed["kept"]) == (5, 0, [])
    files = Place("s3", tmp_path, url).files()
    left = sorted(path.relative_to(files).as_posix() for path in (files / "_work").rglob("*") if path.is_file())
    assert [name for name in left if "/claims/" not in name] == [
        "_work/dataset.json",
        "_work/ignored.json",
        "_work/lock",
    ]


@pytest.mark.parametrize(
    ("out", "complaint"),
    [("s3://no-such-bucket/x", "cannot be written"), ("gs://bucket/x", "s3://bucket/prefix"), ("s3://", "s3://bucket")],
)
def test_a_place_that_cannot_be_used_is_refused(
    s3_server: str, out: str, complaint: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code = cli.main(["run", str(SAMPLES / "invoices"), "--type", "invoice", "--out", out, "--model", "offline"])
    told = capsys.readouterr().err
    assert code == 2
    assert complaint in told
    assert out.rstrip("/") in told
