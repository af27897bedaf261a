"""What people call a field on the command line: a JSON pointer, or a column of the record's table."""

from schemas.document_type import DocumentType
from schemas.tables import pointers_of


def pointer_of(document_type: DocumentType, name: str) -> str:
    """The JSON pointer that `name` means: itself, a column of the record's table (`seller_name`), or a field of the record."""
    if name.startswith("/") or not name:
        return name
    return pointers_of(document_type)[document_type.name].get(name, f"/{name}")
