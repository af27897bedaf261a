"""The embedded model: a small reader of labels and tables behind the chat completions protocol, on loopback.

server    the protocol: OfflineModel, a context manager     asked     what a request asks: pages and schema
reader    the wanted schema filled from the pages           wanted    what each property of it asks for
layout    page text -> rows of cells                        lexicon   which labels mean what (lexicon.toml)
labels    labels, and the texts that may belong to them     typed     a value of the wanted kind, or nothing
headline  number and date from a bill's headline            totals    sums that agree with each other
parties   seller and buyer: names, addresses                outline   titles, sections, lists of points
headers   which row heads a table                           align     which cell stands under which column
tables    lists of objects from tables                  cells     what the cells of a row say of an item
proof     rows whose product proves them
"""
