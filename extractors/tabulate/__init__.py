"""Record, pages and calls to Arrow rows, and back.

tabulate        rows of every table
record_of_rows  published rows of a document back to its Record
"""
