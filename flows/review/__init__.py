"""Records read back, corrected, explained; the review page.

records             published records, nested, with their evidence
corrections         corrections stored and put in again
correct             `pagemill correct`
why                 `pagemill why`
listing             documents worst first, filtered, in pages
document_view       one document as the page draws it
pictures            pictures of pages, drawn on demand in the sandbox
locate              place of a value that a person typed
page                the page: template, script, style, data
correction_session  one session: dataset, reads, corrections
guard               who may ask: token, host, origin
server              HTTP addresses and the loopback server
export              the page as one file
"""
