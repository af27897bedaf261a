"""Datasets scored against truth; fine-tuning files.

evaluate     `pagemill evaluate`: counts per field, group, document
truth        truth lines and the documents they name
baseline     recorded levels of fields, and regressions
calibration  weights of confidence fitted to this dataset
report       an evaluation as JSON, tables, sentences, a page
fine_tuning  `export --format chat`: corrected documents as chat lines
"""
