"""The review page: where people check and correct what was published.

listing    every document with what tells how bad it is: worst first, filtered, a page of them at a time
shown      one document as the page draws it: its fields, places, problems, checks, history
pictures   pictures of pages, drawn on demand in the sandbox from the bytes that were read
place      where on a page a value stands that a person typed
page       the page itself: template, script, style and data, each escaped for where it stands
desk       what one session of reviewing shares: the dataset, its reads and its corrections
guard      who may ask: token, host, origin, kind of content, and what every answer says of itself
server     the addresses, and the server on loopback
export     the page as one file that needs no server
"""
