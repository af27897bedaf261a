"""The dataset, on a disk or on an S3-compatible store: Parquet tables, and `_work/` beside them.

store    the operations, and which store OUT names     disk       renames, fsync, flock
objects  whole objects, copies, renewed objects         heartbeat  locks and leases there     s3  the requests
files    atomic and durable writes on disk              locks      flock: the lock, and a run's lease
journal  answers kept before they are used              dataset    birth, reading, claims, what is forgotten
staging  READY, and the moves that it promises          recover    what dead runs left
publish  shards added and replaced                      remove     forgotten and superseded documents
changes  what an incremental reader must know
"""
