"""Rows that pages show against the items of a list.

coverage    rows that no item covers, over the whole document
row_shapes  shape of a list's rows, learned from covered ones
lines       printed lines of a page and the numbers in them
splice      items of a second answer set where they stand
"""
