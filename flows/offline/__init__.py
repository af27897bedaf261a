"""The embedded model: a small reader of labels and tables behind the chat-completions protocol, on loopback.

server    the protocol: OfflineModel, a context manager
asked     pages and schema of a request
reader    the schema filled from the pages
wanted    concept of each property
layout    page text to rows of cells
lexicon   labels and their meanings (lexicon.toml)
labels    labels and the texts beside them
typed     values of the wanted kinds, read from text
headline  number and date in a bill's headline
totals    sums that agree with each other
parties   seller and buyer: names, addresses
outline   titles, sections, lists of points
headers   header rows of tables
align     cells under their columns
tables    lists of objects from tables
cells     values of an item from its cells
proof     rows proven by quantity times price
"""
