"""Values put right by people, applied and learned from.

correct                corrections applied to a record
draft                  a record while corrections are put into it
labels_of_corrections  corrections as labels
training_answer        the answer a model should have given for one chunk
"""
