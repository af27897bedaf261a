"""The whole command killed again and again: nothing lost, nothing doubled, nothing journaled asked for twice."""

import collections
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.conftest import SAMPLES, start
from tests.support.everywhere import read_everywhere
from tests.support.killing import kill
from tests.support.outcomes import journaled, request_id
from tests.support.waiting import wait_until

KILLS = int(os.environ.get("PAGEMILL_TEST_KILLS", "3"))  # each takes seconds


def forty_copies(folder: Path) -> Path:
    """Forty documents made of the samples, no two of which ask for the same: the invoice number differs."""
    import pymupdf

    folder.mkdir()
    samples = sorted((SAMPLES / "invoices").glob("*.pdf"))
    for number in range(40):
        with pymupdf.open(samples[number % len(samples)]) as document:
            for page in document:
                page.insert_text((300, 20), f"Copy {number:02d}", fontsize=8)
            document.save(folder / f"copy{number:02d}.pdf")
    return folder


@pytest.mark.whole_machine
@pytest.mark.through_prefect
def test_kills_of_the_command_lose_and_double_nothing(
    tmp_path: Path, model_server: Callable, offline_engine: Any
) -> None:
    source, out = forty_copies(tmp_path / "in"), tmp_path / "out"
    chance = random.Random(1)
    kills = 0
    with model_server("--delay", "0.25") as server:
        options = {**server.environment, "PAGEMILL_CONCURRENCY": "2", "PAGEMILL_SHARD_SIZE": "5"}
        arguments = ("run", source, "--type", "invoice", "--out", out, "--json")
        kept: set[tuple[str, str]] = set()
        shared = {"PREFECT_API_URL": offline_engine.server.url()}
        for number in range(KILLS):
            asked_before = server.count("asked")
            # Every fourth starts a Prefect server of its own, which takes seconds, and takes it along.
            process = start(*arguments, **options, **(shared if number % 4 else {}))
            wait_until(lambda: process.poll() is not None or server.count("asked") > asked_before)
            time.sleep(chance.uniform(0.0, 1.2))
            kills += kill(process)
            assert kept <= journaled(out)
            asked = server.entries("asked")
            assert not {request for _, request in kept} & {request_id(each["body"]) for each in asked[asked_before:]}
            kept = journaled(out)
            read_everywhere(out)
        last = start(*arguments, **options, **shared)
        _, stderr = last.communicate(timeout=240)
        assert last.returncode == 0, stderr
        answered = collections.Counter(request_id(entry["body"]) for entry in server.entries("answered"))
        again = {request_id(each["body"]) for each in server.entries("asked")[len(asked) :]}
        assert not {request for _, request in kept} & again
    assert kills >= 0.8 * KILLS
    assert duckdb.sql(f"select count(*), count(distinct document_id) from '{out}/documents/*.parquet'").fetchall() == [
        (40, 40)
    ]
    assert duckdb.sql(
        f"select count(*) from (select document_id, request_id from '{out}/calls/*.parquet' group by 1, 2 having count(*) > 1)"
    ).fetchall() == [(0,)]
    # Twice is only what was in flight at a kill: answered, but not yet on disk.
    assert sum(count - 1 for count in answered.values()) <= kills * 2
    calls = duckdb.sql(f"select count(*) from '{out}/calls/*.parquet'").fetchall()[0][0]
    assert calls == len(answered)
    runs = duckdb.sql(
        f"select discovered, already_done + skipped + ok + partial + failed + deferred from '{out}/runs/*.parquet'"
    ).fetchall()
    assert len(runs) >= kills
    assert all(discovered == parts for discovered, parts in runs)
    shutil.rmtree(out)
