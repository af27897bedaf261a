"""Charts as flowables, drawn with lines and boxes: nothing here is a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from reportlab.lib.colors import HexColor
from reportlab.platypus import Flowable

INKS = tuple(HexColor(color) for color in ("#14507a", "#e08e2b", "#5c9a76", "#8a4f7d", "#9aa4ad"))
GRID = HexColor("#d5dade")
TEXT = HexColor("#3c4650")


@dataclass
class Chart(Flowable):
    """Axes with one value for each label and series; subclasses draw the marks."""

    labels: Sequence[str]
    series: Sequence[tuple[str, Sequence[float]]]
    unit: str
    step: float
    width: float = 460
    height: float = 200

    def __post_init__(self) -> None:
        width, height = self.width, self.height
        super().__init__()  # which sets both to 0
        self.width, self.height = width, height
        top = max(self.peak(), self.step)
        self.ticks = ceil(top / self.step * 1.02)

    def peak(self) -> float:
        return max(max(values) for _, values in self.series)

    def x(self, slot: float) -> float:
        return 46 + (self.width - 56) * slot / len(self.labels)

    def y(self, value: float) -> float:
        return 26 + (self.height - 62) * value / (self.ticks * self.step)

    def draw(self) -> None:
        self._axes()
        self._legend()
        self.marks()

    def marks(self) -> None:
        raise NotImplementedError

    def _axes(self) -> None:
        pen = self.canv
        pen.setFont("Helvetica", 7.5)
        pen.setLineWidth(0.5)
        for tick in range(self.ticks + 1):
            pen.setStrokeColor(GRID)
            pen.line(46, self.y(tick * self.step), self.width - 10, self.y(tick * self.step))
            pen.setFillColor(TEXT)
            pen.drawRightString(41, self.y(tick * self.step) - 2.5, f"{tick * self.step:g}")
        for slot, label in enumerate(self.labels):
            pen.drawCentredString(self.x(slot + 0.5), 13, label)

    def _legend(self) -> None:
        pen, left = self.canv, 46.0
        pen.setFont("Helvetica-Oblique", 7.5)
        pen.drawString(6, self.height - 10, self.unit)
        pen.setFont("Helvetica", 8)
        for ink, (name, _) in zip(INKS, self.series, strict=False):
            pen.setFillColor(ink)
            pen.rect(left, self.height - 27, 8, 8, stroke=0, fill=1)
            pen.setFillColor(TEXT)
            pen.drawString(left + 12, self.height - 26, name)
            left += 28 + pen.stringWidth(name, "Helvetica", 8)


class Bars(Chart):
    """Bars side by side."""

    def marks(self) -> None:
        wide = (self.x(1) - self.x(0)) * 0.7 / len(self.series)
        for number, (_, values) in enumerate(self.series):
            self.canv.setFillColor(INKS[number])
            for slot, value in enumerate(values):
                left = self.x(slot + 0.15) + number * wide
                self.canv.rect(left, self.y(0), wide * 0.92, self.y(value) - self.y(0), stroke=0, fill=1)


class Stack(Chart):
    """Bars on top of each other."""

    def peak(self) -> float:
        return max(map(sum, zip(*(values for _, values in self.series), strict=True)))

    def marks(self) -> None:
        for slot in range(len(self.labels)):
            foot = 0.0
            for ink, (_, values) in zip(INKS, self.series, strict=False):
                self.canv.setFillColor(ink)
                height = self.y(values[slot]) - self.y(0)
                self.canv.rect(self.x(slot + 0.22), self.y(foot), self.x(0.56) - self.x(0), height, stroke=0, fill=1)
                foot += values[slot]


class Lines(Chart):
    """A line with dots for each series."""

    def marks(self) -> None:
        pen = self.canv
        for ink, (_, values) in zip(INKS, self.series, strict=False):
            pen.setStrokeColor(ink)
            pen.setFillColor(ink)
            pen.setLineWidth(1.8)
            points = [(self.x(slot + 0.5), self.y(value)) for slot, value in enumerate(values)]
            for (x0, y0), (x1, y1) in pairwise(points):
                pen.line(x0, y0, x1, y1)
            for x, y in points:
                pen.circle(x, y, 2.6, stroke=0, fill=1)
