"""A correction killed at every step, and at every step of its recovery: never half of it, and told once."""

import datetime
import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from extractors.parse.parse import parse
from extractors.tabulate.tabulate import record_batches
from flows.review.correct import correct
from flows.storage.dataset_spec import spec_of
from flows.storage.publish import publish
from schemas.document_types import DOCUMENT_TYPES
from schemas.step_data import Record
from tests.flows.storage.places import Place, names
from tests.support.everywhere import read_everywhere
from tests.support.kill_steps import Attempt, attempts_of, killing_steps, steps_to_kill
from tests.support.shards import recovered

INVOICE = DOCUMENT_TYPES["invoice"]
SHARD = "20250101T000000-000000-00000"
AT = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
FIRST = f"{1:064d}"


def born(place: Place) -> None:
    """A dataset with two invoices."""
    dataset = place.open(spec_of(INVOICE))
    held: dict[str, list[pa.RecordBatch]] = {}
    for number in (1, 2):
        value = parse('{"number": "%d", "gross_total": 5, "line_items": [{"amount": 5}]}' % number, INVOICE.root).value
        record = Record(value, (), (), "partial", True, 1, 1, {"/line_items/0": 1})
        facts = {
            "document_id": f"{number:064d}",
            "file_name": f"{number}.pdf",
            "pages": 1,
            "run_id": "r",
            "recipe_id": "r",
            "extracted_at": AT,
        }
        for table, batches in record_batches(record, facts, INVOICE).items():
            held.setdefault(table, []).extend(batches)
    publish(dataset, SHARD, held)


def child_steps(place: Place) -> None:
    """A command that corrects one value of the first document, and ends."""
    dataset = place.open(spec_of(INVOICE))
    number = len(list(attempts_of(place).glob("*")))
    correct(dataset, INVOICE, FIRST, "/line_items/0/amount", "7", by="ada", session=f"20260101T0000{number:02d}-abcdef")


@pytest.fixture
def attempt() -> Iterator[Attempt]:
    with killing_steps(__file__, ("prefect", "openai")) as call:
        yield call


def state(root: Path) -> str:
    """`old` or `new`, once every table says the same, and the log and the changes each tell it once."""

    def select(table: str, what: str, where: str) -> list[tuple]:
        return duckdb.sql(f"select {what} from '{root}/{table}/*.parquet' where {where}").fetchall()

    mine = f"document_id = '{FIRST}'"
    found = (
        select("invoice_line_items", "amount::int", mine)[0][0],
        select("invoice", "corrected_fields", mine)[0][0],
        len(select("evidence", "1", f"{mine} and match = 'corrected' and value = '7'")),
        len(select("documents", "1", f"{mine} and extracted is not null")),
        select("corrections", "correction_id, old, new", "true"),
        select("changes", "field, old, new", "kind = 'corrected'"),
    )
    field = "/line_items/0/amount"
    states = {
        "old": (5, [], 0, 0, [], []),
        "new": (7, [field], 1, 1, [(1, "5", "7")], [(field, "5", "7")]),
    }
    (said,) = [name for name, expected in states.items() if found == expected] or [str(found)]
    assert said in states, found
    assert select("invoice_line_items", "amount::int", f"not {mine}") == [(5,)]
    return said


@pytest.mark.whole_machine
@pytest.mark.parametrize("kind", ["disk", "folder"])
def test_a_kill_at_any_step_leaves_all_of_a_correction_or_nothing(
    quick_path: Path, attempt: Attempt, kind: str
) -> None:
    born(Place(kind, quick_path / "old"))
    shutil.copytree(quick_path / "old", quick_path / "whole")
    steps = int(attempt(Place(kind, quick_path / "whole"), 0))
    assert steps > 20
    assert state(quick_path / "whole") == "new"
    seen = []
    for kill_at in steps_to_kill(steps):
        root = quick_path / f"killed-{kill_at}"
        place = Place(kind, root)
        shutil.copytree(quick_path / "old", root)
        assert attempt(place, kill_at) == "killed"
        if kind == "disk":
            read_everywhere(root, ("invoice", "documents", "changes", "corrections"))
        recovered(place)
        for folder in ("staged", "leases"):
            assert names(root, folder) == [], kill_at
        seen.append(state(root))
        shutil.rmtree(root)
    assert [said for said, _ in itertools.groupby(seen)] == ["old", "new"]  # once it is READY, nothing takes it back
