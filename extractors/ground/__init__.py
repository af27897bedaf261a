"""Place of each value on its page.

ground      values of an answer located on the chunk's pages
page_index  one page's words, indexed for look-ups
"""
