"""How it is done: one step a module, one public verb first in the file, pure functions.

split     bytes -> pages            chunk   pages -> chunks       prompt    chunk + type -> request
parse     completion -> answer      ground  answer -> located     merge     located answers -> record
tabulate  record -> Arrow batches   tokens, values: what several steps need
"""
