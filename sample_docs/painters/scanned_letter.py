"""A letter that charges for work, as it comes off the office scanner: one grey, slightly turned picture, no text layer."""

from io import BytesIO

import numpy as np
import pymupdf
from PIL import Image, ImageFilter
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader

from painters.paper import Truth, address, english, line, lines, new_canvas, total

SELLER = ("Whitmore & Daughters", ("3 Chapel Row", "Ludlow SY8 1AR"))
BUYER = ("The Music Department, St Oswin's School", ("Old Mill Lane", "Shrewsbury SY1 9HT"))
ITEMS = [
    line("Tuning of the concert grand in the great hall", "2", "visits", "95.00"),
    line("Regulation of two upright pianos", "2", None, "140.00"),
    line("Replacement of bass strings", "4", "strings", "32.50"),
]


def truth() -> Truth:
    return {
        "number": "W 561",
        "issue_date": "2026-01-09",
        "due_date": "2026-02-06",
        "seller": {"name": SELLER[0], "address": address(SELLER[1]), "tax_id": "GB 615 2208 47"},
        "buyer": {"name": BUYER[0], "address": address(BUYER[1]), "tax_id": None},
        "currency": "GBP",
        **total(ITEMS, "20"),
        "iban": None,
        "line_items": ITEMS,
    }


def draw() -> bytes:
    canvas, buffer = new_canvas("Scan 2026-01-14", "Office scanner")
    picture = _scanned(_letter())
    canvas.drawImage(ImageReader(BytesIO(picture)), 0, 0, A4[0], A4[1])
    canvas.save()
    return buffer.getvalue()


def _letter() -> bytes:
    canvas, buffer = new_canvas("Letter", SELLER[0])
    facts = truth()
    canvas.setFont("Courier-Bold", 17)
    canvas.drawCentredString(298, 770, SELLER[0])
    canvas.setFont("Courier", 10)
    canvas.drawCentredString(298, 753, "Piano tuners and repairers, " + ", ".join(SELLER[1]))
    canvas.drawCentredString(298, 739, "VAT no. GB 615 2208 47")
    canvas.line(80, 728, 516, 728)
    canvas.setFont("Courier", 11)
    lines(canvas, 80, 690, [BUYER[0], *BUYER[1]], 14)
    lines(canvas, 80, 626, ["9 January 2026", "", "Invoice W 561"], 14)
    body = [
        "Dear Ms Penhallow,",
        "",
        "For our work at the school before Christmas we charge as follows:",
        "",
        *(row for item in facts["line_items"] for row in _position(item)),
        "",
        f"{'Net':<42}GBP {english(facts['net_total']):>10}",
        f"{'VAT at 20%':<42}GBP {english(facts['tax_total']):>10}",
        f"{'Total to pay':<42}GBP {english(facts['gross_total']):>10}",
        "",
        "We should be glad of your cheque by 6 February 2026.",
        "",
        "Yours sincerely,",
    ]
    y = lines(canvas, 80, 566, body, 16)
    canvas.setLineWidth(1.3)
    canvas.bezier(92, y - 22, 120, y + 14, 132, y - 44, 156, y - 12)
    canvas.bezier(156, y - 12, 176, y + 6, 190, y - 34, 232, y - 18)
    canvas.setFont("Courier", 11)
    canvas.drawString(80, y - 58, "Edith Whitmore")
    canvas.save()
    return buffer.getvalue()


def _position(item: Truth) -> list[str]:
    count = f"{item['quantity']} {item['unit']}" if item["unit"] else f"{item['quantity']}"
    sale = f"   {count} at {english(item['unit_price'])}"
    return [item["description"], f"{sale:<42}GBP {english(item['amount']):>10}"]


def _scanned(letter: bytes) -> bytes:
    with pymupdf.open(stream=letter, filetype="pdf") as document:
        pixels = document[0].get_pixmap(dpi=130, colorspace=pymupdf.csGRAY)
        sheet = Image.frombytes("L", (pixels.width, pixels.height), pixels.samples)
    turned = sheet.rotate(0.9, Image.Resampling.BICUBIC, fillcolor=250).filter(ImageFilter.GaussianBlur(0.5))
    grey = np.asarray(turned, dtype=np.float64)
    shade = np.linspace(0, -14, grey.shape[1])[None, :]  # the lid was not quite shut on the right
    noise = np.random.default_rng(561).normal(0, 5, grey.shape)
    dirty = Image.fromarray(np.clip(grey * 0.96 + shade + noise, 0, 255).astype(np.uint8))
    buffer = BytesIO()
    dirty.save(buffer, "JPEG", quality=58)
    return buffer.getvalue()
