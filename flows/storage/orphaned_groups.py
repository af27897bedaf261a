"""Groups of `quality`: texts of documents, removed with the last document that has them."""

import pyarrow as pa
import pyarrow.compute as pc

from flows.storage.dataset import Dataset


def on_one_line(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts as names of groups: white space as single blanks; null for empty ones."""
    plain = pc.utf8_trim_whitespace(pc.replace_substring_regex(texts, pattern=r"\s+", replacement=" "))
    return pc.if_else(pc.equal(plain, ""), pa.scalar(None, pa.string()), plain)


def groups_of_nobody_else(dataset: Dataset, ids: pa.Array) -> pa.Array:
    """The groups that occur in these documents only: in their records, or earlier by `changes`."""
    none = pa.array([], pa.string())
    if "quality" not in dataset.tables:
        return none
    named = pc.unique(dataset.rows("quality", ["group"]).column(0)).drop_null()
    if not len(named):
        return none
    record = dataset.record_tables[0]
    texts = [field.name for field in dataset.tables[record] if pa.types.is_string(field.type)]
    changes = dataset.rows("changes", ["document_id", "old", "new"])
    changes = changes.filter(pc.is_in(changes.column("document_id"), value_set=ids))
    own_texts = [changes.column(name) for name in ("old", "new")]
    for shard in dataset.shards_with(record, ids):
        rows = dataset.shard_rows(record, shard)
        rows = rows.filter(pc.is_in(rows.column("document_id"), value_set=ids))
        own_texts += [rows.column(name) for name in texts]
    named_elsewhere = pa.chunked_array([chunk for column in own_texts for chunk in column.chunks], pa.string())
    groups = named.filter(pc.is_in(named, value_set=on_one_line(named_elsewhere), skip_nulls=True))
    if len(groups):
        rows = dataset.rows(record, texts)
        rows = rows.filter(pc.invert(pc.is_in(rows.column("document_id"), value_set=ids)))
        for name in texts:
            groups = groups.filter(pc.invert(pc.is_in(groups, value_set=on_one_line(rows.column(name)))))
    return groups
