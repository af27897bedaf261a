"""Records scored against truth; drift between runs.

score    counts per field: stated, found, right
compare  equality of two values of a field
assign   items of a list paired with items of the truth
labels   labels brought to the shape of a schema
drift    rates of a run against the runs before
"""
