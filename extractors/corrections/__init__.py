"""People's corrections, applied and learned from.

correct                corrections applied to a record
labels_of_corrections  corrections as labels
training_answer        the answer a model should have given for one chunk
"""
