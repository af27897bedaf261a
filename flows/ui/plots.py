"""The plots of a run page, as SVG that stands within a page and takes its colours. The only module that draws with matplotlib.

The same numbers give the same bytes: no date, no random ids, no outlines of fonts; text stays text. Colours are drawn as
marks that no one would choose, and become the names of the page's colours, so that light and dark are the page's business.
"""

import io
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells of its cache of fonts; only its own font is used

from matplotlib import rc_context  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter  # noqa: E402

_WIDTH, _HEIGHT = 4.6, 2.2  # inches of 72 points, drawn at the width of its column
_BINS = 48
_WIDE = 20.0  # times the least value: from there on an axis is logarithmic
_COLOURS = {"#0a0b01": "--soft", "#0a0b02": "--line", "#0a0b03": "--bar", "#0a0b04": "--second"}
_SOFT, _LINE, _BAR, _SECOND = _COLOURS
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none", "font.family": ["DejaVu Sans"], "font.size": 9,
    "axes.edgecolor": _LINE, "axes.labelcolor": _SOFT, "xtick.color": _SOFT, "ytick.color": _SOFT, "text.color": _SOFT,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 1.0, "figure.facecolor": "none",
    "axes.facecolor": "none", "legend.frameon": False, "xtick.major.size": 3, "ytick.major.size": 0,
}  # fmt: skip
_UNITS = ((172_800.0, 86_400.0, "days"), (7_200.0, 3_600.0, "hours"), (180.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot: its title, the SVG element, and in words what it shows."""

    title: str
    svg: str
    text: str


def rate(title: str, amounts: pa.ChunkedArray, ended_at: pa.ChunkedArray, seconds: pa.ChunkedArray) -> Plot | None:
    """How many a second over the run: each document's amount is spread over the seconds until it was done."""
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
    figure, axes = _axes()
    axes.stairs(rates, (edges - edges[0]) / size, fill=True, color=_BAR)
    axes.set_xlim(0, span / size)
    axes.set_xlabel(f"{unit} from the first document's start")
    mean = float(many.sum()) / span
    return _plot(figure, title, f"{_said(mean)} on average over {_said(span)} s, at most {_said(rates.max())}.")


def distribution(title: str, values: Mapping[str, pa.ChunkedArray], unit: str) -> Plot | None:
    """How often each size occurs, for one or two series of one unit."""
    series = {name: _numbers(column) for name, column in values.items()}
    series = {name: held for name, held in series.items() if held.size}
    if not series:
        return None
    whole = np.concatenate(list(series.values()))
    above = whole[whole > 0]
    is_wide = bool(above.size) and float(whole.max()) > _WIDE * float(above.min())
    low, high = (float(above.min()), float(above.max())) if is_wide else (0.0, float(whole.max()) or 1.0)
    edges = np.geomspace(low, high, _BINS + 1) if is_wide else np.linspace(low, high, _BINS + 1)
    figure, axes = _axes()
    for (name, held), colour in zip(series.items(), (_BAR, _SECOND), strict=False):
        counts, _ = np.histogram(np.clip(held, low, high), edges)
        axes.stairs(counts, edges, fill=True, color=colour, alpha=0.85 if len(series) == 1 else 0.7, label=name)
    if is_wide:
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
        _mark(axes, low, high)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _said(value)))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.set_xlabel(unit)
    if len(series) > 1:
        axes.legend(loc="upper right", fontsize=8, frameon=False, labelcolor=_SOFT)
    parts = [f"{f'{name}: ' if len(series) > 1 else ''}{_spread(held, unit)}" for name, held in series.items()]
    return _plot(figure, title, f"{'; '.join(parts)}.")


def compared(title: str, amounts: Mapping[str, float], text: str) -> Plot:
    """A few amounts as bars, one below the other."""
    figure, axes = _axes()
    axes.set_position((0.2, 0.23, 0.74, 0.72))
    names = list(amounts)
    axes.barh(range(len(names)), list(amounts.values()), color=[_BAR, _SECOND, _LINE][: len(names)], height=0.55)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"${_said(value)}"))
    return _plot(figure, title, text)


def _axes() -> tuple[Figure, Axes]:
    with rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, _HEIGHT))
        FigureCanvasSVG(figure)
        axes = figure.add_axes((0.12, 0.23, 0.82, 0.72))
        axes.grid(visible=True, axis="y", color=_LINE, linewidth=0.7)
        axes.set_axisbelow(True)
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _said(value)))
        axes.margins(x=0)
        return figure, axes


def _mark(axes: Axes, low: float, high: float) -> None:
    """Ticks of a logarithmic axis at 1, 2 and 5 of each power of ten, or fewer where these are too many."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]
        if len(ticks) <= 8:
            break
    axes.set_xticks(ticks)
    axes.set_xticks([], minor=True)


def _plot(figure: Figure, title: str, text: str) -> Plot:
    held = io.StringIO()
    nothing: dict[str, Any] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with rc_context({**_STYLE, "svg.hashsalt": title}):
        figure.savefig(held, format="svg", metadata=nothing)
    svg = held.getvalue().partition("<svg ")[2]
    svg = re.sub(r"<style.*?</style>| id=\"[a-z]+[\w.]*_\d+\"", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg)
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    svg = re.sub(r'^.*?viewBox="([\d. ]+)"[^>]*>', r'viewBox="\1" aria-hidden="true">', svg, count=1, flags=re.DOTALL)
    for mark, name in _COLOURS.items():
        svg = svg.replace(mark, f"var({name})")
    return Plot(title, f"<svg {svg.strip()}", text)


def _numbers(column: pa.ChunkedArray, missing: float | None = None) -> Any:
    """The numbers of a column; those that are null left out, or in their place `missing`."""
    column = column.drop_null() if missing is None else column.fill_null(missing)
    return column.cast(pa.float64()).to_numpy()


def _spread(held: Any, unit: str) -> str:
    middle, most = np.percentile(held, [50, 95])
    return (
        f"{held.size:,} in all, half of them up to {_said(middle)} {unit}, 95 % up to {_said(most)}, the largest "
        f"{_said(held.max())}"
    )


def _said(value: float) -> str:
    """A number with three digits that count."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return np.format_float_positional(float(f"{value:.3g}"), trim="-")
