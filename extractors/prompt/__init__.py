"""Chunk and document type to a request.

prompt        messages, schema on the wire, exact token count
few_shot      examples as earlier turns of the conversation
field_groups  wide schemas as groups of fields asked separately
"""
