"""What the reader reads, and what it leaves alone. Pages here are written by hand; no sample document is involved."""

import json
import re
from functools import partial
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extractors.prompt.prompt import wire_schema
from flows.offline.layout import TextPage
from flows.offline.reader import read
from schemas.document_type import DocumentType
from schemas.document_types import DOCUMENT_TYPES
from tests.support.cost import cpu_seconds
from tests.support.examples import examples

INVOICE = wire_schema(DOCUMENT_TYPES["invoice"].root)
REPORT = wire_schema(DOCUMENT_TYPES["report"].root)


def invoice(text: str) -> dict[str, Any]:
    return read(INVOICE, [TextPage(1, text)])


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("Invoice number: 2026-117", "number", "2026-117"),
        ("Invoice number   2026-117", "number", "2026-117"),
        ("| Invoice no. | 2026-117 |\n| --- | --- |", "number", "2026-117"),
        ("Invoice number\n2026-117", "number", "2026-117"),
        ("Customer no. 88   Invoice # 2026-117 | Date 3 May 2026", "number", "2026-117"),
        ("Rechnungs-Nr.: RE/26-9", "number", "RE/26-9"),
        ("Facture n° FA-2017-0010", "number", "FA-2017-0010"),
        ("## Handelsrechnung (380) Nr. 471102 vom 05.03.2020", "number", "471102"),
        ("## Handelsrechnung (380) Nr. 471102 vom 05.03.2020", "issue_date", "2020-03-05"),
        ("Invoice date: 14.03.2026", "issue_date", "2026-03-14"),
        ("Date de facture   13/11/2017", "issue_date", "2017-11-13"),
        ("Invoice date: 02/27/2026\nDue date: 03/04/2026", "due_date", "2026-03-04"),
        ("Invoice date: 27/02/2026\nDue date: 03/04/2026", "due_date", "2026-04-03"),
        ("Der Betrag ist zahlbar bis zum 13.04.2026 ohne Abzug.", "due_date", "2026-04-13"),
        ("Zahlbar innerhalb 30 Tagen netto bis 04.04.2013, 3% Skonto bis 15.03.2013", "due_date", "2013-04-04"),
        ("Gesamtbetrag   1.234,56 EUR", "gross_total", 1234.56),
        ("Total TTC 671,15 €", "gross_total", 671.15),
        ("Amount due: $1,234.56", "gross_total", 1234.56),
        ("| Total due |  | £6,822.96 |\n| --- | --- | --- |", "gross_total", 6822.96),
        ("Nettobetrag: 100,00\nzzgl. 19 % MwSt.   19,00\nGesamtbetrag: 119,00", "tax_total", 19),
        ("Net 100.00\nVAT 20% 20.00\nTotal 120.00", "net_total", 100),
        ("Discount 5%   -840.45", "allowances", 840.45),
        ("Versandkosten: 4,90 €", "charges", 4.9),
        ("Bank: X   IBAN: DE89 3704 0044 0532 0130 00 BIC: COBADEFFXXX", "iban", "DE89 3704 0044 0532 0130 00"),
        ("Currency: GBP", "currency", "GBP"),
        ("Total: 12.50 €", "currency", "EUR"),
    ],
)
def test_labelled_values(text: str, key: str, value: Any) -> None:
    assert invoice(text)[key] == value


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("We will send an invoice soon.", "number"),
        ("Invoice date: to be agreed", "issue_date"),
        ("Stylesheet 2.1.1 vom 01.07.2020", "issue_date"),
        ("The total of your effort counts.", "gross_total"),
        ("Total 12.00 13.00", "gross_total"),
        ("VAT 20%", "tax_total"),
        ("IBAN: not known", "iban"),
        ("Order number: 5", "number"),
        ("", "number"),
    ],
)
def test_what_is_not_there_is_null(text: str, key: str) -> None:
    assert invoice(text)[key] is None


def test_sums_that_agree_win_over_the_order_of_labels() -> None:
    found = invoice(
        "Subtotal 100.00\nDiscount -10.00\nTotal excl. VAT 90.00\nVAT 10% 9.00\nTotal 99.00\nTotal points 500"
    )
    assert (found["net_total"], found["tax_total"], found["gross_total"], found["allowances"]) == (90, 9, 99, 10)


@pytest.mark.parametrize(
    ("text", "side", "party"),
    [
        (
            "Bill to:\nAcme Ltd\n1 High Street\nLeeds LS10 1QT\nUnited Kingdom\n\nInvoice no. 7",
            "buyer",
            {"name": "Acme Ltd", "address": "1 High Street, Leeds LS10 1QT, United Kingdom", "tax_id": None},
        ),
        (
            "Muster GmbH · Ring 5 · 20457 Hamburg\n\nKarl Kunde\nAm Markt 3\n24837 Schleswig",
            "buyer",
            {"name": "Karl Kunde", "address": "Am Markt 3, 24837 Schleswig", "tax_id": None},
        ),
        (
            "Muster GmbH · Ring 5 · 20457 Hamburg\n\nKarl Kunde\nAm Markt 3\n24837 Schleswig",
            "seller",
            {"name": "Muster GmbH", "address": "Ring 5, 20457 Hamburg", "tax_id": None},
        ),
        (
            "Verkäufer\nName:   LIEFERANT GMBH\nAnschrift:   WEG 99\nDE 99199 MUSTERHAUSEN\nUSt.-Id.-Nr.:   DE123456789",
            "seller",
            {"name": "LIEFERANT GMBH", "address": "WEG 99, DE 99199 MUSTERHAUSEN", "tax_id": "DE123456789"},
        ),
        (
            "# Anchor Supply Inc.\n12 Wharf Road\nAstoria, OR 97103\n\nSome text",
            "seller",
            {"name": "Anchor Supply Inc.", "address": "12 Wharf Road, Astoria, OR 97103", "tax_id": None},
        ),
        ("Dear Sir,\nwe saw each other\nin Hamburg", "seller", {"name": None, "address": None, "tax_id": None}),
    ],
)
def test_parties(text: str, side: str, party: dict[str, Any]) -> None:
    assert invoice(text)[side] == party


TABLE = """\
| Pos. | Description | Qty | Unit | Unit price | VAT | Amount |
| --- | --- | --- | --- | --- | --- | --- |
| 1 | Bolt, M6 | 10 | pcs | 0.50 | 20% | 5.00 |
| 2 | Nut | 1,000 | pcs | 0.02 | 20% | 20.00 |"""
BOLT = {"description": "Bolt, M6", "quantity": 10, "unit": "pcs", "unit_price": 0.5, "amount": 5, "tax_rate": 20}
NUT = {"description": "Nut", "quantity": 1000, "unit": "pcs", "unit_price": 0.02, "amount": 20, "tax_rate": 20}


@pytest.mark.parametrize(
    "text",
    [
        TABLE,
        f"{TABLE}\n| | Net total | | | | | 25.00 |\n| | Delivered to | 3 | pcs | 1.00 | 20% | 3.00 |",
        f"{TABLE}\n|  | Carried forward |  |  |  |  | 25.00 |",
        "Pos.   Description   Qty   Unit   Unit price   VAT   Amount\n1   Bolt, M6   10   pcs   0.50   20%   5.00\n2   Nut   1,000   pcs   0.02   20%   20.00",
        TABLE.replace("| Pos. | Description |", "| Pos. Description |  |"),
        TABLE.replace("| Qty | Unit |", "| Qty Unit |")
        .replace("| 10 | pcs |", "| 10 pcs |")
        .replace("| 1,000 | pcs |", "| 1,000 pcs |")
        .replace("--- | ---", "---", 1),
        TABLE.replace("Bolt, M6", "Bolt,<br>M6"),
        TABLE.replace("| 2 |", "| | M6 | | | | | |\n| 2 |").replace("Bolt, M6", "Bolt,"),
        "| Your supplier | | | | | | |\n" + TABLE,
    ],
)
def test_line_items(text: str) -> None:
    assert invoice(text)["line_items"] == [BOLT, NUT]


def test_a_table_runs_over_pages() -> None:
    first, second = TABLE.rsplit("\n", 1)
    head = "\n".join(TABLE.splitlines()[:2])
    pages = [
        TextPage(1, f"{first}\n|  | Carried forward |  |  |  |  | 5.00 |"),
        TextPage(2, f"Acme Ltd   page 2\n\n{head}\n|  | Brought forward |  |  |  |  | 5.00 |\n{second}"),
    ]
    assert read(INVOICE, pages)["line_items"] == [BOLT, NUT]
    assert read(INVOICE, [pages[0], TextPage(2, second)])["line_items"] == [BOLT, NUT]


def test_one_matching_column_is_no_table() -> None:
    assert invoice("| Description | Where |\n| --- | --- |\n| Bolt | 3 |")["line_items"] == []


def test_key_figures_by_year() -> None:
    text = "| Key figure | Unit | 2025 | 2024 |\n| --- | --- | --- | --- |\n| Revenue | EUR million | 80.4 | 74.1 |\n| Staff | people | 1,417 | - |"
    assert read(REPORT, [TextPage(4, text)])["key_figures"] == [
        {"name": "Revenue", "value": 80.4, "unit": "EUR million", "period": "2025"},
        {"name": "Revenue", "value": 74.1, "unit": "EUR million", "period": "2024"},
        {"name": "Staff", "value": 1417, "unit": "people", "period": "2025"},
    ]


def test_title_and_sections_are_headings() -> None:
    found = read(REPORT, [TextPage(1, "# Annual\n# Report\nx\n## One\n## Two\n## Three"), TextPage(2, "## Four")])
    assert found["title"] == "Annual Report"
    assert [section["heading"] for section in found["sections"]] == ["One", "Two", "Three", "Four"]


def test_a_property_nobody_foresaw_is_found_by_its_own_name() -> None:
    schema = {
        "title": "permit",
        "type": "object",
        "properties": {
            "permit_holder": {"type": "string"},
            "capacity": {"type": "integer", "description": "Licensed capacity"},
            "class": {"type": "string", "enum": ["A", "B"]},
            "granted": {"type": "string", "format": "date", "description": "Granted on"},
        },
    }
    wire = wire_schema(DocumentType.from_schema(schema, "permit").root)
    page = TextPage(1, "Permit holder: Jo Doe\nLicensed capacity   1,200\nClass: b\nGranted on 1 May 2026")
    assert read(wire, [page]) == {"permit_holder": "Jo Doe", "capacity": 1200, "class": "B", "granted": "2026-05-01"}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"properties": 5},
        {
            "properties": {
                "a": 5,
                "b": {},
                "c": {"type": "array"},
                "d": {"type": "array", "items": 3},
                "e": {"type": "object"},
            }
        },
        {"properties": {"items": {"type": "array", "items": {"type": "object"}}}},
        {
            "properties": {
                "": {"type": "string"},
                "\u00e9\u00e9": {"type": ["integer", "null"], "description": "Quantity"},
            }
        },
        {"properties": {"a": {"type": "string", "enum": [1, None]}, "b": {"type": [], "description": None}}},
    ],
)
def test_odd_schemas_do_no_harm(schema: dict[str, Any]) -> None:
    found = read(schema, [TextPage(1, f"Quantity: 2.5\na: 1\n{TABLE}")])
    keys = schema.get("properties")
    assert (
        set(found) == {key for key, node in keys.items() if isinstance(node, dict)}
        if isinstance(keys, dict)
        else not found
    )


WORDS = st.sampled_from(
    ["Invoice", "Rechnung", "Nr.", "Total", "VAT", "19 %", "1.234,56", "12.50", "€", "EUR", ":", "|", "---", "\n", "\n\n", "   ", "#", "## ", "Datum",
     "14.03.2026", "Bill to", "GmbH", "20457 Hamburg", "Ring 5", "·", "IBAN", "DE89 3704 0044 0532 0130 00", "Description", "Qty", "Unit", "Price",
     "Amount", "| a |", "2025", "<br>", "Key figure", "Carried forward", "1e999", "9" * 40, "(5)", "-"]
)  # fmt: skip
CELLS = st.one_of(
    st.sampled_from(
        ["", "Pos.", "Description", "Qty Unit", "Unit price", "VAT", "Amount", "Bolt M6", "10 pcs", "1.234,56 €", "19 %", "2025", "Key figure", "Value",
         "Unit", "1", "Total", "Carried forward", "Invoice no.", "RE-7", "Bill to", "Acme Ltd", "Ring 5", "20457 Hamburg", "GTIN: 4012345001235", "-", "5,00 6,00"]
    ),
    st.text(max_size=6),
)  # fmt: skip
ROWS = st.lists(CELLS, min_size=1, max_size=6)
LINES = st.one_of(
    ROWS.map(lambda cells: f"| {' | '.join(cells)} |"), ROWS.map("   ".join), CELLS.map("## {}".format), st.just("")
)
TEXTS = st.one_of(
    st.lists(st.one_of(WORDS, st.text(max_size=8)), max_size=60).map(" ".join),
    st.lists(LINES, max_size=25).map("\n".join),
)


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for below in value.values() for text in strings(below)]
    if isinstance(value, list):
        return [text for below in value for text in strings(below)]
    return [value] if isinstance(value, str) else []


def squeezed(text: str) -> str:
    """Only what a reader sees: white space, breaks, cell borders and the commas that join address lines are left out."""
    return re.sub(r"<br\s*/?>|[\s|,#\\]", "", text, flags=re.IGNORECASE)


@settings(max_examples=examples(150), deadline=None)
@given(texts=st.lists(TEXTS, max_size=3), kind=st.sampled_from(sorted(DOCUMENT_TYPES)))
def test_any_page_gives_a_valid_answer_that_stands_on_the_pages(texts: list[str], kind: str) -> None:
    wire = wire_schema(DOCUMENT_TYPES[kind].root)
    answer = read(wire, [TextPage(number, text) for number, text in enumerate(texts, 1)])
    jsonschema.validate(json.loads(json.dumps(answer, allow_nan=False)), wire)
    printed = squeezed("".join(texts))
    for text in strings(answer):
        if not re.fullmatch(r"\d{4}-\d\d-\d\d|[A-Z]{3}", text):
            assert squeezed(text) in printed


@pytest.mark.parametrize(
    "line",
    [
        "Total " * 4000,
        "a" * 40_000,
        "1 " * 20_000,
        "|" * 20_000,
        "Rechnung " * 3000,
        "1,234.56 € " * 3000,
        "A1" * 20_000,
        "DE89 " * 8000,
        ": " * 20_000,
        "rechnung" * 5000,
    ],
)
def test_no_line_takes_long(line: str) -> None:
    ordinary = ("The approach channel was open. " * 2000)[: len(line)]
    assert cpu_seconds(partial(invoice, line)) < 150 * cpu_seconds(partial(invoice, ordinary))  # about 30 at most


def test_a_hundred_pages_take_a_hundred_times_as_long_as_one() -> None:
    prose = "\n".join(["The approach channel was open on 354 days, and the total of all calls rose to 1,830."] * 30)
    rows = "\n".join(TABLE.splitlines()[2:] * 12)
    pages = [
        TextPage(number, f"{prose}\n\n" + "\n".join(TABLE.splitlines()[:2]) + f"\n{rows}") for number in range(1, 101)
    ]
    assert len(read(INVOICE, pages)["line_items"]) == 2400
    assert cpu_seconds(partial(read, INVOICE, pages)) < 300 * cpu_seconds(partial(read, INVOICE, pages[:1]))
