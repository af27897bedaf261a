"""Addresses: discovered, planned, spooled, missing, failed.

discover      SOURCE to addresses
globbing      files of folders and globs
s3_listing    objects of S3 prefixes
addresses     addresses by the million, as Arrow columns
spool         bytes copied once and hashed
plan          addresses to open: the source minus the published
selection     order, deadline, date range, part K of N
failures      rows of failures, and the time each is due
missing       addresses that are gone
superseded    documents replaced by newer versions
locations     present addresses of documents
arrow_lookup  look-ups in tables of a million rows
"""
