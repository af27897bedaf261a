"""`pagemill status OUT --check`: every key, count, sum and checksum of a dataset, looked at without writing anything.

Each rule of `flows/storage/rules.py` is a query that finds the rows which break it. Tables of a shard are
looked at together, shard by shard, so that memory does not grow with the dataset; what must be unique in all of it is
looked at by its keys alone.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from flows.storage.backends.layout import STAGED
from flows.storage.backends.store import Out
from flows.storage.dataset import KEEPS_EARLIER_ATTEMPTS, Dataset, remedy
from flows.storage.open import read_dataset
from flows.storage.rules import EVERYWHERE, RULE_COLUMNS, Rules, located_columns, shard_rules
from flows.storage.run_ids import run_of
from flows.storage.staging import is_ready
from schemas.errors import DatasetError
from schemas.tables import LOG_TABLES, SHARD_TABLES

_HEAVY = {"text", "image", "response", "quote"}  # content that no rule looks at, beside its being readable
_OURS = {**SHARD_TABLES, **LOG_TABLES}


_SAID = ("correction_id", "document_id", "field", "new", "context")


@dataclass(frozen=True, slots=True)
class RuleViolation:
    """A rule that does not hold: where, what it says, how many rows break it, and the first of them."""

    table: str
    rule: str
    rows: int
    example: str


def verify(out: Out) -> list[RuleViolation]:
    """Findings against the dataset at `out`; none for a sound one."""
    dataset = read_dataset(out)
    found = [*_unreadable(dataset)]
    if found:
        return found  # the rules below would only repeat it
    located = located_columns(dataset)
    for shard in _shards(dataset):
        found += _of_shard(dataset, shard, located)
    return _merged([*found, *_of_all(dataset)])


def verify_lines(found: Sequence[RuleViolation], out: Out) -> list[str]:
    """`status --check` for people."""
    if not found:
        return [f"{out}: every key, count, sum and checksum holds"]
    return [f"{out}: {entry.table}: {entry.rule}: not so for {entry.rows:,}, first {entry.example}" for entry in found]


def _unreadable(dataset: Dataset) -> Iterator[RuleViolation]:
    """Files that cannot be read in full, checksums included, or whose schema is not the table's own."""
    for table, schema in dataset.tables.items():
        for shard in dataset.files(table):
            try:
                own = dataset.file_schema(table, shard)
                if not own.equals(schema):
                    advice = remedy(dataset.location, table, shard)
                    what = f"{dataset.location}/{table}/{shard}.parquet has other columns; {advice}"
                    yield RuleViolation(table, "every file has the table's schema", 1, what)
                    continue
                for _ in dataset.shard_batches(table, shard):
                    pass
            except DatasetError as error:
                yield RuleViolation(table, "every file can be read, and its checksums hold", 1, str(error))


def _shards(dataset: Dataset) -> list[str]:
    """Every shard, but for those that are being published: their `documents` come last."""
    tables = [name for name in dataset.tables if name not in LOG_TABLES and name not in KEEPS_EARLIER_ATTEMPTS]
    at_work = dataset.runs_at_work()
    found = {shard for table in tables for shard in dataset.files(table)}
    whole = set(dataset.files("documents"))
    return sorted(shard for shard in found if shard in whole or run_of(shard) not in at_work)


def _of_shard(dataset: Dataset, shard: str, located: Mapping[str, Collection[str]]) -> Iterator[RuleViolation]:
    names = ["documents", "pages", "figures", "evidence", "checks", *dataset.record_tables]
    before = _columns(dataset, "corrections", _SAID)
    tables = {name: _light(dataset, name, shard) for name in names}
    after = _columns(dataset, "corrections", _SAID)
    last = pc.max(before.column("correction_id")).as_py() or 0
    newer = after.filter(pc.greater(after.column("correction_id"), last))
    corrected_meanwhile = newer.column("document_id").combine_chunks()
    unchanged = before.filter(pc.invert(pc.is_in(before.column("document_id"), value_set=corrected_meanwhile)))
    yield from _broken({**tables, "corrections": unchanged}, shard_rules(dataset, located, tables))


def _of_all(dataset: Dataset) -> Iterator[RuleViolation]:
    live, moving = dataset.runs_at_work(), _being_moved(dataset)
    tables = {name: _columns(dataset, name, columns) for name, columns in RULE_COLUMNS.items()}
    live |= dataset.runs_at_work()  # what begins or ends meanwhile, too
    moving |= _being_moved(dataset)
    tables["forgotten"] = pa.table({"id": pa.array(sorted(dataset.forgotten_ids()), pa.string())})
    tables["live"] = pa.table({"run_id": pa.array(sorted(live), pa.string())})
    tables["moving"] = pa.table({"name": pa.array(sorted(moving), pa.string())})
    tables["measured"] = pa.table({"first": pa.array([_first_measured(dataset, tables["quality"])], pa.string())})
    yield from _broken(tables, EVERYWHERE)


def _being_moved(dataset: Dataset) -> set[str]:
    """The staging that is READY: its files are being moved, or wait for recovery to do it."""
    return {name for name in dataset.store.names(STAGED) if is_ready(dataset, name)}


def _columns(dataset: Dataset, table: str, columns: Sequence[str]) -> pa.Table:
    """Columns of a whole table; what a dataset of an older Pagemill does not have is null."""
    schema = _OURS[table]
    stated = dataset.tables.get(table)
    if stated is None:
        return pa.schema([schema.field(name) for name in columns]).empty_table()
    rows = dataset.rows(table, [name for name in columns if name in stated.names])
    for name in columns:
        if name not in stated.names:
            rows = rows.append_column(name, pa.nulls(rows.num_rows, schema.field(name).type))
    return rows


def _first_measured(dataset: Dataset, quality: pa.Table) -> str | None:
    """The first run that owes rows of `quality`; of a dataset that was born with the table, every run does."""
    tables = list(dataset.tables)  # one that is added to a dataset stands after `documents`, the last to be born
    if "quality" in tables and tables.index("quality") < tables.index("documents"):
        return ""
    first: str | None = pc.min(quality.column("run_id")).as_py()
    return first


def _broken(tables: Mapping[str, pa.Table], rules: Rules) -> Iterator[RuleViolation]:
    with duckdb.connect(config={"enable_external_access": "false", "threads": 2}) as connection:
        for name, table in tables.items():
            connection.register(name, table)
        for (table, rule), query in rules.items():
            count, example = connection.execute(f"select count(*), min(q::text) from ({query}) as t(q)").fetchall()[0]
            if count:
                yield RuleViolation(table, rule, count, str(example))


def _light(dataset: Dataset, table: str, shard: str) -> pa.Table:
    names = [field.name for field in dataset.tables[table] if field.name not in _HEAVY]
    schema = pa.schema([dataset.tables[table].field(name) for name in names])
    return pa.Table.from_batches([batch.select(names) for batch in dataset.shard_batches(table, shard)], schema)


def _merged(found: Sequence[RuleViolation]) -> list[RuleViolation]:
    """One finding a rule, over all shards."""
    merged: dict[tuple[str, str], RuleViolation] = {}
    for entry in found:
        known = merged.get((entry.table, entry.rule))
        rows = entry.rows + (known.rows if known else 0)
        merged[entry.table, entry.rule] = RuleViolation(
            entry.table, entry.rule, rows, known.example if known else entry.example
        )
    return list(merged.values())
