"""Bytes become pages: the only package that knows PyMuPDF.

split      bytes -> DocumentInfo, then every Page       formats    what the bytes are, and how each format is opened
page       one page: text, words, pictures, verdict     canvas     a page interpreted once, replayed for each question
lines      characters -> pieces of lines                clean      one string: ligatures, spaces, NFC
markdown   lines and tables -> what the model reads     tables     which rows are a table: rows, regions, columns, cells
forms      fields -> label: value                       notes      annotations that say something
hidden     text that no eye sees; unseen only counts    trust      whether the characters can be trusted
figures    pictures, and drawings, worth sending        picture    a part of a page as JPEG or PNG
attached   embedded files                               mupdf      the library itself, as untyped
look       one page for people: picture, size, words
"""
