"""The embedded model: a small reader of labels and tables behind the chat-completions protocol, on loopback.

server         the protocol: OfflineModel, a context manager
asked          pages and schema of a request
reader         the schema filled from the pages
wanted         what each property asks for
layout         page text to rows of cells
lexicon        which labels mean what (lexicon.toml)
labels         labels and the texts that belong to them
typed          a value of the wanted kind, or nothing
bill_headline  number and date from a bill's headline
totals         sums that agree with each other
parties        seller and buyer: names, addresses
outline        titles, sections, lists of points
headers        header rows of tables
align          cells under their columns
tables         lists of objects from tables
cells          values of an item from its cells
proven_rows    rows whose product proves them
"""
