from typing import Any

import pytest

from flows.offline.wanted import leaves


@pytest.mark.parametrize(
    ("path", "node", "concept", "kind"),
    [
        (("number",), {"type": ["string", "null"], "description": "Invoice number"}, "invoice_number", "code"),
        (("invoiceNumber",), {"type": "string"}, "invoice_number", "code"),
        (("number",), {"type": ["string", "null"], "description": "Number of the house"}, "number", "text"),
        (("seller", "tax_id"), {"type": ["string", "null"]}, "seller_tax_id", "vat"),
        (("buyer", "tax_id"), {"type": ["string", "null"]}, "buyer_tax_id", "vat"),
        (("buyer_city",), {"type": ["string", "null"]}, "buyer_city", "party"),
        (("net_total",), {"type": ["number", "null"]}, "net_total", "money"),
        (("net_total",), {"type": ["string", "null"]}, "net_total", "text"),
        (("granted",), {"type": ["string", "null"], "description": "Day of grant (YYYY-MM-DD)"}, "granted", "date"),
        (("grade",), {"type": ["string", "null"], "enum": ["A", None]}, "grade", "enum"),
    ],
)
def test_what_a_property_asks_for(path: tuple[str, ...], node: dict[str, Any], concept: str, kind: str) -> None:
    schema: dict[str, Any] = node
    for key in reversed(path):
        schema = {"type": "object", "properties": {key: schema}}
    (leaf,) = leaves(schema)
    assert (leaf.path, leaf.concept, leaf.kind) == (path, concept, kind)
