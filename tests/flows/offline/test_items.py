"""Rows of charged items: badly cut, set over two lines, reduced, or of another table."""

from typing import Any

import pytest

from flows.offline import typed
from flows.offline.headers import is_foreign, known_phrases
from flows.offline.layout import TextPage, text_rows
from flows.offline.tables import items
from flows.offline.wanted import columns

NUMBER = {"type": ["number", "null"]}
ITEM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "description": {"type": ["string", "null"]},
        "quantity": NUMBER,
        "unit_price": NUMBER,
        "amount": NUMBER,
        "tax_rate": NUMBER,
    },
}
HEADS = "Description   Unit price   Quantity   VAT   Amount\n"
TABLE = "| Description | Unit price | Quantity | VAT | Amount |\n"
NUT = ("Nut", 5, 1.5, 7.5, 7)
Item = tuple[str | None, float | None, float | None, float | None, float | None]


def read(text: str) -> list[Item]:
    found = text_rows([TextPage(1, text)])
    made = items(found, ITEM, typed.habits(cell for row in found for cell in row.cells))
    return [(row["description"], row["quantity"], row["unit_price"], row["amount"], row["tax_rate"]) for row in made]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(HEADS + "Nut   1.50   5 pcs   7 %\n7.50", [NUT], id="amount on the next line"),
        pytest.param(TABLE + "| Nut | 1.50 | 5 pcs | 7 % | |\n| 4012345001235 (GTIN) | | | | 7.50 |", [NUT], id="amount in the next row"),
        pytest.param(HEADS + "Nut   1.50   5   7 %\n8.00", [], id="another sum on the next line"),
        pytest.param(HEADS + "Brass\nnut\n1.50   5   7 %   7.50", [(None, 5, 1.5, 7.5, 7)], id="words above the numbers"),
        pytest.param(HEADS + "Brass\nnut\n1.50   5   7 %   9.00", [], id="no words and no proof"),
        pytest.param(HEADS + "1   A-7   Nut   1.50   5   7 %   7.50", [NUT], id="position and code without a title"),
        pytest.param(TABLE + "| 1 | Brass | nut 1.50 | 5 | pcs | 7 | % VAT | (S) 7.50 |", [(None, 5, 1.5, 7.5, 7)], id="cells cut within"),
        pytest.param(TABLE + "| 1 | Brass | nut 1.50 | 5 | pcs | 7 | % VAT | (S) 8.50 |", [], id="cells cut within, no proof"),
        pytest.param(TABLE + "| 1 | Brass | nut 1.50 | 5 | pcs | 99 | % VAT | (S) 7.50 |", [], id="no such rate"),
        pytest.param(TABLE + "| Nut | 0.00 | 5 | pcs | 7 | % | 0.00 |", [], id="zero proves nothing"),
        pytest.param(TABLE + "| Nut GTIN: 4012345001235 | 1.50 | 5 | 7 % | 7.50 |", [NUT], id="a GTIN is no description"),
        pytest.param(TABLE + "| Nut | 10 % | 5 | 7 % | 7.50 |", [("Nut", 5, None, 7.5, 7)], id="a per cent is no price"),
        pytest.param(TABLE + "| Nut | 1.50 | 5 | 7 % | 7.50 |\n| | | | | -0.50 |", [("Nut", 5, 1.5, None, 7)], id="reduced"),
        pytest.param(TABLE + "| Nut | 1.50 | 5 | 7 % | 7.50 |\n| Discount | | | | -0.50 |\n| Cog | 2.00 | 1 | 7 % | 2.00 |", [("Nut", 5, 1.5, 7.5, 7), ("Cog", 1, 2, 2, 7)], id="a discount does not end the items"),
        pytest.param(TABLE + "| Nut | 1.50 | 5 | 7 % | 7.50 |\n| Gross price | : 1.70 Discount | : 0.20 | | |\n\nCog   2.00   1   7 %   2.00", [NUT, ("Cog", 1, 2, 2, 7)], id="a note is no sum"),
        pytest.param("| | Description Quantity | Unit price | Amount |\n| Nut | 5 pcs | 1.50 | 7.50 |", [("Nut", 5, 1.5, 7.5, None)], id="titles merged to the right"),
        pytest.param("| | Description Quantity | Unit price | Amount |\n| | Nut 5 | 1.50 | 7.50 |", [("Nut", 5, 1.5, 7.5, None)], id="titles and cells merged"),
        pytest.param(TABLE + "| Nut | 1.50 | 5 | 7 % | 7.50 |\n\n| | Tax | Base | Amount |\n| Exempt | | 7.50 | 0.00 |", [NUT], id="titles of a tax table"),
        pytest.param(TABLE + "| Nut | 1.50 | 5 | 7 % | 7.50 |\n\n| Description | Quantity |\n| Thread | 1 |", [NUT], id="parts of an item"),
        pytest.param("| Description | Quantity |\n| Thread | 1 |", [("Thread", 1, None, None, None)], id="nothing has a price"),
    ],
)  # fmt: skip
def test_items(text: str, expected: list[Item]) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("| Tax | Base | Amount |", True),
        ("Description   Due   Instalment", True),
        ("| Tax | Amount |", False),
        ("| Nut | of brass | on request |", False),
        ("| Tax 7 | Base | Amount |", False),
    ],
)
def test_titles_of_another_table(text: str, foreign: bool) -> None:
    assert is_foreign(text_rows([TextPage(1, text)])[0], known_phrases(columns(ITEM))) is foreign


def test_a_number_of_a_million_digits_is_no_item() -> None:
    assert read(f"{TABLE}| Brass | nut {'9' * 1_000_000} | 5 | pcs | 7 | % | 7.50 |") == []
