"""The built-in document types. To add one, write a module in this folder and a line here."""

from schemas.document_type import DocumentType
from schemas.invoice import Invoice
from schemas.report import Report

DOCUMENT_TYPES: dict[str, DocumentType] = {
    "invoice": DocumentType.from_model(Invoice),
    "report": DocumentType.from_model(Report),
}
