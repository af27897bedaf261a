"""Probability that a value is right.

confidence  probability from signals that code can see
fit         weights fitted to labels (ridge logistic regression)
"""
