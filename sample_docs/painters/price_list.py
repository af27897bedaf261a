"""A wholesale price list of 400 articles over several pages."""

import random
from decimal import Decimal

from reportlab.lib.colors import HexColor
from reportlab.pdfgen.canvas import Canvas

from painters.paper import Column, Table, Truth, english, new_canvas

SUPPLIER = "Kestrel Fixings & Tools Ltd"
GREEN = HexColor("#1f5a3c")
RANGES = [
    (
        "Wood screw, countersunk, zinc",
        ("3.5", "4.0", "4.5", "5.0", "6.0"),
        (20, 25, 30, 40, 50, 60, 70, 80),
        "box of 200",
        385,
    ),
    ("Machine screw, pan head, A2", ("M3", "M4", "M5", "M6"), (10, 12, 16, 20, 25, 30, 40, 50, 60), "box of 100", 420),
    (
        "Hex bolt, grade 8.8, zinc",
        ("M6", "M8", "M10", "M12", "M16"),
        (25, 30, 40, 50, 60, 70, 80, 100, 120),
        "box of 50",
        690,
    ),
    ("Threaded rod, zinc", ("M6", "M8", "M10", "M12", "M16"), (250, 500, 1000, 2000), "piece", 145),
    ("Wall plug, nylon", ("5", "6", "8", "10", "12"), (25, 30, 40, 50, 60, 80), "box of 100", 265),
    ("Sleeve anchor, zinc", ("M6", "M8", "M10", "M12"), (40, 60, 80, 100, 120, 140), "box of 25", 935),
    ("Masonry drill bit, SDS", ("5.0", "6.0", "8.0", "10", "12", "14", "16"), (110, 160, 210, 260, 310), "piece", 310),
    ("Twist drill, HSS-Co", ("2.0", "2.5", "3.0", "4.0", "5.0", "6.0", "8.0"), (49, 75, 93, 117), "piece", 228),
    ("Hole saw, bimetal", ("22", "29", "35", "44", "54", "68"), (38, 48), "piece", 1240),
    ("Coach screw, hot-dip galvanised", ("M6", "M8", "M10", "M12"), (40, 50, 60, 80, 100, 120), "box of 50", 815),
    ("Clevis pin, plain steel", ("6", "8", "10", "12", "14", "16"), (20, 30, 40, 50, 60, 80), "bag of 10", 540),
    ("Cable tie, UV-stable", ("2.5", "3.6", "4.8", "7.6"), (100, 140, 200, 290, 370), "bag of 100", 190),
    ("Cup square bolt, zinc", ("M6", "M8", "M10"), (50, 65, 75, 100, 130), "box of 50", 720),
    ("Drywall screw, fine thread", ("3.5", "3.9"), (25, 35, 45, 55), "box of 500", 610),
    ("Ring shank nail, bright", ("2.8", "3.1", "3.4"), (50, 55, 60, 65, 70, 75, 80, 85, 90), "box of 1000", 1480),
]


def items() -> list[Truth]:
    """The 400 articles, prices rising with size; always the same."""
    dice = random.Random(400)
    made: list[Truth] = []
    for group, (name, widths, lengths, unit, base) in enumerate(RANGES, 11):
        for row, width in enumerate(widths):
            for column, length in enumerate(lengths):
                price = base * (10 + 3 * row + 2 * column) // 10 + dice.randrange(0, 60)
                made.append(
                    {
                        "article_number": f"{group}-{1000 + 20 * row + column}",
                        "description": f"{name} {width} x {length} mm",
                        "unit": unit,
                        "price": Decimal(price) / 100,
                    }
                )
    return made


def truth() -> Truth:
    return {"supplier": SUPPLIER, "valid_from": "2026-07-01", "currency": "GBP", "items": items()}


def draw() -> bytes:
    canvas, buffer = new_canvas("Wholesale price list 2026/2", SUPPLIER)
    pages = 1
    table = _first_page(canvas)
    for item in items():
        if table.y < 78:
            _footer(canvas, pages)
            canvas.showPage()
            pages += 1
            table = _table(canvas, 774)
            _running_head(canvas)
        table.row([item["article_number"], item["description"], item["unit"], english(item["price"])])
    _footer(canvas, pages)
    canvas.save()
    return buffer.getvalue()


def _first_page(canvas: Canvas) -> Table:
    canvas.setFillColor(GREEN)
    canvas.rect(48, 764, 6, 44, stroke=0, fill=1)
    canvas.setFont("Helvetica-Bold", 20)
    canvas.drawString(64, 790, "Wholesale price list")
    canvas.setFillColor(HexColor("#333333"))
    canvas.setFont("Helvetica", 11)
    canvas.drawString(64, 770, "Fixings, anchors and drill bits for the trade")
    facts = [("Supplier:", SUPPLIER), ("Valid from:", "1 July 2026"), ("Currency:", "GBP")]
    for number, (label, value) in enumerate(facts):
        canvas.setFont("Helvetica-Bold", 9.5)
        canvas.drawString(48, 738 - 15 * number, label)
        canvas.setFont("Helvetica", 9.5)
        canvas.drawString(120, 738 - 15 * number, value)
    canvas.setFont("Helvetica", 8.5)
    canvas.drawString(
        48,
        684,
        "Prices are net of VAT, ex warehouse Telford, and replace all earlier lists. Lengths and diameters in millimetres.",
    )
    return _table(canvas, 668)


def _table(canvas: Canvas, y: float) -> Table:
    columns = [
        Column("Article number", 92),
        Column("Description", 247),
        Column("Unit", 80),
        Column("Price", 80, "right"),
    ]
    table = Table(
        canvas,
        48,
        y,
        columns,
        size=9,
        pad=2.9,
        zebra=HexColor("#eef4f0"),
        head_fill=GREEN,
        head_ink=HexColor("#ffffff"),
    )
    table.head()
    return table


def _running_head(canvas: Canvas) -> None:
    canvas.setFillColor(HexColor("#555555"))
    canvas.setFont("Helvetica", 8.5)
    canvas.drawString(48, 792, SUPPLIER)
    canvas.drawRightString(547, 792, "Wholesale price list 2026/2")


def _footer(canvas: Canvas, page: int) -> None:
    canvas.setFillColor(HexColor("#555555"))
    canvas.setFont("Helvetica", 8)
    canvas.drawString(48, 44, "Orders: orders@kestrel-fixings.example · 01952 555 0142")
    canvas.drawRightString(547, 44, f"Page {page}")
