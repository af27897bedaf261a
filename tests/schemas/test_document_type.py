"""Document types from classes and from schemas, and what they find wrong with a record."""

import datetime
from decimal import Decimal
from typing import Annotated

import pytest
from pydantic import BaseModel, Field, field_validator

from schemas.document_type import DocumentType
from schemas.document_types import DOCUMENT_TYPES
from schemas.errors import ConfigurationError

INVOICE = DOCUMENT_TYPES["invoice"]


def test_the_table_is_named_by_class_title_or_file() -> None:
    class PurchaseOrder(BaseModel):
        number: str | None = None

    assert DocumentType.from_model(PurchaseOrder).name == "purchase_order"
    leaf = {"type": "object", "properties": {"a": {"type": "string"}}}
    assert DocumentType.from_schema({**leaf, "title": "Price List 2026"}, "x").name == "price_list_2026"
    assert DocumentType.from_schema(leaf, "way-bill").name == "way_bill"


def test_required_nulls_are_named_and_optional_ones_are_not() -> None:
    value = {"number": "7", "issue_date": None, "gross_total": Decimal(1), "due_date": None, "line_items": []}
    assert [(problem.field, problem.kind) for problem in INVOICE.validate(value)] == [("/issue_date", "required")]


def test_dates_and_decimals_are_valid_as_they_are() -> None:
    value = {
        "number": "7",
        "issue_date": datetime.date(2026, 1, 2),
        "gross_total": Decimal("1.50"),
        "line_items": [{"quantity": Decimal("1.5")}],
    }
    assert INVOICE.validate(value) == ()


def test_a_schema_keyword_and_a_python_validator_reject_a_value() -> None:
    class Order(BaseModel):
        number: Annotated[str | None, Field(pattern="^A")] = None
        amount: int | None = None

        @field_validator("amount")
        @classmethod
        def even(cls, amount: int | None) -> int | None:
            if amount is not None and amount % 2:
                raise ValueError("odd")
            return amount

    problems = DocumentType.from_model(Order).validate({"number": "B1", "amount": 3})
    assert {problem.field: problem.kind for problem in problems} == {"/number": "rejected", "/amount": "rejected"}


def test_every_field_has_a_description_and_identity_follows_it() -> None:
    for each in DOCUMENT_TYPES.values():
        assert "description" in str(each.schema)
        changed = DocumentType.from_schema({**each.schema, "description": "other"}, each.name)
        assert changed.identity != each.identity


@pytest.mark.parametrize(
    ("group", "complaint"),
    [
        ("items.x", "'items' is a list: expected a text field"),
        ("items", "invalid kind list: expected a text field"),
        ("seller.y", "unknown field 'y' in seller"),
        ("total", "invalid kind number: expected a text field"),
    ],
)
def test_a_group_that_is_no_single_text_is_refused_with_the_reason(group: str, complaint: str) -> None:
    text = {"type": "string"}
    properties = {
        "items": {"type": "array", "items": {"type": "object", "properties": {"x": text}}},
        "seller": {"type": "object", "properties": {"x": text}},
        "total": {"type": "number"},
    }
    with pytest.raises(ConfigurationError, match=complaint):
        DocumentType.from_schema({"type": "object", "properties": properties, "x-pagemill-group": group}, "x")
