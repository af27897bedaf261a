"""When and where it runs: terminal, processes, network, disk, Prefect; the upper floors first.

cli            main(), entry(): the dict of commands, and the one place that catches
commands       the commands of the terminal, one module a family
schedules      serve and deploy: nightly schedules on Prefect
nightly        the flow `nightly` (deployments name this module)
backfill       the flow `backfill` (deployments name this module)
runs           run, refresh, replay, forget: shards, accounting, Prefect, Dask
evaluation     datasets scored against truth; fine-tuning files
preview        try, show, estimate: one look before a run
review         records read back, corrected, explained; the review page
documents      one document from end to end
model          the network to a model: asking, limits, budget, prices
reports        what happened: status, run page, quality, exports
offline        the embedded model
sources        addresses: found, planned, spooled, missing, failed
ui             terminal, HTML, text, progress, plots, templates
storage        the dataset on disk or S3
settings       environment and `.env`
env_file       `.env`, trusted with less than the environment
log            lines on standard error, as text or JSON
type_loader    `--type` to a DocumentType
durable_files  files that are whole or not there
"""
