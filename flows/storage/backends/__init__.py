"""Disk and S3 behind one interface.

layout         names of the folders and files in `_work/`
store          the interface, and which store OUT names
keys           names of files checked: none leads out of OUT
disk           renames, fsync, flock
object_store   whole objects, copies, renewed objects
s3             requests to S3; the one import of s3fs
heartbeat      locks and leases on an object store
locks          locks and leases on disk (flock)
journal        answers of the model kept before use: one segment a shard
parquet_files  Parquet files written and read
"""
