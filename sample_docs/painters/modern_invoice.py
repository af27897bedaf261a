"""The modern invoice: a coloured side column with the facts, the positions beside it, a discount and freight."""

from decimal import Decimal

from reportlab.lib.colors import HexColor
from reportlab.pdfgen.canvas import Canvas

from painters.paper import Column, Table, Truth, address, cents, english, iban, line, lines, new_canvas, total

SELLER = ("Studio Veldkamp B.V.", ("Oudegracht 311", "3511 PB Utrecht", "Netherlands"))
BUYER = ("Hotel Lindenhof & Spa", ("Seepromenade 9", "6353 Weggis", "Switzerland"))
PLUM, SAND, INK = HexColor("#43275a"), HexColor("#f5efe6"), HexColor("#262030")
LILAC = HexColor("#cbb8dd")
ITEMS = [
    line("Lounge chair Mira, oak, wool bouclé", "8", "pcs", "745.00", "21"),
    line("Side table Tondo, travertine top", "6", "pcs", "389.50", "21"),
    line("Pendant lamp Kelk, hand-blown glass", "11", "pcs", "214.00", "21"),
    line("Room divider, woven leather, made to measure", "2", "pcs", "1860.00", "21"),
    line("Lighting plan and installation on site", "26.5", "hours", "92.00", "21"),
]


def truth() -> Truth:
    allowance = cents(sum((item["amount"] for item in ITEMS), Decimal(0)) * Decimal("0.05"))
    return {
        "number": "2026-0093",
        "issue_date": "2026-05-21",
        "due_date": "2026-06-04",
        "seller": {"name": SELLER[0], "address": address(SELLER[1]), "tax_id": "NL862417305B01"},
        "buyer": {"name": BUYER[0], "address": address(BUYER[1]), "tax_id": "CHE-294.117.806"},
        "currency": "EUR",
        **total(ITEMS, "21", allowance, Decimal("485.00")),
        "iban": iban("NL", "VELD0417164300"),
        "line_items": ITEMS,
    }


def draw() -> bytes:
    canvas, buffer = new_canvas("Invoice 2026-0093", SELLER[0])
    facts = truth()
    _side(canvas, facts)
    canvas.setFillColor(INK)
    canvas.setFont("Helvetica-Bold", 30)
    canvas.drawString(214, 762, "Invoice")
    canvas.setFont("Helvetica", 10)
    canvas.drawString(214, 742, "Furnishing of the lake-side lounge, second and last part")
    table = Table(
        canvas,
        210,
        708,
        [
            Column("Item", 132),
            Column("Qty", 32, "right"),
            Column("Unit", 34),
            Column("Price", 52, "right"),
            Column("VAT", 32, "right"),
            Column("Total", 62, "right"),
        ],
        size=8.8,
        pad=5,
        ink=INK,
        rule=None,
        zebra=SAND,
        head_fill=PLUM,
        head_ink=HexColor("#ffffff"),
    )
    table.head()
    for item in facts["line_items"]:
        numbers = [
            f"{item['quantity']:,}",
            item["unit"],
            english(item["unit_price"]),
            f"{item['tax_rate']}%",
            english(item["amount"]),
        ]
        table.row([item["description"], *numbers])
    y = _sums(canvas, table.y - 26, facts)
    canvas.setFillColor(INK)
    canvas.setFont("Helvetica-Oblique", 9.5)
    lines(
        canvas,
        214,
        y - 30,
        ["Thank you for letting us furnish your house.", "Please transfer the amount due within 14 days."],
        14,
    )
    canvas.save()
    return buffer.getvalue()


def _side(canvas: Canvas, facts: Truth) -> None:
    canvas.setFillColor(PLUM)
    canvas.rect(0, 0, 188, 842, stroke=0, fill=1)
    canvas.setStrokeColor(LILAC)
    canvas.setLineWidth(2.4)
    for radius in (10, 17, 24):
        canvas.arc(28, 762, 28 + 2 * radius, 762 + 2 * radius, 0, 180)
    blocks = [
        ("From", [SELLER[0], *SELLER[1]]),
        ("VAT number", [facts["seller"]["tax_id"]]),
        ("Billed to", [BUYER[0], *BUYER[1]]),
        ("Customer VAT number", [facts["buyer"]["tax_id"]]),
        ("Invoice number", [facts["number"]]),
        ("Invoice date", ["21 May 2026"]),
        ("Payment due", ["4 June 2026"]),
        ("Currency", ["EUR"]),
        ("IBAN", [facts["iban"]]),
        ("BIC", ["VELDNL2U"]),
    ]
    y = 728.0
    for label, texts in blocks:
        canvas.setFillColor(LILAC)
        canvas.setFont("Helvetica-Bold", 7.8)
        canvas.drawString(28, y, label)
        canvas.setFillColor(HexColor("#ffffff"))
        canvas.setFont("Helvetica", 10)
        y = lines(canvas, 28, y - 14, texts, 13.5) - 14


def _sums(canvas: Canvas, y: float, facts: Truth) -> float:
    subtotal = facts["net_total"] + facts["allowances"] - facts["charges"]
    rows = [
        ("Subtotal", subtotal, ""),
        ("Discount 5%", facts["allowances"], "-"),
        ("Freight", facts["charges"], ""),
        ("Total excl. VAT", facts["net_total"], ""),
        ("VAT 21%", facts["tax_total"], ""),
    ]
    canvas.setFont("Helvetica", 9.6)
    for label, value, sign in rows:
        canvas.drawString(366, y, label)
        canvas.drawRightString(549, y, f"{sign}{english(value)}")
        y -= 17
    canvas.setFillColor(PLUM)
    canvas.roundRect(352, y - 16, 202, 26, 5, stroke=0, fill=1)
    canvas.setFillColor(HexColor("#ffffff"))
    canvas.setFont("Helvetica-Bold", 11.5)
    canvas.drawString(366, y - 7, "Amount due")
    canvas.drawRightString(549, y - 7, f"€ {english(facts['gross_total'])}")
    return y - 16
