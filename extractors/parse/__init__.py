"""Completion text to an answer in the schema's types.

parse           the answer as a whole: JSON found, leaves typed, problems kept
coerce          one JSON value to the type of its field
finish_verdict  verdict on how an answer ended: whole, cut, runaway
repair          sub-trees to ask again, and their splicing
"""
