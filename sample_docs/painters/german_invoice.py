"""The German invoice after the usual business letter: window address, information block, bank details in the footer."""

from reportlab.lib.colors import HexColor
from reportlab.pdfgen.canvas import Canvas

from painters.paper import Column, Table, Truth, address, german, iban, line, lines, new_canvas, total

SELLER = ("Nordlicht Elektrotechnik GmbH", ("Hafenstraße 27", "20457 Hamburg"))
BUYER = ("Bäckerei Sönnichsen & Söhne KG", ("Am Alten Markt 3", "24837 Schleswig"))
TEAL = HexColor("#0f6a73")
GREY = HexColor("#5b6670")
ITEMS = [
    line("Unterverteilung 3-reihig, montiert und geprüft", "2", "Stk", "489.00", "19"),
    line("Mantelleitung NYM-J 5x2,5 mm²", "175", "m", "3.48", "19"),
    line("Drehstromanschluss für Etagenbackofen, 32 A", "3", "Stk", "264.90", "19"),
    line("LED-Feuchtraumleuchte 1.500 mm, 48 W", "14", "Stk", "71.25", "19"),
    line("Monteurstunden Elektrofachkraft", "46.5", "Std", "68.50", "19"),
    line("Messprotokoll nach DIN VDE 0100-600", "1", "psch", "185.00", "19"),
    line("Anfahrt Schleswig, Fahrzeug mit Werkstatteinrichtung", "4", "Stk", "79.00", "19"),
]


def truth() -> Truth:
    return {
        "number": "RE-2026-00318",
        "issue_date": "2026-03-14",
        "due_date": "2026-04-13",
        "seller": {"name": SELLER[0], "address": address(SELLER[1]), "tax_id": "DE319428706"},
        "buyer": {"name": BUYER[0], "address": address(BUYER[1]), "tax_id": None},
        "currency": "EUR",
        **total(ITEMS, "19"),
        "iban": iban("DE", "999000000012345678"),
        "line_items": ITEMS,
    }


def draw() -> bytes:
    canvas, buffer = new_canvas("Rechnung RE-2026-00318", SELLER[0])
    facts = truth()
    _head(canvas)
    canvas.setFillColor(HexColor("#000000"))
    canvas.setFont("Helvetica-Bold", 15)
    canvas.drawString(62, 528, "Rechnung")
    canvas.setFont("Helvetica", 9.5)
    lines(
        canvas,
        62,
        506,
        ["Sehr geehrte Damen und Herren,", "für unsere Leistungen in Ihrer Backstube berechnen wir:"],
        14,
    )
    table = Table(canvas, 58, 476, _columns(), size=8.8, pad=4.5, head_fill=HexColor("#e3f0f1"))
    table.head()
    for position, item in enumerate(facts["line_items"], 1):
        places = 1 if item["quantity"] % 1 else 0
        table.row(
            [
                str(position),
                item["description"],
                german(item["quantity"], places),
                item["unit"],
                german(item["unit_price"]),
                f"{item['tax_rate']} %",
                german(item["amount"]),
            ]
        )
    y = _sums(canvas, table.y - 20, facts)
    canvas.setFont("Helvetica", 9.5)
    notes = [
        "Der Rechnungsbetrag ist zahlbar bis zum 13.04.2026 ohne Abzug.",
        "Leistungszeitraum: 02.03.2026 bis 11.03.2026. Es gelten unsere Allgemeinen Geschäftsbedingungen.",
    ]
    lines(canvas, 62, y - 22, notes, 15)
    _footer(canvas, facts)
    canvas.save()
    return buffer.getvalue()


def _columns() -> list[Column]:
    return [
        Column("Pos.", 30),
        Column("Bezeichnung", 205),
        Column("Menge", 48, "right"),
        Column("Einheit", 44),
        Column("Einzelpreis", 60, "right"),
        Column("MwSt.", 40, "right"),
        Column("Gesamt EUR", 66, "right"),
    ]


def _head(canvas: Canvas) -> None:
    canvas.setFillColor(TEAL)
    canvas.rect(0, 812, 596, 30, stroke=0, fill=1)
    canvas.setFont("Helvetica-Bold", 17)
    canvas.drawRightString(551, 772, SELLER[0])
    canvas.setFillColor(GREY)
    canvas.setFont("Helvetica", 9)
    canvas.drawRightString(551, 757, "Meisterbetrieb · Gewerbe · Industrie · Notdienst")
    canvas.setFont("Helvetica", 6.8)
    canvas.drawString(62, 702, " · ".join([SELLER[0], *SELLER[1]]))
    canvas.setFillColor(HexColor("#000000"))
    canvas.setFont("Helvetica", 10.5)
    lines(canvas, 62, 682, [BUYER[0], *BUYER[1]], 14)
    rows = [
        ("Rechnungsnummer:", "RE-2026-00318"),
        ("Rechnungsdatum:", "14.03.2026"),
        ("Fällig am:", "13.04.2026"),
        ("Kundennummer:", "10482"),
        ("Bearbeiter:", "Jette Petersen"),
    ]
    for number, (label, value) in enumerate(rows):
        canvas.setFont("Helvetica", 9)
        canvas.drawString(350, 682 - 15 * number, label)
        canvas.setFont("Helvetica-Bold", 9)
        canvas.drawString(450, 682 - 15 * number, value)


def _sums(canvas: Canvas, y: float, facts: Truth) -> float:
    rows = [("Nettobetrag", "net_total"), ("zzgl. 19 % MwSt.", "tax_total"), ("Gesamtbetrag", "gross_total")]
    for label, key in rows:
        strong = key == "gross_total"
        canvas.setFont("Helvetica-Bold" if strong else "Helvetica", 10.5 if strong else 9.5)
        canvas.drawString(366, y, label)
        canvas.drawRightString(546, y, f"{german(facts[key])} EUR")
        y -= 17
    canvas.setStrokeColor(TEAL)
    canvas.setLineWidth(1.2)
    canvas.line(366, y + 11, 551, y + 11)
    return y


def _footer(canvas: Canvas, facts: Truth) -> None:
    canvas.setLineWidth(0.6)
    canvas.line(62, 92, 551, 92)
    canvas.setFillColor(GREY)
    canvas.setFont("Helvetica", 7.6)
    blocks = [
        (62, [SELLER[0], *SELLER[1], "Tel. 040 5550 1827"]),
        (222, ["Amtsgericht Hamburg HRB 999 127", "Geschäftsführerin: Wiebke Thomsen", "USt-IdNr.: DE319428706"]),
        (390, ["Bank: Hansekontor Bank", f"IBAN: {facts['iban']}", "BIC: HAKODEHHXXX"]),
    ]
    for x, texts in blocks:
        lines(canvas, x, 78, texts, 10.5)
