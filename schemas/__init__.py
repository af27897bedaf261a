"""What the data is. No room of the house is imported from here.

pipeline        what passes between the steps
errors          the one error tree
fields          a JSON Schema as a tree of fields
document_type   DocumentType: name, schema, identity
document_types  the visible dict of built-in types
invoice, report one document type a module
models          the model table
tables          the Arrow schema of every table
"""
