"""`catalog.sql`: views over a dataset's files for DuckDB, made from its document type.

The views name files relative to the dataset's folder: start DuckDB there, or `set file_search_path` to it. A row counts when
its document is in `documents`, so that the rows of an unfinished publish stay out of the views.
"""

from collections.abc import Iterator

from schemas.document_type import DocumentType
from schemas.fields import escape
from schemas.record_tables import RecordTable, record_tables
from schemas.tables import LOG_TABLES, SHARD_TABLES

_EARLIER_ATTEMPTS = ("calls", "failures")  # tables whose rows count before their document is published
_HEAD = """\
-- Views over this dataset, for DuckDB. Start it in this folder (duckdb -init catalog.sql), or from anywhere:
--   set file_search_path = 'the/dataset'; then this file.
-- A row counts when its document is in `documents`: the views leave other rows out.
"""
_FIXED = """\
-- The newest row of each address.
create or replace view current_sources as
select * from sources qualify row_number() over (partition by source_uri order by seen_at desc, run_id desc) = 1;

-- Documents that some address still holds.
create or replace view held_documents as
select * from documents where document_id in (select document_id from current_sources where not gone);

-- Unresolved failures: the newest of each document, or of each address that could not be read.
create or replace view open_failures as
select * from failures
where (document_id is null or document_id not in (select document_id from documents))
  and (document_id is not null or source_uri not in
       (select source_uri from current_sources where document_id in (select document_id from documents)))
qualify row_number() over (partition by coalesce(document_id, source_uri) order by "at" desc) = 1;

-- Freshness of the dataset: the end of the last run that deferred nothing.
create or replace view freshness as
select max(finished_at) filter (where deferred = 0) as last_complete_run, max(finished_at) as last_run,
       (select max(extracted_at) from documents) as last_document
from runs;

-- Addresses whose documents are not published, by the day on which they were first seen.
create or replace view pending_by_day as
select cast(first_seen as date) as day, count(*) as addresses
from (select source_uri, min(seen_at) as first_seen from sources group by source_uri)
join current_sources using (source_uri)
where not gone and (document_id is null or document_id not in (select document_id from documents))
group by day order by day;
"""


def catalog(document_type: DocumentType) -> str:
    """The views of a dataset of this type, as SQL."""
    tables = record_tables(document_type)
    parts = [_HEAD, *_plain_views(tables), _FIXED]
    taken = {table.name for table in tables}
    parts.append(_with_source(tables[0], _free(f"{tables[0].name}_with_source", taken)))
    parts += [_trust(table, _free(f"{table.name}_trust", taken)) for table in tables]
    return "\n".join(parts)


def _plain_views(tables: tuple[RecordTable, ...]) -> Iterator[str]:
    """One view per table: the rows of published documents."""
    shard = [table.name for table in tables] + [name for name in SHARD_TABLES if name != "documents"]
    for name in ("documents", *LOG_TABLES, *shard):
        only = " where document_id in (select document_id from documents)"
        is_filtered = name in shard and name not in _EARLIER_ATTEMPTS
        yield (
            f"create or replace view {_name(name)} as\n"
            f"select * from read_parquet({_text(f'{name}/*.parquet')}){only if is_filtered else ''};\n"
        )


def _with_source(record: RecordTable, view: str) -> str:
    return (
        "-- Records beside the addresses of their documents.\n"
        f"create or replace view {_name(view)} as\n"
        "select r.*, d.source_uri, d.bytes, d.pages, d.title, d.model, d.cost_usd, s.attributes\n"
        f"from {_name(record.name)} r join documents d using (document_id)\n"
        "left join current_sources s on s.source_uri = d.source_uri;\n"
    )


def _trust(table: RecordTable, view: str) -> str:
    """Each value beside its match and page. A list of scalars has no single place and gets no such columns."""
    located = [column for column in table.columns if column.field.is_leaf and column.field.evidence]
    keys = ["document_id", "record", *table.index_names, *(["item_index"] if table.is_items else [])]
    pattern = "^" + "".join(f"{_quoted(_pointer(step))}/([0-9]+)" for step in table.steps) + "(/.*)$"
    indexes = [
        f"cast(regexp_extract(field, {_text(pattern)}, {index}) as bigint) as {_name(name)}"
        for index, name in enumerate(keys[2:], start=1)
    ]
    below = f"regexp_extract(field, {_text(pattern)}, {len(indexes) + 1})"
    taken = set(table.schema.names)
    added = {
        (column.name, what): _free(f"{column.name}_{what}", taken) for column in located for what in ("match", "page")
    }
    aggregates = [
        f"any_value({what}) filter (where below = {_text(_pointer(column.keys))}) as {_name(added[column.name, what])}"
        for column in located
        for what in ("match", "page")
    ]
    shown = [_name(name) for name in table.schema.names if name not in {column.name for column in table.columns}]
    for column in table.columns:
        shown.append(_name(column.name))
        shown += [_name(added[column.name, what]) for what in ("match", "page") if column in located]
    using = ", ".join(map(_name, keys))
    return (
        "-- Each value beside its match (`_match`) and its page (`_page`).\n"
        f"create or replace view {_name(view)} as\n"
        f"select {', '.join(shown)}\nfrom {_name(table.name)}\nleft join (\n"
        f"  select {', '.join([using, *aggregates])}\n  from (\n"
        f"    select {', '.join(['document_id, record', *indexes])}, {below} as below, match, page\n"
        f"    from evidence where match <> 'conflict' and regexp_matches(field, {_text(pattern)})\n  )\n"
        f"  group by {using}\n) using ({using});\n"
    )


def _pointer(keys: tuple[str, ...]) -> str:
    return "".join(f"/{escape(key)}" for key in keys)


def _free(name: str, taken: set[str]) -> str:
    """`name`, followed by as many `_` as make it unique in `taken`."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _quoted(text: str) -> str:
    """Regular expression (RE2) that matches exactly this text."""
    return "".join(entry if entry.isalnum() or entry in "/_" else f"\\{entry}" for entry in text)


def _name(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    """An SQL string."""
    return "'" + value.replace("'", "''") + "'"
