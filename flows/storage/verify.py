"""`pagemill status OUT --check`: check of all keys, counts, sums and checksums of a dataset, without writing anything.

Each rule of `flows/storage/rules.py` is a query of the rows that break it. The tables of a shard are checked together, shard by
shard, so that memory does not grow with the dataset; rules over the whole dataset read keys only.
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

_HEAVY = {"text", "image", "response", "quote"}  # content that is only checked for being readable
_SCHEMAS = {**SHARD_TABLES, **LOG_TABLES}


_CORRECTED = ("correction_id", "document_id", "field", "new", "context")


@dataclass(frozen=True, slots=True)
class RuleViolation:
    """A broken rule: its table, its text, the number of rows that break it, and the first of them."""

    table: str
    rule: str
    rows: int
    example: str


def verify(out: Out) -> list[RuleViolation]:
    """The broken rules of the dataset at `out`; none for a sound one."""
    dataset = read_dataset(out)
    violations = [*_unreadable(dataset)]
    if violations:
        return violations  # other rules would fail for the same reason
    located = located_columns(dataset)
    for shard in _shards(dataset):
        violations += _of_shard(dataset, shard, located)
    return _merged([*violations, *_of_all(dataset)])


def verify_lines(violations: Sequence[RuleViolation], out: Out) -> list[str]:
    """The broken rules as lines, for people."""
    if not violations:
        return [f"{out}: every key, count, sum and checksum holds"]
    return [
        f"{out}: {entry.table}: {entry.rule}: broken by {entry.rows:,}, first {entry.example}" for entry in violations
    ]


def _unreadable(dataset: Dataset) -> Iterator[RuleViolation]:
    """Violations for files that cannot be read in full, with checksums, or have another schema than their table."""
    for table, schema in dataset.tables.items():
        for shard in dataset.files(table):
            try:
                own = dataset.file_schema(table, shard)
                if not own.equals(schema):
                    advice = remedy(dataset.location, table, shard)
                    text = f"{dataset.location}/{table}/{shard}.parquet has other columns; {advice}"
                    yield RuleViolation(table, "every file has the table's schema", 1, text)
                    continue
                for _ in dataset.shard_batches(table, shard):
                    pass
            except DatasetError as error:
                yield RuleViolation(table, "every file can be read, and its checksums hold", 1, str(error))


def _shards(dataset: Dataset) -> list[str]:
    """All shards, except those being published, whose `documents` come last."""
    tables = [name for name in dataset.tables if name not in LOG_TABLES and name not in KEEPS_EARLIER_ATTEMPTS]
    at_work = dataset.runs_at_work()
    shards = {shard for table in tables for shard in dataset.files(table)}
    whole = set(dataset.files("documents"))
    return sorted(shard for shard in shards if shard in whole or run_of(shard) not in at_work)


def _of_shard(dataset: Dataset, shard: str, located: Mapping[str, Collection[str]]) -> Iterator[RuleViolation]:
    names = ["documents", "pages", "figures", "evidence", "checks", *dataset.record_tables]
    before = _columns(dataset, "corrections", _CORRECTED)
    tables = {name: _light(dataset, name, shard) for name in names}
    after = _columns(dataset, "corrections", _CORRECTED)
    last = pc.max(before.column("correction_id")).as_py() or 0
    newer = after.filter(pc.greater(after.column("correction_id"), last))
    corrected_meanwhile = newer.column("document_id").combine_chunks()
    unchanged = before.filter(pc.invert(pc.is_in(before.column("document_id"), value_set=corrected_meanwhile)))
    yield from _broken({**tables, "corrections": unchanged}, shard_rules(dataset, located, tables))


def _of_all(dataset: Dataset) -> Iterator[RuleViolation]:
    live, moving = dataset.runs_at_work(), _being_moved(dataset)
    tables = {name: _columns(dataset, name, columns) for name, columns in RULE_COLUMNS.items()}
    live |= dataset.runs_at_work()  # includes runs that begin or end meanwhile
    moving |= _being_moved(dataset)
    tables["forgotten"] = pa.table({"id": pa.array(sorted(dataset.forgotten_ids()), pa.string())})
    tables["live"] = pa.table({"run_id": pa.array(sorted(live), pa.string())})
    tables["moving"] = pa.table({"name": pa.array(sorted(moving), pa.string())})
    tables["measured"] = pa.table({"first": pa.array([_first_measured(dataset, tables["quality"])], pa.string())})
    yield from _broken(tables, EVERYWHERE)


def _being_moved(dataset: Dataset) -> set[str]:
    """Names of READY staging: its files are being moved, or wait for recovery."""
    return {name for name in dataset.store.names(STAGED) if is_ready(dataset, name)}


def _columns(dataset: Dataset, table: str, columns: Sequence[str]) -> pa.Table:
    """Columns of a whole table; those that a dataset of an older version lacks are null."""
    schema = _SCHEMAS[table]
    stated = dataset.tables.get(table)
    if stated is None:
        return pa.schema([schema.field(name) for name in columns]).empty_table()
    rows = dataset.rows(table, [name for name in columns if name in stated.names])
    for name in columns:
        if name not in stated.names:
            rows = rows.append_column(name, pa.nulls(rows.num_rows, schema.field(name).type))
    return rows


def _first_measured(dataset: Dataset, quality: pa.Table) -> str | None:
    """The first run that must have rows of `quality`: "" (all runs) for a dataset created with the table."""
    tables = list(dataset.tables)  # tables added later come after `documents`, the last one at creation
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


def _merged(violations: Sequence[RuleViolation]) -> list[RuleViolation]:
    """One violation per rule, over all shards."""
    merged: dict[tuple[str, str], RuleViolation] = {}
    for entry in violations:
        earlier = merged.get((entry.table, entry.rule))
        rows = entry.rows + (earlier.rows if earlier else 0)
        merged[entry.table, entry.rule] = RuleViolation(
            entry.table, entry.rule, rows, earlier.example if earlier else entry.example
        )
    return list(merged.values())
