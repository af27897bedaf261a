"""The classic English invoice: serif letterhead, boxed reference block, sums at the foot."""

from decimal import Decimal

from reportlab.lib.colors import HexColor
from reportlab.pdfgen.canvas import Canvas

from painters.paper import Column, Table, Truth, address, english, iban, line, lines, new_canvas, total

SELLER = ("Harrow & Finch Bookbinders Ltd", ("14 Tanner's Yard", "Leeds LS10 1QT", "United Kingdom"))
BUYER = (
    "Castleford Municipal Library",
    ("Accounts Payable", "Carlton Street 88", "Castleford WF10 1BB", "United Kingdom"),
)
NAVY = HexColor("#1c2b4a")
ITEMS = [
    line("Rebinding of parish registers, full calf, 1841-1902", "12", "vols", "186.50"),
    line("Paper repair with Japanese tissue", "38", "h", "42.00"),
    line("Archival slip cases, buckram, made to measure", "12", "pcs", "64.75"),
    line("Gold tooling of spines, title and year", "12", "pcs", "28.40"),
    line("De-acidification of loose sheets", "640", "sheets", "0.85"),
    line("Collection and return by insured van", "2", "trips", "95.00"),
]


def truth() -> Truth:
    return {
        "number": "HF-2026-0417",
        "issue_date": "2026-04-17",
        "due_date": "2026-05-17",
        "seller": {"name": SELLER[0], "address": address(SELLER[1]), "tax_id": "GB 482 9173 05"},
        "buyer": {"name": BUYER[0], "address": address(BUYER[1][1:]), "tax_id": None},
        "currency": "GBP",
        **total(ITEMS, "20"),
        "iban": iban("GB", "FNCH60161331926819"),
        "line_items": ITEMS,
    }


def draw() -> bytes:
    canvas, buffer = new_canvas("Invoice HF-2026-0417", SELLER[0])
    facts = truth()
    _letterhead(canvas)
    _references(canvas)
    table = Table(
        canvas,
        56,
        508,
        [
            Column("Description", 233),
            Column("Quantity", 58, "right"),
            Column("Unit", 48),
            Column("Unit price", 68, "right"),
            Column("Amount", 76, "right"),
        ],
        "Times-Roman",
        "Times-Bold",
        10,
        5,
    )
    table.head()
    for item in facts["line_items"]:
        texts = [f"{item['quantity']:,}", item["unit"], english(item["unit_price"]), english(item["amount"])]
        table.row([item["description"], *texts])
    _sums(canvas, table.y - 24, facts)
    _foot(canvas, facts)
    canvas.save()
    return buffer.getvalue()


def _letterhead(canvas: Canvas) -> None:
    canvas.setFillColor(NAVY)
    canvas.setFont("Times-Bold", 20)
    canvas.drawString(56, 772, SELLER[0])
    canvas.setFont("Times-Italic", 10.5)
    canvas.drawString(56, 756, "Fine binding and paper conservation since 1927")
    canvas.setFont("Times-Roman", 9.5)
    lines(canvas, 539, 778, SELLER[1], 12, align="right")
    canvas.drawRightString(539, 742, "VAT Reg. No. GB 482 9173 05")
    canvas.setStrokeColor(NAVY)
    canvas.setLineWidth(1.4)
    canvas.line(56, 732, 539, 732)
    canvas.setFont("Times-Bold", 26)
    canvas.drawString(56, 692, "INVOICE")


def _references(canvas: Canvas) -> None:
    canvas.setFillColor(HexColor("#000000"))
    canvas.setFont("Times-Bold", 10)
    canvas.drawString(56, 656, "Bill to:")
    canvas.setFont("Times-Roman", 11)
    lines(canvas, 56, 640, [BUYER[0], *BUYER[1]], 14)
    canvas.setStrokeColor(HexColor("#8a93a5"))
    canvas.setLineWidth(0.6)
    canvas.rect(332, 574, 207, 96)
    rows = [
        ("Invoice no.", "HF-2026-0417"),
        ("Invoice date", "17 April 2026"),
        ("Due date", "17 May 2026"),
        ("Your order", "CML/PO/5521"),
        ("Currency", "GBP"),
    ]
    for number, (label, value) in enumerate(rows):
        y = 652 - 17 * number
        canvas.setFont("Times-Bold", 10)
        canvas.drawString(342, y, label)
        canvas.setFont("Times-Roman", 10)
        canvas.drawString(428, y, value)


def _sums(canvas: Canvas, y: float, facts: Truth) -> None:
    rows = [("Net total", "net_total"), ("VAT 20%", "tax_total"), ("Total due", "gross_total")]
    for label, key in rows:
        strong = key == "gross_total"
        canvas.setFont("Times-Bold" if strong else "Times-Roman", 12 if strong else 10.5)
        value: Decimal = facts[key]
        if strong:
            canvas.line(350, y + 15, 539, y + 15)
        canvas.drawString(354, y, label)
        canvas.drawRightString(535, y, f"£{english(value)}")
        y -= 21


def _foot(canvas: Canvas, facts: Truth) -> None:
    canvas.setStrokeColor(NAVY)
    canvas.line(56, 118, 539, 118)
    canvas.setFont("Times-Roman", 9.5)
    texts = [
        "Payment within 30 days of the invoice date. Please quote the invoice number with your payment.",
        f"Bank: Aire Valley Bank plc     IBAN: {facts['iban']}     BIC: AVBKGB2L",
        "Registered in England and Wales no. 00214873. Thank you for your custom.",
    ]
    lines(canvas, 56, 102, texts, 14)
