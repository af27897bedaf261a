"""Answers of all chunks to one record.

merge      first stated scalar, kept conflicts, joined lists
conflicts  conflicts settled by arithmetic
choose     one small request that settles the rest
status     record status, failed checks, needs_review
"""
