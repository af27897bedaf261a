"""Runs over a dataset: what is done, shard by shard.

run                    `pagemill run`: prepare, plan, carry out, summarise
request                a run as asked for, and as it ended
prepare                everything that can refuse a run; its plan
conclude               sums checked, the run's row published, its summary
refresh                `pagemill refresh`: published documents made anew
refresh_request        a refresh as asked for, and its result
refresh_shard          one shard of a refresh
replay                 `refresh --replay`: today's parser over stored answers
migrate                `refresh --into`: a dataset with other columns
scheduled              nightly and backfill: parameters to a run, its end to a state
webhook                messages of a scheduled run to the operator's webhook
shard                  one shard: read, claim, extract, publish
accounting             counts of a run by address; its manifest and row of `runs`
earlier_shard_attempt  leftovers of a shard that was tried before
executor               executors of shards: the interface, and this process
resources              server, sandbox and model shared by runs of a process
prefect_flow           shards as Prefect tasks; signals and suspension
recording              shards at work recorded by Prefect beside them
prefect_server         our own quiet child server of Prefect
prefect_settings       Prefect's settings without files of the current folder
prefect_database       its database, made from stored statements at a first start
canary                 first documents of a backfill alone
cost_guard             price and consent before money is spent
recipe_differences     values of a sample, old and new
forget                 `pagemill forget`
retry                  `pagemill retry`
dask                   shards on a Dask cluster
"""
