"""The long invoice: one table of 84 lines over three pages, its header repeated, sums carried forward."""

import random
from decimal import Decimal

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import letter
from reportlab.pdfgen.canvas import Canvas

from painters.paper import Column, Table, Truth, address, english, line, lines, new_canvas, total

SELLER = ("Calder Point Marine Supply Inc.", ("2210 Wharf Road, Unit 6", "Astoria, OR 97103", "USA"))
BUYER = ("Grayling Bay Shipyard LLC", ("405 Dry Dock Avenue", "Port Angeles, WA 98362", "USA"))
RUST = HexColor("#9b3d16")
GOODS = [
    ("Shackle, bow type, galvanized", ("1/4 in", "5/16 in", "3/8 in", "1/2 in", "5/8 in", "3/4 in"), "ea", 310),
    ("Hex bolt, stainless 316", ("M6 x 40", "M8 x 50", "M10 x 60", "M12 x 80", "M16 x 100"), "box", 1890),
    ("Double-braid dock line", ("3/8 in x 25 ft", "1/2 in x 35 ft", "5/8 in x 50 ft", "3/4 in x 50 ft"), "ea", 3450),
    ("Wire rope, 7x19 stainless", ("1/8 in", "3/16 in", "1/4 in", "5/16 in"), "ft", 145),
    ("Ball valve, bronze, full port", ("1/2 in", "3/4 in", "1 in", "1-1/4 in", "1-1/2 in", "2 in"), "ea", 2790),
    ("Marine hose, wet exhaust", ("2 in", "3 in", "4 in", "5 in"), "ft", 1360),
    ("Zinc anode, shaft collar", ("1 in", "1-1/4 in", "1-1/2 in", "2 in", "2-1/2 in"), "ea", 1475),
    ("Epoxy primer, two-part", ("grey", "white", "red oxide", "buff"), "gal", 8425),
    ("Tinned copper cable, 2-core", ("16 AWG", "14 AWG", "12 AWG", "10 AWG", "8 AWG"), "ft", 98),
    ("LED navigation light", ("port", "starboard", "stern", "masthead", "anchor"), "ea", 6890),
    ("Bilge pump, automatic", ("500 gph", "800 gph", "1100 gph", "2000 gph"), "ea", 7350),
    ("Cleat, cast aluminum", ("6 in", "8 in", "10 in", "12 in", "15 in"), "ea", 1190),
    ("Fender, cylindrical, vinyl", ("6 x 22", "8 x 26", "10 x 30", "12 x 42"), "ea", 3995),
    ("Sanding disc, ceramic, 6 in", ("P60", "P80", "P120", "P180", "P240"), "box", 4120),
    ("Polyurethane sealant, 10 oz", ("white", "black", "mahogany"), "tube", 1685),
    ("Cable gland, nickel brass", ("M12", "M16", "M20", "M25", "M32"), "ea", 465),
    ("Impeller kit, neoprene", ("type A", "type B", "type C", "type D"), "kit", 3580),
    ("Deck fill plate, stainless", ("diesel", "water", "waste"), "ea", 3275),
    ("Circuit breaker, panel mount", ("10 A", "15 A", "30 A"), "ea", 2440),
]


def items() -> list[Truth]:
    """84 positions, made from the goods above with prices that drift by size; always the same."""
    dice = random.Random(84)
    made = []
    for name, sizes, unit, cents in GOODS:
        for step, size in enumerate(sizes):
            price = Decimal(cents + cents * step // 4 + dice.randrange(0, 95)) / 100
            quantity = dice.choice((2, 4, 6, 8, 10, 12, 20, 24, 40)) * (25 if unit == "ft" else 1)
            made.append(line(f"{name}, {size}", str(quantity), unit, f"{price:.2f}"))
    return made


def truth() -> Truth:
    positions = items()
    return {
        "number": "CPM-118-2604",
        "issue_date": "2026-02-27",
        "due_date": "2026-03-29",
        "seller": {"name": SELLER[0], "address": address(SELLER[1]), "tax_id": None},
        "buyer": {"name": BUYER[0], "address": address(BUYER[1]), "tax_id": None},
        "currency": "USD",
        **total(positions, "8.9"),
        "iban": None,
        "line_items": positions,
    }


def draw() -> bytes:
    canvas, buffer = new_canvas("Invoice CPM-118-2604", SELLER[0], letter)
    facts = truth()
    _first_head(canvas)
    table = _table(canvas, 536)
    page, running = 1, Decimal(0)
    for number, item in enumerate(facts["line_items"], 1):
        if table.y < 98:
            table.row(["", "Carried forward", "", "", "", english(running)], strong=True)
            page += 1
            table = _next_page(canvas, page)
            table.row(["", "Brought forward", "", "", "", english(running)], strong=True)
        numbers = [f"{item['quantity']:,}", item["unit"], english(item["unit_price"]), english(item["amount"])]
        table.row([str(number), item["description"], *numbers])
        running += item["amount"]
    _sums(canvas, table.y - 26, facts)
    _footer(canvas, page)
    canvas.save()
    return buffer.getvalue()


def _table(canvas: Canvas, y: float) -> Table:
    columns = [
        Column("Line", 32),
        Column("Description", 242),
        Column("Qty", 50, "right"),
        Column("Unit", 40),
        Column("Unit price", 70, "right"),
        Column("Amount", 78, "right"),
    ]
    table = Table(canvas, 50, y, columns, size=8.4, pad=3.1, head_fill=RUST, head_ink=HexColor("#ffffff"))
    table.head()
    return table


def _first_head(canvas: Canvas) -> None:
    canvas.setFillColor(RUST)
    canvas.circle(72, 730, 20, stroke=0, fill=1)
    canvas.setFillColor(HexColor("#ffffff"))
    canvas.setFont("Helvetica-Bold", 15)
    canvas.drawCentredString(72, 725, "CP")
    canvas.setFillColor(HexColor("#1b1b1b"))
    canvas.setFont("Helvetica-Bold", 14)
    canvas.drawString(104, 738, SELLER[0])
    canvas.setFont("Helvetica", 8.6)
    lines(canvas, 104, 724, SELLER[1], 11)
    canvas.setFont("Helvetica-Bold", 22)
    canvas.drawRightString(562, 728, "INVOICE")
    rows = [
        ("Invoice Number:", "CPM-118-2604"),
        ("Invoice Date:", "02/27/2026"),
        ("Due Date:", "03/29/2026"),
        ("Terms:", "Net 30"),
    ]
    for number, (label, value) in enumerate(rows):
        canvas.setFont("Helvetica", 9)
        canvas.drawRightString(470, 644 - 15 * number, label)
        canvas.setFont("Helvetica-Bold", 9)
        canvas.drawRightString(562, 644 - 15 * number, value)
    canvas.setFont("Helvetica-Bold", 9)
    canvas.drawString(50, 644, "Bill To")
    canvas.setFont("Helvetica", 10)
    lines(canvas, 50, 630, [BUYER[0], *BUYER[1]], 13)
    canvas.setFont("Helvetica", 8.6)
    canvas.drawString(50, 552, "All amounts in USD. Delivered to Berth 4, February 2026, against standing order GB-77.")


def _next_page(canvas: Canvas, page: int) -> Table:
    _footer(canvas, page - 1)
    canvas.showPage()
    canvas.setFillColor(HexColor("#1b1b1b"))
    canvas.setFont("Helvetica-Bold", 10)
    canvas.drawString(50, 744, SELLER[0])
    canvas.setFont("Helvetica", 9)
    canvas.drawRightString(562, 744, "Invoice CPM-118-2604, continued")
    return _table(canvas, 730)


def _sums(canvas: Canvas, y: float, facts: Truth) -> None:
    canvas.setFillColor(HexColor("#1b1b1b"))
    for label, key in (("Subtotal", "net_total"), ("Sales tax 8.9%", "tax_total"), ("Amount due", "gross_total")):
        strong = key == "gross_total"
        canvas.setFont("Helvetica-Bold" if strong else "Helvetica", 11 if strong else 9.5)
        canvas.drawString(392, y, label)
        canvas.drawRightString(558, y, f"${english(facts[key])}")
        y -= 18
    canvas.setStrokeColor(RUST)
    canvas.setLineWidth(1.5)
    canvas.line(392, y + 12, 562, y + 12)
    canvas.setFont("Helvetica", 8.6)
    lines(
        canvas,
        50,
        y - 16,
        [
            "Make checks payable to Calder Point Marine Supply Inc.",
            "A late charge of 1.5 % per month applies after the due date.",
        ],
        12,
    )


def _footer(canvas: Canvas, page: int) -> None:
    canvas.setFillColor(HexColor("#6b6b6b"))
    canvas.setFont("Helvetica", 8)
    canvas.drawString(50, 40, "Calder Point Marine Supply Inc. · 2210 Wharf Road, Unit 6 · Astoria, OR 97103")
    canvas.drawRightString(562, 40, f"Page {page} of 3")
