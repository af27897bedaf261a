"""The rules of a sound dataset, each a query that selects the violations as text.

The rules of a shard read its tables without heavy columns. The rules of the whole dataset read keys, and four further tables:
`forgotten` (id), `live` (run_id of runs at work), `moving` (name of READY staging), `measured` (first: the oldest run whose
quality was measured). Columns that a dataset of an older version lacks are null.
"""

import json
from collections.abc import Collection, Iterator, Mapping

import pyarrow as pa

from flows.storage.dataset import Dataset
from schemas.document_type import DocumentType
from schemas.fields import Field, field_tree
from schemas.record_tables import record_tables

Rules = Mapping[tuple[str, str], str]  # queries by table and rule
_ADDS = "('run', 'nightly', 'backfill')"  # the commands that publish new documents
_STATE = """
    (select document_id, arg_max(kind, change_id) as kind, arg_max(run_id, change_id) as run_id from changes
    where kind in ('added', 'superseded', 'forgotten') group by document_id)"""

# Rules over the tables of one shard. Each query selects the violations as text.
IN_SHARD = {
    (
        "documents",
        "a status is ok or partial",
    ): "select document_id from documents where status not in ('ok', 'partial')",
    ("documents", "a partial document has problems"): """
        select document_id from documents where status = 'partial' and len(coalesce(problems, [])) = 0""",
    ("pages", "each page of a document has one row"): """
        select d.document_id from documents d left join pages p using (document_id)
        group by d.document_id, d.pages
        having count(p.page) <> d.pages or count(distinct p.page) <> d.pages or coalesce(min(p.page), 1) <> 1
            or coalesce(max(p.page), 0) <> d.pages""",
    ("figures", "a figure is on a page, and unique"): """
        select document_id || ' page ' || page from figures f
        group by document_id, page, figure
        having count(*) > 1 or (document_id, page) not in (select (document_id, page) from pages)""",
    ("evidence", "the page of a value exists"): """
        select e.document_id || e.field from evidence e
        left join pages p on p.document_id = e.document_id and p.page = e.page where e.page is not null and p.page is null""",
    # a correction without its place is a problem of the record, and for a field accepted later the accepted value counts
    ("corrections", "corrected values are published"): """
        select c.document_id || c.field from
        (select document_id, field, arg_max("new", correction_id) as said from corrections
        where context is null and field <> '' group by document_id, field) c
        join documents d using (document_id)
        left join evidence e on e.document_id = c.document_id and e.field = c.field and e.match = 'corrected'
        where not list_contains(coalesce(d.problem_kinds, []), 'misplaced')
        and (e.field is null or e.value is distinct from c.said)""",
    ("corrections", "a corrected document keeps its record as extracted"): """
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
    ("changes", "a document added and not removed since is in `documents`"): f"""
        select document_id from {_STATE} where kind = 'added' and document_id not in (select document_id from documents)
        and document_id not in (select id from forgotten) and run_id not in (select run_id from live)
        and not exists (select 1 from moving)""",
    ("documents", "its address is in `sources`, or its run is at work"): """
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
    ("calls", "an answer is unique"): """
        select document_id || ' ' || request_id from calls group by document_id, request_id having count(*) > 1""",
    ("runs", "discovered is the sum of its parts"): """
        select run_id from runs where discovered <> already_done + skipped + ok + partial + failed + deferred""",
    # a document forgotten during its publish may count as skipped, and one without disk space as deferred
    ("runs", "its documents are in `changes`"): f"""
        select r.run_id from runs r left join
        (select run_id, count(*) as number, count(*) filter (document_id in (select id from forgotten)) as gone from changes
        where kind = 'added' group by run_id) c using (run_id)
        where command in {_ADDS} and r.run_id not in (select run_id from live)
        and (ok + partial > coalesce(number, 0) or ok + partial + deferred < coalesce(number - gone, 0))""",
    ("runs", "its documents are measured in `quality`"): f"""
        select run_id from runs where command in {_ADDS} and finished_at is not null and ok + partial > 0
        and run_id >= (select first from measured) and run_id not in (select run_id from quality)
        and run_id not in (select run_id from live) and run_id in (select run_id from changes where kind = 'added'
        and document_id not in (select id from forgotten))""",
    ("runs", "a run is unique"): "select run_id from runs group by run_id having count(*) > 1",
    ("runs", "its cost is at least that of its answers"): """
        select r.run_id from runs r join calls c using (run_id) group by r.run_id, r.cost_usd
        having sum(c.cost_usd) > r.cost_usd + 1e-6""",
    ("recipes", "a recipe is unique"): "select recipe_id from recipes group by recipe_id having count(*) > 1",
    ("changes", "a number is unique"): "select change_id::text from changes group by change_id having count(*) > 1",
    ("changes", "numbers increase with time"): """
        select change_id::text from
        (select change_id, "at" as moment, max("at") over (order by change_id) as latest from changes)
        where moment < latest""",
    ("changes", "no value of a forgotten document is left"): """
        select document_id from changes where document_id in (select id from forgotten)
        and (record is not null or old is not null or new is not null)""",
    ("corrections", "a number is unique"): """
        select correction_id::text from corrections group by correction_id having count(*) > 1""",
    ("corrections", "it is in `changes`"): """
        select run_id from corrections where run_id is not null group by run_id, document_id
        having count(*) > (select count(*) from changes where changes.run_id = corrections.run_id
        and changes.document_id = corrections.document_id and kind = 'corrected')""",
    ("corrections", "it was not forgotten"): """
        select document_id from corrections where document_id in (select id from forgotten)""",
    ("sources", "no address of a forgotten document is left"): """
        select document_id from sources where document_id in (select id from forgotten)""",
}
RULE_COLUMNS = {  # in reading order: rows published meanwhile are in the tables read last
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
    """The rules of one shard with its rows in `tables`; `located` is the result of `located_columns`."""
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
        rules[name, "its record exists"] = f"""
            select document_id from {_name(name)} where (document_id, record) not in
            (select (document_id, record) from {_name(record)})"""
    for name in dataset.record_tables:
        keys = _keys(dataset.tables[name])
        rules[name, "a row is unique"] = (
            f"select document_id from {_name(name)} group by document_id, {keys} having count(*) > 1"
        )
        if name != record:
            rules[name, "its record exists, with the same status"] = f"""
                select i.document_id from {_name(name)} i left join {_name(record)} r using (document_id, record)
                where r.document_id is null or i.record_status <> r.record_status"""
            around = keys.rpartition(", ")[0]
            rules[name, "items are numbered from 0 without a gap"] = f"""
                select document_id from {_name(name)} group by document_id, {around}
                having min(item_index) <> 0 or max(item_index) <> count(*) - 1"""
    if filled := list(_with_values(located, tables)):
        rules["evidence", "a document with values has evidence"] = f"""
            select distinct document_id from ({" union all ".join(filled)})
            where document_id not in (select document_id from evidence)"""
    return rules


def located_columns(dataset: Dataset) -> dict[str, set[str]]:
    """The columns of each record table whose values were located on pages by every recipe of the dataset."""
    schemas = [json.loads(text) for text in dataset.rows("recipes", ["schema"]).column(0).to_pylist() if text]
    kinds = [DocumentType(dataset.document_type, "", fact, field_tree(fact)) for fact in (dataset.schema, *schemas)]
    by_recipe = [
        {
            (table.name, column.name)
            for table in record_tables(kind)
            for column in table.columns
            if _is_located(column.field)
        }
        for kind in kinds
    ]
    columns: dict[str, set[str]] = {}
    for table, column in set.intersection(*by_recipe):
        columns.setdefault(table, set()).add(column)
    return columns


def _is_located(field: Field) -> bool:
    leaf = field.item or field
    return leaf.evidence and leaf.kind not in {"json", "boolean"}


def _with_values(located: Mapping[str, Collection[str]], tables: Mapping[str, pa.Table]) -> Iterator[str]:
    """For each table with located columns a query of the documents with a value in any of them."""
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
    """The key columns of a record table after the id."""
    columns = schema.names[: schema.names.index("record_status")]
    return ", ".join(_name(name) for name in columns if name not in {"document_id", "item_page"})


def _name(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
