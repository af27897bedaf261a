"""One look before a run.

show       `pagemill show`: the requests, without a model
show_page  `show --html`: all requests of a document, drawn as a web page
trial      `pagemill try`: one document, now
estimate   `pagemill estimate`: tokens, cost, hours
"""
