"""Nightly schedules on Prefect.

schedule     a schedule: dataset, sources, cron, settings
serve        `pagemill serve`: server, worker, schedules on this machine
deployments  `pagemill deploy`: deployments and safeguards on a server
schedule_folder  the folder of a served schedule: server, login, lock
manage       `pagemill schedules`: list, remove, pause, resume
"""
