"""Probability that a value is right.

confidence  probability from signals of code
fit         weights fitted to labels (ridge logistic regression)
"""
