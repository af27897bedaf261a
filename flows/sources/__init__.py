"""Addresses: found, planned, spooled, missing, failed.

discover      SOURCE to addresses
globbing      files of folders and globs
ignored       files that a source leaves out, counted and named
links         links that lead out of a source
s3_listing    objects of S3 prefixes
addresses     addresses by the million, as Arrow columns
spool         bytes copied once and hashed
plan          what is to do: the source minus what is published
selection     order, deadline, date range, part K of N
failures      rows of failures, and when each is due
missing       addresses that are gone
superseded    documents that a newer version replaces
locations     addresses that hold a document now
arrow_lookup  look-ups in tables of a million rows
"""
