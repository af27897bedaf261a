"""The commands of the terminal, one module a family.

options     options that several commands share
run         run, refresh
preview     try, estimate, show, check
dataset     status, forget, retry
review      review, correct, why
evaluation  evaluate, export
schedules   serve, deploy
types       types, types check, types infer
tour        tour, what `make run` does
tour_steps  the steps of the tour
"""
