"""The dataset on disk or S3: Parquet tables, and `_work/` beside them.

dataset          Dataset: reading, locking, what is forgotten
document_claims  documents claimed by live runs
open             birth and opening of a dataset
dataset_spec     the parts of a new dataset
run_ids          names of runs and shards
publish          shards added and replaced
staging          READY, and the moves that it promises
recover          leftovers of dead runs finished
remove           forgotten and superseded documents removed
erase            forgotten documents removed from every table
move             addresses after an archive has moved
expire           content removed after `PAGEMILL_KEEP` days
changes          rows of `changes`
orphaned_groups  groups of `quality`
verify           `status --check`
rules            rules of a sound dataset, as SQL
find             documents by id, path, name or SQL
backends         disk and S3 behind one interface
"""
