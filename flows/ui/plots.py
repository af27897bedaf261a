"""The plots of a run page, as SVG that stands within a page and takes its colours.

The same numbers give the same bytes: no date, no ids, no outlines of fonts. Colours are names of the page's own, so that light
and dark are the page's business.
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
_WIDE = 20.0  # times the least value: from there on an axis is logarithmic
_HEADROOM = 1.05  # the top of the vertical axis, in largest values
_LEAST = 1e-300  # nothing smaller has a step of its own
_MOST_MARKS = 8  # on a logarithmic axis
_SOFT, _LINE, _BAR, _SECOND = "var(--soft)", "var(--line)", "var(--bar)", "var(--second)"
_UNITS = ((172_800.0, 86_400.0, "days"), (7_200.0, 3_600.0, "hours"), (180.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot: its title, the SVG element, and in words what it shows."""

    title: str
    svg: str
    text: str


def rate_plot(title: str, amounts: pa.ChunkedArray, ended_at: pa.ChunkedArray, seconds: pa.ChunkedArray) -> Plot | None:
    """Rate per second over the run: each document's amount is spread over the seconds until it was done."""
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
        title, drawing.svg(), f"{_said(mean)} on average over {_said(span)} s, at most {_said(float(rates.max()))}."
    )


def distribution(title: str, values: Mapping[str, pa.ChunkedArray], unit: str) -> Plot | None:
    """Histogram of one or two series of one unit."""
    series = {name: _numbers(column) for name, column in values.items()}
    series = {name: sizes for name, sizes in series.items() if sizes.size}
    if not series:
        return None
    whole = np.concatenate(list(series.values()))
    above = whole[whole > 0]
    is_wide = bool(above.size) and float(whole.max()) > _WIDE * float(above.min())
    low, high = (float(above.min()), float(above.max())) if is_wide else (0.0, float(whole.max()) or 1.0)
    edges = np.geomspace(low, high, _BINS + 1) if is_wide else np.linspace(low, high, _BINS + 1)
    counts = {name: np.histogram(np.clip(sizes, low, high), edges)[0] for name, sizes in series.items()}
    drawing = _Drawing(high, float(max(count.max() for count in counts.values())), low if is_wide else None)
    drawing.mark_height(_ticks(drawing.high, 4, least=1.0))
    drawing.mark_width(_powers(low, high) if is_wide else _ticks(high, 5))
    for (_, entry), colour in zip(counts.items(), (_BAR, _SECOND), strict=False):
        drawing.steps(edges.tolist(), entry.tolist(), colour, 0.85 if len(series) == 1 else 0.7)
    drawing.name_width(unit)
    if len(series) > 1:
        drawing.name_colours(dict(zip(series, (_BAR, _SECOND), strict=False)))
    parts = [f"{f'{name}: ' if len(series) > 1 else ''}{_spread(sizes, unit)}" for name, sizes in series.items()]
    return Plot(title, drawing.svg(), f"{'; '.join(parts)}.")


def compared(title: str, amounts: Mapping[str, float], text: str) -> Plot:
    """A few amounts as bars, one below the other."""
    drawing = _Drawing(max(amounts.values()) * _HEADROOM, 0.0, left=_NAMES)
    drawing.mark_width(_ticks(drawing.wide, 4), lambda value: f"${_said(value)}")
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
    """Axes and what is drawn in them.

    `wide` and `most` are the largest values across and upwards; `low`, where it is given, is the least of a logarithmic axis.
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
        """The place of a value on the horizontal axis."""
        share = value / self.wide if self.wide else 0.0
        if self.low is not None:
            share = (math.log(value) - math.log(self.low)) / (math.log(self.wide) - math.log(self.low))
        return self.left + (_RIGHT - self.left) * share

    def upwards(self, value: float) -> float:
        """The place of a value on the vertical axis."""
        return _BOTTOM - (_BOTTOM - _TOP) * value / self.high

    def steps(self, edges: Sequence[float], heights: Sequence[float], colour: str, opacity: float) -> None:
        """A filled line of steps, one between each two edges."""
        line = [f"M{_number(self.across(edges[0]))} {_number(_BOTTOM)}"]
        for (_, end), height in zip(pairwise(edges), heights, strict=True):
            line.append(f"V{_number(self.upwards(float(height)))}H{_number(self.across(float(end)))}")
        self.add(f'<path d="{"".join(line)}V{_number(_BOTTOM)}Z" style="fill: {colour}; opacity: {opacity:g}"/>')

    def mark_height(self, values: Sequence[float]) -> None:
        """Lines across the drawing, and what they are worth."""
        for value in values:
            height = _number(self.upwards(value))
            self.add(
                f'<path d="M{_number(self.left)} {height}H{_number(_RIGHT)}" style="stroke: {_LINE}; stroke-width: .7"/>'
            )
            self.write(_said(value), self.left - 5, self.upwards(value) + 3, "end")

    def mark_width(self, values: Sequence[float], label: Callable[[float], str] | None = None) -> None:
        """Ticks below the drawing, and what they are worth."""
        for value in values:
            x = self.across(value)
            self.add(f'<path d="M{_number(x)} {_number(_BOTTOM)}v3" style="stroke: {_SOFT}"/>')
            self.write((label or _said)(value), x, _BOTTOM + 13, "middle")

    def name_width(self, text: str) -> None:
        """Title of the horizontal axis."""
        self.write(text, (self.left + _RIGHT) / 2, _BOTTOM + 29, "middle")

    def name_colours(self, colours: Mapping[str, str]) -> None:
        """Legend of the series, in the upper right corner."""
        for index, (name, colour) in enumerate(colours.items()):
            top = _TOP + 2 + 12 * index
            self.add(f'<rect {_at(_RIGHT - 60, top, "x y")} width="14" height="6" style="fill: {colour}"/>')
            self.write(name, _RIGHT - 42, top + 6, "start")

    def write(self, text: str, x: float, y: float, anchor: str) -> None:
        """Text at a place."""
        position = _at(x, y, "x y")
        self.add(
            f'<text {position} style="fill: {_SOFT}; font-size: 9px; text-anchor: {anchor}">{escape(text, quote=False)}</text>'
        )

    def add(self, element: str) -> None:
        """An element above those before it."""
        self.parts.append(element)

    def svg(self) -> str:
        """The whole drawing."""
        self.add(
            f'<path d="M{_number(self.left)} {_number(_TOP)}V{_number(_BOTTOM)}H{_number(_RIGHT)}" '
            f'style="fill: none; stroke: {_LINE}"/>'
        )
        return f'<svg viewBox="0 0 {_number(_WIDTH)} {_number(_HEIGHT)}" aria-hidden="true">{"".join(self.parts)}</svg>'


def _at(one: float, other: float, names: str) -> str:
    """Two attributes of an element."""
    first, second = names.split()
    return f'{first}="{_number(one)}" {second}="{_number(other)}"'


def _number(value: float) -> str:
    """A coordinate."""
    return f"{round(value, 1):g}"


def _ticks(high: float, most: int, *, least: float = 0.0) -> list[float]:
    """Round numbers from 0 to `high`, about as many as wanted and at least `least` apart."""
    rough = max(high / most, least, _LEAST)
    power = 10.0 ** math.floor(math.log10(rough))
    steps = (1, 2, 5, 10) if least else (1, 2, 2.5, 5, 10)
    step = power * next(step for step in steps if step * power >= rough * (1 - 1e-9))
    return [step * index for index in range(int(high / step * (1 + 1e-9)) + 1)]


def _powers(low: float, high: float) -> list[float]:
    """Marks of a logarithmic axis at 1, 2 and 5 of each power of ten, or fewer where these are too many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        marks = [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]
        if len(marks) <= _MOST_MARKS:
            break
    return marks[:: -(-len(marks) // _MOST_MARKS)] if marks else []


def _numbers(column: pa.ChunkedArray, missing: float | None = None) -> Any:
    """The numbers of a column; those that are null left out, or in their place `missing`."""
    column = column.drop_null() if missing is None else column.fill_null(missing)
    return column.cast(pa.float64()).to_numpy()


def _spread(values: Any, unit: str) -> str:
    middle, most = (float(entry) for entry in np.percentile(values, [50, 95]))
    return (
        f"{values.size:,} in all, half of them up to {_said(middle)} {unit}, 95 % up to {_said(most)}, the largest "
        f"{_said(float(values.max()))}"
    )


def _said(value: float) -> str:
    """A number with three digits that count."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{Decimal(f'{value:.3g}').normalize():f}"
