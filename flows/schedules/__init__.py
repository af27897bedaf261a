"""Nightly schedules on Prefect.

schedule     a schedule: dataset, sources, cron, settings
serve        `pagemill serve`: server, worker, schedules on this machine
deployments  `pagemill deploy`: deployments and safeguards on a server
"""
