"""Names and shapes of the data: document types, the frozen data between steps, tables, errors.

step_data       frozen data that passes between the steps
errors          the one error tree, and the exit code of each
fields          a JSON Schema as a tree of fields; JSON pointers
document_type   DocumentType: name, schema, identity, from pydantic or JSON Schema
patterns        validators whose patterns end, and that fetch nothing
document_types  dict of the built-in document types
invoice         document type of invoices and credit notes
report          document type of reports
models          table of known models: window, limits, prices
tables          Arrow schema of every table of ours
record_tables   tables that a document type makes
checks          declared checks (`x-pagemill-checks`), parsed and evaluated
catalog         `catalog.sql` of a dataset: views for DuckDB
dictionary      `README.md` of a dataset: its data dictionary
schema_draft    draft of a JSON Schema from example answers
"""
