"""The rules of a sound dataset: each a query that selects, as text, what breaks it.

Those of a shard are over its own tables, in full but for heavy columns. Those of everything are over keys alone, and over four
tables more: `forgotten` (id), `live` (run_id of runs at work), `moving` (name of what is being moved to its place), `measured`
(first: the oldest run whose quality was measured). What a dataset of an older Pagemill has no column for is null in them.
"""

import json
from collections.abc import Collection, Iterator, Mapping

import pyarrow as pa

from flows.storage.dataset import Dataset
from schemas.document_type import DocumentType
from schemas.fields import Field, field_tree
from schemas.record_tables import record_tables

Rules = Mapping[tuple[str, str], str]  # by table, and what holds for it
_ADDS = "('run', 'nightly', 'backfill')"  # the commands that publish new documents
_STATE = """
    (select document_id, arg_max(kind, change_id) as kind, arg_max(run_id, change_id) as run_id from changes
    where kind in ('added', 'superseded', 'forgotten') group by document_id)"""

# Over the tables of one shard. Each query selects what breaks the rule, as text.
IN_SHARD = {
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
    # of a field whose place has gone the record tells a problem, and of one that was accepted later the accepted value counts
    ("corrections", "what people have corrected is what is published"): """
        select c.document_id || c.field from
        (select document_id, field, arg_max("new", correction_id) as said from corrections
        where context is null and field <> '' group by document_id, field) c
        join documents d using (document_id)
        left join evidence e on e.document_id = c.document_id and e.field = c.field and e.match = 'corrected'
        where not list_contains(coalesce(d.problem_kinds, []), 'misplaced')
        and (e.field is null or e.value is distinct from c.said)""",
    ("corrections", "a document that people have corrected says what was read before"): """
        select document_id from documents where extracted is null
        and document_id in (select document_id from corrections)""",
    ("checks", "a failed check makes the document partial"): """
        select document_id from checks join documents using (document_id) where not ok and status <> 'partial'""",
}
EVERYWHERE = {
    ("documents", "a document is published once"): "select document_id from documents group by 1 having count(*) > 1",
    ("documents", "its run is in `runs`, or is at work"): """
        select document_id from documents where run_id not in (select run_id from runs)
        and run_id not in (select run_id from live)""",
    ("documents", "its recipe is in `recipes`, or its run is at work"): """
        select document_id from documents where recipe_id not in (select recipe_id from recipes)
        and run_id not in (select run_id from live)""",
    ("documents", "it is in `changes`"): f"""
        select document_id from documents where document_id not in (select document_id from {_STATE} where kind = 'added')
        and run_id not in (select run_id from live)""",
    ("changes", "what was added, and not taken away since, is in `documents`"): f"""
        select document_id from {_STATE} where kind = 'added' and document_id not in (select document_id from documents)
        and document_id not in (select id from forgotten) and run_id not in (select run_id from live)
        and not exists (select 1 from moving)""",
    ("documents", "an address of it is in `sources`, or its run is at work"): """
        select document_id from documents where document_id not in
        (select document_id from sources where document_id is not null)
        and run_id not in (select run_id from runs where finished_at is null) and run_id not in (select run_id from live)""",
    (
        "documents",
        "it was not forgotten",
    ): "select document_id from documents where document_id in (select id from forgotten)",
    ("calls", "it was not forgotten"): "select document_id from calls where document_id in (select id from forgotten)",
    ("documents", "its answers are in `calls`"): """
        select document_id from documents where requests > 0
        and document_id not in (select document_id from calls where document_id is not null)
        and document_id not in (select id from forgotten)""",
    ("calls", "an answer is there once"): """
        select document_id || ' ' || request_id from calls group by document_id, request_id having count(*) > 1""",
    ("runs", "discovered is the sum of its parts"): """
        select run_id from runs where discovered <> already_done + skipped + ok + partial + failed + deferred""",
    # a document that was forgotten as it was published may count as skipped, and one that found no room as deferred
    ("runs", "what it published is in `changes`"): f"""
        select r.run_id from runs r left join
        (select run_id, count(*) as number, count(*) filter (document_id in (select id from forgotten)) as gone from changes
        where kind = 'added' group by run_id) c using (run_id)
        where command in {_ADDS} and r.run_id not in (select run_id from live)
        and (ok + partial > coalesce(number, 0) or ok + partial + deferred < coalesce(number - gone, 0))""",
    ("runs", "what it published is measured in `quality`"): f"""
        select run_id from runs where command in {_ADDS} and finished_at is not null and ok + partial > 0
        and run_id >= (select first from measured) and run_id not in (select run_id from quality)
        and run_id not in (select run_id from live) and run_id in (select run_id from changes where kind = 'added'
        and document_id not in (select id from forgotten))""",
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
    ("corrections", "a number is there once"): """
        select correction_id::text from corrections group by correction_id having count(*) > 1""",
    ("corrections", "it is in `changes`"): """
        select run_id from corrections where run_id is not null group by run_id, document_id
        having count(*) > (select count(*) from changes where changes.run_id = corrections.run_id
        and changes.document_id = corrections.document_id and kind = 'corrected')""",
    ("corrections", "it was not forgotten"): """
        select document_id from corrections where document_id in (select id from forgotten)""",
    ("sources", "of what was forgotten no address is left"): """
        select document_id from sources where document_id in (select id from forgotten)""",
}
RULE_COLUMNS = {  # in the order in which they are read: what is published meanwhile is in what is read last
    "corrections": ("correction_id", "document_id", "run_id"),
    "changes": ("change_id", "at", "document_id", "run_id", "record", "kind", "old", "new"),
    "documents": ("document_id", "run_id", "recipe_id", "requests"),
    "calls": ("document_id", "request_id", "run_id", "cost_usd"),
    "sources": ("source_uri", "document_id"),
    "runs": (
        *("run_id", "finished_at", "discovered", "already_done", "skipped", "ok", "partial", "failed", "deferred"),
        *("cost_usd", "command"),
    ),
    "recipes": ("recipe_id",),
    "quality": ("run_id",),
}  # fmt: skip


def shard_rules(dataset: Dataset, located: Mapping[str, Collection[str]], tables: Mapping[str, pa.Table]) -> Rules:
    """The rules of one shard, whose rows are `held` by table; `located` are the columns of `located_columns`."""
    rules = dict(IN_SHARD)
    for name in tables:
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
    if filled := list(_with_values(located, tables)):
        rules["evidence", "a document with values has some"] = f"""
            select distinct document_id from ({" union all ".join(filled)})
            where document_id not in (select document_id from evidence)"""
    return rules


def located_columns(dataset: Dataset) -> dict[str, set[str]]:
    """Of each record table the columns whose values were looked for on their pages, by every recipe that there was."""
    schemas = [json.loads(text) for text in dataset.rows("recipes", ["schema"]).column(0).to_pylist() if text]
    kinds = [DocumentType(dataset.document_type, "", fact, field_tree(fact)) for fact in (dataset.schema, *schemas)]
    found = [
        {
            (table.name, column.name)
            for table in record_tables(kind)
            for column in table.columns
            if _is_located(column.field)
        }
        for kind in kinds
    ]
    columns: dict[str, set[str]] = {}
    for table, column in set.intersection(*found):
        columns.setdefault(table, set()).add(column)
    return columns


def _is_located(field: Field) -> bool:
    leaf = field.item or field
    return leaf.evidence and leaf.kind not in {"json", "boolean"}


def _with_values(located: Mapping[str, Collection[str]], tables: Mapping[str, pa.Table]) -> Iterator[str]:
    """A query for each table of which columns are located: its documents with a value in any of them."""
    for table, columns in located.items():
        schema = tables[table].schema
        queries = [
            f"list_count({_name(name)}) > 0"
            if pa.types.is_list(schema.field(name).type)
            else f"{_name(name)} is not null"
            for name in schema.names
            if name in columns
        ]
        if queries:
            yield f"select document_id from {_name(table)} where {' or '.join(queries)}"


def _keys(schema: pa.Schema) -> str:
    """The columns after the id that tell a row of a record table from others."""
    ours = schema.names[: schema.names.index("record_status")]
    return ", ".join(_name(name) for name in ours if name not in {"document_id", "item_page"})


def _name(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
