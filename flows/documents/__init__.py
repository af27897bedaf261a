"""One document from end to end.

extract             document to rows: the pipeline, top to bottom
ask                 chunks asked, asked again, given up
completeness        lists proven complete, missing rows asked again
recipe              everything that decides the values; recipe_id
extraction_tools    what documents are read with; tools_for
sandbox             killable processes that split and draw
ocr                 pages that are pictures, read by a second reader; its cache
stored_answers      answers paid for earlier
confidence_weights  a dataset's own weights of confidence
"""
