"""The incremental load of docs/warehouse.md, run as it stands there: afterwards the warehouse is the dataset."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from flows.runs.forget import forget
from flows.runs.resources import Engine
from flows.settings import load_settings
from flows.storage.find import find_documents
from flows.storage.open import read_dataset
from tests.conftest import ROOT
from tests.support.painted import Studio, answer, studio

# Who made a row, and when: `changes` does not tell that a document was made anew and says the same.
MADE_BY = [
    "run_id",
    "recipe_id",
    "extracted_at",
    "seconds",
    "requests",
    "prompt_tokens",
    "completion_tokens",
    "cost_usd",
]
TABLES = ["documents", "paint", "paint_layers", "evidence"]


@pytest.fixture
def place(tmp_path: Path, offline_engine: Engine) -> Iterator[Studio]:
    with studio(tmp_path, offline_engine) as opened:
        yield opened


@pytest.fixture
def load() -> Callable[[str, str, list[str]], int]:
    """The function that the page shows, without the call that it ends with."""
    (block,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "warehouse.md").read_text(encoding="utf-8"), re.DOTALL
    )
    names: dict[str, object] = {}
    exec(block.partition("\nchanged = ")[0], names)
    return names["load"]


def test_the_warehouse_is_the_dataset_after_every_kind_of_change(place: Studio, load: Callable) -> None:
    warehouse, by_making = place.root / "warehouse.duckdb", place.model.tells

    def loaded() -> int:
        changed = load(str(warehouse), str(place.out), TABLES)
        with duckdb.connect(str(warehouse), read_only=True) as db:
            for table in TABLES:
                said = "*" if table == "evidence" else f"columns(lambda each: each not in {MADE_BY})"
                there = duckdb.sql(f"select {said} from '{place.out}/{table}/*.parquet' order by all").fetchall()
                assert db.sql(f"select {said} from {table} order by all").fetchall() == there, table
                assert there
        return changed

    place.write("a0", "b0", "c0", "d0", "e0")
    place.run()
    assert loaded() == 5
    assert loaded() == 0
    place.making += 1
    place.refresh(documents=["a0.txt", "b0.txt"])
    assert loaded() == 2
    place.write_at("c0", "c0v2")
    place.write("f0")
    assert place.run()["superseded"] == 1
    assert loaded() == 3  # the old version, the new one, and another
    forget(place.out, find_documents(read_dataset(place.out), ["d0.txt"], None), load_settings())
    assert loaded() == 1
    place.making += 1  # made anew, and the same but for what is missing
    place.model.tells = None
    place.model.says = answer("e0", 1) | {"colour": None}
    place.refresh(documents=["e0.txt"])
    assert loaded() == 1
    place.making += 1
    place.refresh(documents=["e0.txt"])
    assert loaded() == 0
    place.making += 1  # as null as before, but now since no text was given
    place.model.says["colour"] = {"not": "a text"}
    assert place.refresh(documents=["e0.txt"]).changed == 0
    assert loaded() == 1
    place.model.tells = by_making
    # several changes between two loads, of one document, too
    place.making += 1
    place.refresh(documents=["a0.txt"])
    forget(place.out, find_documents(read_dataset(place.out), ["a0.txt", "f0.txt"], None), load_settings())
    place.write("g0")
    place.run()
    assert loaded() == 3


def test_a_load_that_fails_on_the_way_is_made_again(place: Studio, load: Callable) -> None:
    warehouse = place.root / "warehouse.duckdb"
    place.write("a0", "b0")
    place.run()
    with pytest.raises(duckdb.Error):
        load(str(warehouse), str(place.out), [*TABLES, "recipes"])  # which has no document_id
    with duckdb.connect(str(warehouse), read_only=True) as db:
        assert db.sql("select count(*) from documents").fetchall() == [(0,)]
    assert load(str(warehouse), str(place.out), TABLES) == 2
    with duckdb.connect(str(warehouse), read_only=True) as db:
        assert db.sql("select count(*) from documents").fetchall() == [(2,)]
