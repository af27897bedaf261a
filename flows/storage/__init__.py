"""The dataset on disk: one folder of Parquet tables, and `_work/` beside them.

files    atomic and durable writes          locks    the dataset's lock and a run's lease
journal  answers kept before they are used  dataset  birth, reading, claims
publish  the publish and recover protocol
"""
