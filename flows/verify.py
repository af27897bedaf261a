"""`pagemill status OUT --check`: every key, count, sum and checksum of a dataset, looked at without writing anything.

Each rule is a query that finds the rows which break it. Tables of a shard are looked at together, shard by shard, so that
memory does not grow with the dataset; what must be unique in all of it is looked at by its keys alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from flows.storage.dataset import KEEPS_EARLIER_ATTEMPTS, Dataset, read_dataset, run_of
from flows.storage.store import Out
from schemas.errors import DatasetError
from schemas.tables import LOG_TABLES

_HEAVY = {"text", "image", "response", "quote"}  # content that no rule looks at, beside its being readable


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that does not hold: where, what it says, how many rows break it, and the first of them."""

    table: str
    rule: str
    rows: int
    example: str


# Over the tables of one shard. Each query selects what breaks the rule, as text.
_IN_SHARD = {
    (
        "documents",
        "a status is ok or partial",
    ): "select document_id from documents where status not in ('ok', 'partial')",
    ("documents", "a partial document says why"): """
        select document_id from documents where status = 'partial' and len(coalesce(problems, [])) = 0""",
    ("pages", "each page of a document has one row"): """
        select d.document_id from documents d left join pages p using (document_id)
        group by d.document_id, d.pages
        having count(p.page) <> d.pages or count(distinct p.page) <> d.pages or coalesce(min(p.page), 1) <> 1
            or coalesce(max(p.page), 0) <> d.pages""",
    ("figures", "a figure is on a page, and there once"): """
        select document_id || ' page ' || page from figures f
        group by document_id, page, figure
        having count(*) > 1 or (document_id, page) not in (select (document_id, page) from pages)""",
    ("evidence", "a value stands on a page that there is"): """
        select e.document_id || e.field from evidence e
        left join pages p on p.document_id = e.document_id and p.page = e.page where e.page is not null and p.page is null""",
    ("checks", "a failed check makes the document partial"): """
        select document_id from checks join documents using (document_id) where not ok and status <> 'partial'""",
}
_EVERYWHERE = {
    ("documents", "a document is published once"): "select document_id from documents group by 1 having count(*) > 1",
    ("documents", "its run is in `runs`, or is at work"): """
        select document_id from documents where run_id not in (select run_id from runs)
        and run_id not in (select run_id from live)""",
    ("documents", "its recipe is in `recipes`, or its run is at work"): """
        select document_id from documents where recipe_id not in (select recipe_id from recipes)
        and run_id not in (select run_id from live)""",
    ("documents", "it is in `changes`"): """
        select document_id from documents where document_id not in
        (select document_id from changes where kind = 'added')""",
    ("documents", "an address of it is in `sources`, or its run is at work"): """
        select document_id from documents where document_id not in
        (select document_id from sources where document_id is not null)
        and run_id not in (select run_id from runs where finished_at is null) and run_id not in (select run_id from live)""",
    (
        "documents",
        "it was not forgotten",
    ): "select document_id from documents where document_id in (select id from forgotten)",
    ("calls", "it was not forgotten"): "select document_id from calls where document_id in (select id from forgotten)",
    ("calls", "an answer is there once"): """
        select document_id || ' ' || request_id from calls group by document_id, request_id having count(*) > 1""",
    ("runs", "discovered is the sum of its parts"): """
        select run_id from runs where discovered <> already_done + skipped + ok + partial + failed + deferred""",
    ("runs", "a run is there once"): "select run_id from runs group by run_id having count(*) > 1",
    ("runs", "it cost at least what its answers did"): """
        select r.run_id from runs r join calls c using (run_id) group by r.run_id, r.cost_usd
        having sum(c.cost_usd) > r.cost_usd + 1e-6""",
    ("recipes", "a recipe is there once"): "select recipe_id from recipes group by recipe_id having count(*) > 1",
    ("changes", "a number is there once"): "select change_id::text from changes group by change_id having count(*) > 1",
    ("changes", "what came first has the smaller number"): """
        select change_id::text from
        (select change_id, "at" as moment, max("at") over (order by change_id) as latest from changes)
        where moment < latest""",
    ("changes", "of what was forgotten no value is left"): """
        select document_id from changes where document_id in (select id from forgotten)
        and (record is not null or old is not null or new is not null)""",
    ("sources", "of what was forgotten no address is left"): """
        select document_id from sources where document_id in (select id from forgotten)""",
}
_COLUMNS = {
    "documents": ("document_id", "run_id", "recipe_id"),
    "calls": ("document_id", "request_id", "run_id", "cost_usd"),
    "changes": ("change_id", "at", "document_id", "record", "kind", "old", "new"),
    "sources": ("source_uri", "document_id"),
    "runs": ("run_id", "finished_at", "discovered", "already_done", "skipped", "ok", "partial", "failed", "deferred", "cost_usd"),
    "recipes": ("recipe_id",),
}  # fmt: skip


def verify(out: Out) -> list[Finding]:
    """What of the dataset at `out` does not hold; nothing for a sound one."""
    dataset = read_dataset(out)
    found = [*_unreadable(dataset)]
    if found:
        return found  # the rules below would only repeat it
    for shard in _shards(dataset):
        found += _of_shard(dataset, shard)
    return _merged([*found, *_of_all(dataset)])


def verify_lines(found: Sequence[Finding], out: Out) -> list[str]:
    """`status --check` for people."""
    if not found:
        return [f"{out}: every key, count, sum and checksum holds"]
    return [f"{out}: {each.table}: {each.rule}: not so for {each.rows:,}, first {each.example}" for each in found]


def _unreadable(dataset: Dataset) -> Iterator[Finding]:
    """Files that cannot be read in full, checksums included, or whose schema is not the table's own."""
    for table, schema in dataset.tables.items():
        for shard in dataset.files(table):
            try:
                own = dataset.file_schema(table, shard)
                if not own.equals(schema):
                    yield Finding(table, "every file has the table's schema", 1, f"{shard}.parquet")
                    continue
                for _ in dataset.shard_batches(table, shard):
                    pass
            except DatasetError as error:
                yield Finding(table, "every file can be read, and its checksums hold", 1, str(error))


def _shards(dataset: Dataset) -> list[str]:
    """Every shard, but for those that are being published: their `documents` come last."""
    tables = [name for name in dataset.tables if name not in LOG_TABLES and name not in KEEPS_EARLIER_ATTEMPTS]
    at_work = dataset.runs_at_work()
    found = {shard for table in tables for shard in dataset.files(table)}
    whole = set(dataset.files("documents"))
    return sorted(shard for shard in found if shard in whole or run_of(shard) not in at_work)


def _of_shard(dataset: Dataset, shard: str) -> Iterator[Finding]:
    names = ["documents", "pages", "figures", "evidence", "checks", *dataset.record_tables]
    held = {name: _light(dataset, name, shard) for name in names}
    rules = dict(_IN_SHARD)
    for name in names:
        if name != "documents":
            rules[name, "its document is in the same file of `documents`"] = (
                f"select document_id from {_name(name)} where document_id not in (select document_id from documents)"
            )
    record = dataset.record_tables[0]
    rules[record, "each document has a record, with the same status"] = f"""
        select d.document_id from documents d left join {_name(record)} r using (document_id)
        where r.document_id is null or (r.record_status <> d.status)"""
    for name in ("evidence", "checks"):
        rules[name, "its record is there"] = f"""
            select document_id from {_name(name)} where (document_id, record) not in
            (select (document_id, record) from {_name(record)})"""
    for name in dataset.record_tables:
        keys = _keys(dataset.tables[name])
        rules[name, "a row is there once"] = (
            f"select document_id from {_name(name)} group by document_id, {keys} having count(*) > 1"
        )
        if name != record:
            rules[name, "its record is there, with the same status"] = f"""
                select i.document_id from {_name(name)} i left join {_name(record)} r using (document_id, record)
                where r.document_id is null or i.record_status <> r.record_status"""
            around = keys.rpartition(", ")[0]
            rules[name, "items are numbered from 0 without a gap"] = f"""
                select document_id from {_name(name)} group by document_id, {around}
                having min(item_index) <> 0 or max(item_index) <> count(*) - 1"""
    yield from _broken(held, rules)


def _of_all(dataset: Dataset) -> Iterator[Finding]:
    held = {name: dataset.rows(name, columns) for name, columns in _COLUMNS.items()}
    held["forgotten"] = pa.table({"id": pa.array(sorted(dataset.forgotten_ids()), pa.string())})
    held["live"] = pa.table({"run_id": pa.array(sorted(dataset.runs_at_work()), pa.string())})
    yield from _broken(held, _EVERYWHERE)


def _broken(held: Mapping[str, pa.Table], rules: Mapping[tuple[str, str], str]) -> Iterator[Finding]:
    with duckdb.connect(config={"enable_external_access": "false", "threads": 2}) as connection:
        for name, table in held.items():
            connection.register(name, table)
        for (table, rule), query in rules.items():
            count, example = connection.execute(f"select count(*), min(q::text) from ({query}) as t(q)").fetchall()[0]
            if count:
                yield Finding(table, rule, count, str(example))


def _light(dataset: Dataset, table: str, shard: str) -> pa.Table:
    names = [field.name for field in dataset.tables[table] if field.name not in _HEAVY]
    schema = pa.schema([dataset.tables[table].field(name) for name in names])
    return pa.Table.from_batches([batch.select(names) for batch in dataset.shard_batches(table, shard)], schema)


def _keys(schema: pa.Schema) -> str:
    """The columns after the id that tell a row of a record table from others."""
    ours = schema.names[: schema.names.index("record_status")]
    return ", ".join(_name(name) for name in ours if name not in {"document_id", "item_page"})


def _merged(found: Sequence[Finding]) -> list[Finding]:
    """One finding a rule, over all shards."""
    merged: dict[tuple[str, str], Finding] = {}
    for each in found:
        known = merged.get((each.table, each.rule))
        rows = each.rows + (known.rows if known else 0)
        merged[each.table, each.rule] = Finding(each.table, each.rule, rows, known.example if known else each.example)
    return list(merged.values())


def _name(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
