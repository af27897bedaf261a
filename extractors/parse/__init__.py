"""Completion text to an answer in the schema's types.

parse   the whole answer: JSON recovered, leaves typed, problems kept
coerce  one JSON value to the type of its field
ending  verdict on how an answer ended: whole, cut, runaway
repair  sub-trees to ask for again, and their insertion
"""
