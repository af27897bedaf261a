"""The embedded model: a small reader of labels and tables behind the chat completions protocol, on loopback.

server   the protocol: OfflineModel, a context manager     asked    what a request asks: pages and schema
layout   page text -> rows of cells                         lexicon  which labels mean what, in three languages
labels   labels in a cell, and the value that belongs       typed    a value of the wanted type, or nothing
parties  seller and buyer: names, addresses                 totals   sums that agree with each other
tables   lists of objects from tables                       reader   a schema filled from rows
"""
