"""Bytes to pages: the only room that knows PyMuPDF.

split             bytes to DocumentInfo, then every Page
formats           format of the bytes, and how each format is opened
options           options and file suffixes of split, without PyMuPDF
page              one page: text, words, pictures, and how it is sent
interpreted_page  one page interpreted once, replayed for each question
lines             characters to pieces of lines
clean             one string: ligatures, spaces, NFC
markdown          lines and tables to the text that the model reads
tables            words in columns to tables
rows              pieces to visual rows and runs of them
regions           a run taken apart into regions that may be tables
columns           columns of a run by its gutters
cells             rows and columns to cells
forms             form fields to `label: value`
notes             annotations that say something
hidden            text that no eye sees, by paint and rendering
clipped_text      count of text that MuPDF never yields
trust             verdict whether the characters can be trusted
figures           pictures and drawings worth sending
drawings          charts and diagrams drawn as lines and areas
picture           part of a page as JPEG or PNG
attached          embedded files
page_view         one page for people: picture, size, words
mupdf             the library, as untyped
"""
