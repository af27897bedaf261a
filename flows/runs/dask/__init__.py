"""Shards on a Dask cluster.

coordinator  shards, money and limits given out, results taken in
cluster      Dask itself, through Prefect's task runner
worker       shards carried out in a process of the cluster
messages     jobs and results, picklable and without secrets
"""
