"""Reports of runs and datasets, made from the tables.

status             `pagemill status`, and the last lines of a run
last_run           the newest run, for status
run_facts          facts of one run, from the tables
run_page           one run as a web page: facts and plots; its words are in ui/templates
failing            failing documents by name, with remedy and the time of the next try
quality            rates by field and group; drift
prefect_artifacts  progress and tables on Prefect's run page
csv_xlsx           CSV and Excel of a dataset
"""
