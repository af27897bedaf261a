"""Published records: read, corrected, explained; the review page.

records        published records, nested, with their evidence
corrections    stored corrections, applied on every publish
correct        `pagemill correct`
why            `pagemill why`
listing        documents worst first, filtered, in pages
document_view  one document as data of the page
pictures       pictures of pages, drawn on demand in the sandbox
locate         place of a value that a person typed
page           the page: template, script, style, data
session        one session: dataset, reads, corrections
guard          access control: token, host, origin
server         HTTP routes and the loopback server
export         the page as one file
"""
