"""Terminal, HTML, text, progress, plots.

terminal  lines, JSON, tables and questions on a terminal
text      amounts, durations, plurals, clipped values
html      the template environment; pages written to files
progress  progress of a run on standard error
plots     plots of the run page, as SVG
"""
