"""Labels under other names come to the shape of the schema."""

from extractors.evaluate.labels import names_of, shaped
from schemas.document_types import DOCUMENT_TYPES

ROOT = DOCUMENT_TYPES["invoice"].root


def test_a_column_or_a_dotted_path_stands_for_its_field() -> None:
    unknown: set[str] = set()
    labels = {"seller_name": "A", "buyer.tax_id": "B", "net_total": 1, "seller": {"address": "C"}}
    assert shaped(labels, ROOT, {}, unknown) == {
        "seller": {"name": "A", "address": "C"}, "buyer": {"tax_id": "B"}, "net_total": 1,
    }  # fmt: skip
    assert not unknown


def test_other_names_are_told_what_they_stand_for() -> None:
    names = names_of({"id": "number", "vat": "seller.tax_id", "rows": "line_items", "rows.total": "line_items.amount"})
    unknown: set[str] = set()
    labels = {"id": "7", "vat": "DE1", "rows": [{"total": 5, "description": "x"}, None]}
    assert shaped(labels, ROOT, names, unknown) == {
        "number": "7", "seller": {"tax_id": "DE1"}, "line_items": [{"amount": 5, "description": "x"}, {}],
    }  # fmt: skip
    assert not unknown


def test_labels_without_a_field_are_named_once_and_left_out() -> None:
    unknown: set[str] = set()
    shape = shaped({"colour": "red", "line_items": [{"sku": 1}, {"sku": 2}]}, ROOT, {}, unknown)
    assert shape == {"line_items": [{}, {}]}
    assert unknown == {"/colour", "/line_items/sku"}


def test_a_null_stays_a_null_and_a_missing_label_stays_missing() -> None:
    assert shaped({"seller": None, "iban": None}, ROOT, {}, set()) == {"seller": None, "iban": None}
