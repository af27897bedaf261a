from typing import Any

import pytest

from flows.offline import typed
from flows.offline.layout import TextPage, text_rows
from flows.offline.tables import items

ITEM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "article_number": {"type": ["string", "null"], "description": "Article number"},
        "description": {"type": ["string", "null"]},
        "unit": {"type": ["string", "null"]},
        "price": {"type": ["number", "null"]},
        "tags": {"type": "array", "items": {"type": ["string", "null"]}},
    },
}


def read(text: str) -> list[dict[str, Any]]:
    found = text_rows([TextPage(1, text)])
    return items(found, ITEM, typed.habits(cell for row in found for cell in row.cells))


def row(number: str | None, description: str, unit: str | None, price: float | None) -> dict[str, Any]:
    return {"article_number": number, "description": description, "unit": unit, "price": price, "tags": []}


@pytest.mark.parametrize(
    ("text", "rows_read"),
    [
        ("| Art. no. | Description | Unit | Price |\n| --- | --- | --- | --- |\n| 11-1 | Nut | box | 4.04 |", [row("11-1", "Nut", "box", 4.04)]),
        ("| Art. no. Description |  | Unit | Price |\n| 11-1 Nut |  | box | 4.04 |", [row("11-1", "Nut", "box", 4.04)]),
        ("| Artikelnummer | Bezeichnung | Einheit | Preis |\n| A7 | Mutter | Stk | 1.204,50 |\n| A8 | Rad | Stk | 3,50 |", [row("A7", "Mutter", "Stk", 1204.5), row("A8", "Rad", "Stk", 3.5)]),
        ("Art. no.   Description   Qty   Price\n11-1   Nut   5   4.04", [row("11-1", "Nut", None, 4.04)]),
        ("| Artikel | Omschrijving | Prijs |\n| E7 | Moer | 1.20 |", [row("E7", "Moer", None, 1.2)]),
        ("| Artikel | Preis |\n| Mutter | 1,20 |", [row(None, "Mutter", None, 1.2)]),
        ("| Description | Price |\n| Nut | on request |", []),
        ("| Description | Price |\n| 12 | 5.00 |", []),
        ("| Price | Unit |\n| 5.00 | box |", []),
        ("| Description | Price |\n| Nut | 5.00 |\n| Übertrag | 5.00 |\n| Rad | 6.00 |\n| Summe | 11.00 |\n| Later | 7.00 |", [row(None, "Nut", None, 5), row(None, "Rad", None, 6)]),
        ("| Description | Price |\n| Nut | 5.00 |\n| of brass |  |\n| GTIN: 4012345001235 |  |", [row(None, "Nut of brass", None, 5)]),
    ],
)  # fmt: skip
def test_rows(text: str, rows_read: list[dict[str, Any]]) -> None:
    assert read(text) == rows_read
