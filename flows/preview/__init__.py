"""One look before a run.

show       `pagemill show`: the requests, without a model
show_page  `show --html`: the requests drawn
trial      `pagemill try`: one document, now
estimate   `pagemill estimate`: tokens, cost, hours
"""
