"""Bytes become pages: the only package that knows PyMuPDF.

split     bytes -> DocumentInfo, then every Page        formats   what the bytes are, and how each format is opened
page      one page: text, words, pictures, verdict       lines     characters of MuPDF -> lines of words
markdown  lines -> the text the model reads              tables    words aligned in columns -> Markdown tables
clean     one string: ligatures, spaces, NFC             picture   pages and figures as JPEG or PNG
"""
