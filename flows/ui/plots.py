"""Plots of a run page, as SVG elements within the page.

Equal numbers give equal bytes: no date, no ids, no outlines of fonts. Colours are the page's CSS variables, so that plots follow
its light and dark styles.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

_WIDTH, _HEIGHT = 331.0, 158.0  # of the view box; drawn at the width of its column
_LEFT, _RIGHT, _TOP, _BOTTOM = 40.0, 311.0, 8.0, 122.0  # of the axes within it
_NAMES = 66.0  # the left end of the axes beside which names are written
_BINS = 48
_WIDE = 20.0  # ratio of the largest to the least value above which an axis is logarithmic
_HEADROOM = 1.05  # top of the vertical axis, as a multiple of the largest value
_LEAST = 1e-300  # values up to it count as 0
_MOST_MARKS = 8  # on a logarithmic axis
_SOFT, _LINE, _BAR, _SECOND = "var(--soft)", "var(--line)", "var(--bar)", "var(--second)"
_UNITS = ((172_800.0, 86_400.0, "days"), (7_200.0, 3_600.0, "hours"), (180.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot: its title, the SVG element, and its content in words."""

    title: str
    svg: str
    text: str


def rate_plot(title: str, amounts: pa.ChunkedArray, ended_at: pa.ChunkedArray, seconds: pa.ChunkedArray) -> Plot | None:
    """Rate per second over the run; each document's amount is spread over the seconds that it took."""
    if not len(amounts):
        return None
    ends = ended_at.cast(pa.int64()).to_numpy() / 1e6
    lasted = np.maximum(_numbers(seconds, 0.0), 1e-3)
    starts, many = ends - lasted, _numbers(amounts, 0.0)
    edges = np.linspace(starts.min(), ends.max(), _BINS + 1)
    done = np.array([(many * np.clip((edge - starts) / lasted, 0.0, 1.0)).sum() for edge in edges])
    rates = np.diff(done) / np.diff(edges)
    span = float(edges[-1] - edges[0])
    size, unit = next((size, unit) for least, size, unit in _UNITS if span >= least)
    drawing = _Drawing(span / size, float(rates.max()))
    drawing.mark_height(_ticks(drawing.high, 4))
    drawing.mark_width(_ticks(drawing.wide, 8))
    drawing.steps(((edges - edges[0]) / size).tolist(), rates.tolist(), _BAR, 1.0)
    drawing.name_width(f"{unit} from the first document's start")
    mean = float(many.sum()) / span
    return Plot(
        title,
        drawing.svg(),
        f"{_rounded(mean)} on average over {_rounded(span)} s, at most {_rounded(float(rates.max()))}.",
    )


def distribution(title: str, values: Mapping[str, pa.ChunkedArray], unit: str) -> Plot | None:
    """Histogram of one or two series of one unit."""
    series = {name: _numbers(column) for name, column in values.items()}
    series = {name: numbers for name, numbers in series.items() if numbers.size}
    if not series:
        return None
    whole = np.concatenate(list(series.values()))
    above = whole[whole > 0]
    is_wide = bool(above.size) and float(whole.max()) > _WIDE * float(above.min())
    low, high = (float(above.min()), float(above.max())) if is_wide else (0.0, float(whole.max()) or 1.0)
    edges = np.geomspace(low, high, _BINS + 1) if is_wide else np.linspace(low, high, _BINS + 1)
    counts = {name: np.histogram(np.clip(numbers, low, high), edges)[0] for name, numbers in series.items()}
    drawing = _Drawing(high, float(max(heights.max() for heights in counts.values())), low if is_wide else None)
    drawing.mark_height(_ticks(drawing.high, 4, least=1.0))
    drawing.mark_width(_powers(low, high) if is_wide else _ticks(high, 5))
    for (_, heights), colour in zip(counts.items(), (_BAR, _SECOND), strict=False):
        drawing.steps(edges.tolist(), heights.tolist(), colour, 0.85 if len(series) == 1 else 0.7)
    drawing.name_width(unit)
    if len(series) > 1:
        drawing.name_colours(dict(zip(series, (_BAR, _SECOND), strict=False)))
    parts = [f"{f'{name}: ' if len(series) > 1 else ''}{_spread(numbers, unit)}" for name, numbers in series.items()]
    return Plot(title, drawing.svg(), f"{'; '.join(parts)}.")


def compared(title: str, amounts: Mapping[str, float], text: str) -> Plot:
    """Bars of a few amounts, one below the other."""
    drawing = _Drawing(max(amounts.values()) * _HEADROOM, 0.0, left=_NAMES)
    drawing.mark_width(_ticks(drawing.wide, 4), lambda value: f"${_rounded(value)}")
    space = (_BOTTOM - _TOP) / len(amounts)
    for index, ((name, amount), colour) in enumerate(zip(amounts.items(), (_BAR, _SECOND, _LINE), strict=False)):
        middle = _TOP + space * (index + 0.5)
        width = drawing.across(amount) - _NAMES
        drawing.add(f"<rect {_at(_NAMES, middle - 0.275 * space, 'x y')} {_at(width, 0.55 * space, 'width height')} ")
        drawing.parts[-1] += f'style="fill: {colour}"/>'
        drawing.write(name, _NAMES - 5, middle + 3, "end")
    return Plot(title, drawing.svg(), text)


@dataclass(slots=True)
class _Drawing:
    """Axes and drawn elements.

    `wide` and `most` are the largest horizontal and vertical values; `low`, if given, is the least of a logarithmic axis.
    """

    wide: float
    most: float
    low: float | None = None
    left: float = _LEFT
    parts: list[str] = field(default_factory=list)

    @property
    def high(self) -> float:
        """The value at the top of the vertical axis."""
        return self.most * _HEADROOM if self.most > _LEAST else 1.0

    def across(self, value: float) -> float:
        """The x coordinate of a value."""
        share = value / self.wide if self.wide else 0.0
        if self.low is not None:
            share = (math.log(value) - math.log(self.low)) / (math.log(self.wide) - math.log(self.low))
        return self.left + (_RIGHT - self.left) * share

    def upwards(self, value: float) -> float:
        """The y coordinate of a value."""
        return _BOTTOM - (_BOTTOM - _TOP) * value / self.high

    def steps(self, edges: Sequence[float], heights: Sequence[float], colour: str, opacity: float) -> None:
        """Draw a filled line of steps, one between each two edges."""
        line = [f"M{_number(self.across(edges[0]))} {_number(_BOTTOM)}"]
        for (_, end), height in zip(pairwise(edges), heights, strict=True):
            line.append(f"V{_number(self.upwards(float(height)))}H{_number(self.across(float(end)))}")
        self.add(f'<path d="{"".join(line)}V{_number(_BOTTOM)}Z" style="fill: {colour}; opacity: {opacity:g}"/>')

    def mark_height(self, values: Sequence[float]) -> None:
        """Draw lines across the plot, with their values."""
        for value in values:
            height = _number(self.upwards(value))
            self.add(
                f'<path d="M{_number(self.left)} {height}H{_number(_RIGHT)}" style="stroke: {_LINE}; stroke-width: .7"/>'
            )
            self.write(_rounded(value), self.left - 5, self.upwards(value) + 3, "end")

    def mark_width(self, values: Sequence[float], label: Callable[[float], str] | None = None) -> None:
        """Draw ticks below the plot, with their values."""
        for value in values:
            x = self.across(value)
            self.add(f'<path d="M{_number(x)} {_number(_BOTTOM)}v3" style="stroke: {_SOFT}"/>')
            self.write((label or _rounded)(value), x, _BOTTOM + 13, "middle")

    def name_width(self, text: str) -> None:
        """Draw the title of the horizontal axis."""
        self.write(text, (self.left + _RIGHT) / 2, _BOTTOM + 29, "middle")

    def name_colours(self, colours: Mapping[str, str]) -> None:
        """Draw the legend of the series in the upper right corner."""
        for index, (name, colour) in enumerate(colours.items()):
            top = _TOP + 2 + 12 * index
            self.add(f'<rect {_at(_RIGHT - 60, top, "x y")} width="14" height="6" style="fill: {colour}"/>')
            self.write(name, _RIGHT - 42, top + 6, "start")

    def write(self, text: str, x: float, y: float, anchor: str) -> None:
        """Draw text at a position."""
        position = _at(x, y, "x y")
        self.add(
            f'<text {position} style="fill: {_SOFT}; font-size: 9px; text-anchor: {anchor}">{escape(text, quote=False)}</text>'
        )

    def add(self, element: str) -> None:
        """Add an element above the earlier ones."""
        self.parts.append(element)

    def svg(self) -> str:
        """The whole drawing."""
        self.add(
            f'<path d="M{_number(self.left)} {_number(_TOP)}V{_number(_BOTTOM)}H{_number(_RIGHT)}" '
            f'style="fill: none; stroke: {_LINE}"/>'
        )
        return f'<svg viewBox="0 0 {_number(_WIDTH)} {_number(_HEIGHT)}" aria-hidden="true">{"".join(self.parts)}</svg>'


def _at(first_value: float, second_value: float, names: str) -> str:
    """Two attributes of an element with coordinates."""
    first, second = names.split()
    return f'{first}="{_number(first_value)}" {second}="{_number(second_value)}"'


def _number(value: float) -> str:
    """A coordinate."""
    return f"{round(value, 1):g}"


def _ticks(high: float, most: int, *, least: float = 0.0) -> list[float]:
    """Round numbers from 0 to `high`, about `most` of them and at least `least` apart."""
    rough = max(high / most, least, _LEAST)
    power = 10.0 ** math.floor(math.log10(rough))
    steps = (1, 2, 5, 10) if least else (1, 2, 2.5, 5, 10)
    step = power * next(step for step in steps if step * power >= rough * (1 - 1e-9))
    return [step * index for index in range(int(high / step * (1 + 1e-9)) + 1)]


def _powers(low: float, high: float) -> list[float]:
    """Marks of a logarithmic axis at 1, 2 and 5 times each power of ten, or at fewer where these are too many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        marks = [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]
        if len(marks) <= _MOST_MARKS:
            break
    return marks[:: -(-len(marks) // _MOST_MARKS)] if marks else []


def _numbers(column: pa.ChunkedArray, missing: float | None = None) -> Any:
    """The numbers of a column, without nulls, or with `missing` in their place."""
    column = column.drop_null() if missing is None else column.fill_null(missing)
    return column.cast(pa.float64()).to_numpy()


def _spread(numbers: Any, unit: str) -> str:
    middle, most = (float(percentile) for percentile in np.percentile(numbers, [50, 95]))
    return (
        f"{numbers.size:,} in all, half of them up to {_rounded(middle)} {unit}, 95 % up to {_rounded(most)}, the largest "
        f"{_rounded(float(numbers.max()))}"
    )


def _rounded(value: float) -> str:
    """A number with three significant digits."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{Decimal(f'{value:.3g}').normalize():f}"
