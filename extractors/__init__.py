"""Steps from bytes to rows: pure functions, one room a step, named by its verb.

split        bytes to pages; the only room that knows PyMuPDF
chunk        pages to chunks that share one request
prompt       chunk and document type to a request
parse        completion text to an answer in the schema's types
ground       place of each value on its page
complete     rows that pages show against the items of a list
merge        answers of all chunks to one record
tabulate     record, pages and calls to Arrow rows, and back
confidence   probability that a value is right
evaluate     records scored against truth; drift between runs
corrections  values put right by people, applied and learned from
ocr          words of a picture by optical character recognition
values       numbers, dates and text as printed
tokens       exact token counts of text and pictures
"""
