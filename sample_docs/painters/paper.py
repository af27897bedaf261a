"""What the layouts share: a reproducible canvas, money as each country prints it, sums, and a plain table."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from io import BytesIO
from typing import Any

from reportlab.lib.colors import Color, HexColor, black
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import simpleSplit
from reportlab.pdfgen.canvas import Canvas

CENT = Decimal("0.01")
HAIRLINE = HexColor("#c8ccd0")
Truth = dict[str, Any]


def new_canvas(title: str, author: str, size: tuple[float, float] = A4) -> tuple[Canvas, BytesIO]:
    """A canvas that writes the same bytes on every run: no clock, no random file id."""
    buffer = BytesIO()
    canvas = Canvas(buffer, pagesize=size, invariant=1, pageCompression=1)
    canvas.setTitle(title)
    canvas.setAuthor(author)
    return canvas, buffer


def cents(value: Decimal) -> Decimal:
    return value.quantize(CENT, ROUND_HALF_UP)


def english(value: Decimal, places: int = 2) -> str:
    return f"{value:,.{places}f}"


def german(value: Decimal, places: int = 2) -> str:
    return english(value, places).translate(str.maketrans(",.", ".,"))


def line(description: str, quantity: str, unit: str | None, price: str, tax_rate: str | None = None) -> Truth:
    """One position of an invoice; the amount is quantity times price, rounded to cents."""
    count, each = Decimal(quantity), Decimal(price)
    return {
        "description": description,
        "quantity": count,
        "unit": unit,
        "unit_price": each,
        "amount": cents(count * each),
        "tax_rate": Decimal(tax_rate) if tax_rate else None,
    }


def total(
    lines: Sequence[Truth], rate: str, allowances: Decimal | None = None, charges: Decimal | None = None
) -> Truth:
    """The sums at the foot of an invoice, in the schema's keys."""
    net = sum((item["amount"] for item in lines), Decimal(0)) - (allowances or 0) + (charges or 0)
    tax = cents(net * Decimal(rate) / 100)
    return {
        "net_total": net,
        "tax_total": tax,
        "gross_total": net + tax,
        "allowances": allowances,
        "charges": charges,
    }


def iban(country: str, account: str) -> str:
    """An IBAN with right check digits for an invented account, in groups of four."""
    digits = "".join(str(int(sign, 36)) for sign in account + country)
    whole = f"{country}{98 - int(digits + '00') % 97:02d}{account}"
    return " ".join(whole[start : start + 4] for start in range(0, len(whole), 4))


@dataclass(frozen=True)
class Column:
    title: str
    width: float
    align: str = "left"


@dataclass
class Table:
    """Rows drawn one under the other from `y` down; the caller breaks pages, since each layout does it in its own way."""

    canvas: Canvas
    x: float
    y: float
    columns: Sequence[Column]
    font: str = "Helvetica"
    bold: str = "Helvetica-Bold"
    size: float = 9
    pad: float = 4
    ink: Color = black
    rule: Color | None = HAIRLINE
    head_fill: Color | None = None
    head_ink: Color = black
    zebra: Color | None = None
    drawn: int = 0

    @property
    def width(self) -> float:
        return sum(column.width for column in self.columns)

    def height(self, cells: Sequence[str]) -> float:
        return max(len(block) for block in self._wrapped(cells, self.font)) * self.size * 1.22 + 2 * self.pad

    def head(self) -> None:
        self._row([column.title for column in self.columns], self.bold, self.head_ink, self.head_fill)
        if self.head_fill is None:
            self._line(1.1, self.ink)

    def row(self, cells: Sequence[str], *, strong: bool = False) -> None:
        fill = self.zebra if self.zebra is not None and self.drawn % 2 else None
        self._row(cells, self.bold if strong else self.font, self.ink, fill)
        self.drawn += 1
        if self.rule is not None:
            self._line(0.4, self.rule)

    def _row(self, cells: Sequence[str], font: str, ink: Color, fill: Color | None) -> None:
        wrapped, height = self._wrapped(cells, font), self.height(cells)
        if fill is not None:
            self.canvas.setFillColor(fill)
            self.canvas.rect(self.x, self.y - height, self.width, height, stroke=0, fill=1)
        self.canvas.setFillColor(ink)
        self.canvas.setFont(font, self.size)
        left = self.x
        for column, block in zip(self.columns, wrapped, strict=True):
            for number, text in enumerate(block):
                base = self.y - self.pad - self.size * (0.92 + 1.22 * number)
                if column.align == "right":
                    self.canvas.drawRightString(left + column.width - self.pad, base, text)
                else:
                    self.canvas.drawString(left + self.pad, base, text)
            left += column.width
        self.y -= height

    def _line(self, width: float, color: Color) -> None:
        self.canvas.setStrokeColor(color)
        self.canvas.setLineWidth(width)
        self.canvas.line(self.x, self.y, self.x + self.width, self.y)

    def _wrapped(self, cells: Sequence[str], font: str) -> list[list[str]]:
        return [
            simpleSplit(cell, font, self.size, column.width - 2 * self.pad) or [""]
            for cell, column in zip(cells, self.columns, strict=True)
        ]


def lines(
    canvas: Canvas, x: float, y: float, texts: Sequence[str], leading: float = 12, *, align: str = "left"
) -> float:
    """Texts one under the other; returns the y below the last."""
    for text in texts:
        (canvas.drawRightString if align == "right" else canvas.drawString)(x, y, text)
        y -= leading
    return y


def address(parts: Sequence[str]) -> str:
    """Address lines as the truth holds them: on one line."""
    return ", ".join(parts)
