"""When and where it runs: the terminal, the disk, the network, processes and Prefect.

cli       the terminal               settings  the environment       types    loads user types
discover  addresses                  storage   the dataset           sandbox  killable split processes
model     the network                pressure  calls in flight       offline  the embedded model
plan      what is to do              extract   documents -> tables   server   our own child Prefect server
run_facts a run, from the tables     run_page  its page              plots    the drawings on it
last_run  what `status` tells of it  artifacts its page in Prefect   log      lines on standard error
crew      who carries shards out     message   what they are told    carrier  a shard in a process of a cluster
past      shards that were tried     dask_cluster  Dask              tour     what `make run` shows
records   published records          review    the page to correct on held     where documents stand now
"""
