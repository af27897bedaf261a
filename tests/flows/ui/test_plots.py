"""The plots of a run page: the same numbers give the same bytes, whatever the numbers, and nothing but a drawing is in them."""

import datetime
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import example, given, settings

from flows.ui.plots import Plot, compared, distribution, rate_plot
from tests.conftest import ROOT
from tests.support.examples import examples

START = datetime.datetime(2026, 1, 5, 2, tzinfo=datetime.UTC)


def times(*seconds: float) -> pa.ChunkedArray:
    moments = [START + datetime.timedelta(seconds=each) for each in seconds]
    return pa.chunked_array([pa.array(moments, pa.timestamp("us", tz="UTC"))])


def column(*values: float | None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, pa.float64())])


def check(plot: Plot) -> None:
    """An element of a page that draws: no id that is not its own, no colour but the page's, nothing that loads or runs."""
    tree = ET.fromstring(plot.svg.replace("xlink:", ""))
    assert {each.tag.rpartition("}")[2] for each in tree.iter()} <= {
        "svg",
        "g",
        "path",
        "text",
        "use",
        "defs",
        "clipPath",
        "rect",
    }
    ids = re.findall(r'\bid="([^"]*)"', plot.svg)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"#(\w+)", plot.svg)) <= set(ids) | {"000000", "ffffff"}
    assert "var(--bar)" in plot.svg
    assert not re.search(r"https?:|<!|<style|font-family|2026", plot.svg)
    assert plot.text.endswith(".")


def test_pages_are_spread_over_the_time_that_their_document_took() -> None:
    plot = rate_plot("Pages per second", column(10, 30), times(10, 20), column(10.0, 10.0))
    assert plot is not None
    check(plot)
    assert plot.text == "2 on average over 20 s, at most 3."


@pytest.mark.parametrize(("span", "unit"), [(30, "seconds"), (600, "minutes"), (20_000, "hours"), (400_000, "days")])
def test_the_axis_of_time_is_in_the_unit_that_fits(span: float, unit: str) -> None:
    plot = rate_plot("Pages per second", column(5, 5), times(1, span), column(1.0, 1.0))
    assert plot is not None
    assert f">{unit} from the first" in plot.svg


def test_a_distribution_says_its_median_and_its_tail() -> None:
    plot = distribution("Time to an answer", {"calls": column(*range(1, 101))}, "seconds")
    assert plot is not None
    check(plot)
    assert plot.text == "100 in all, half of them up to 50.5 seconds, 95 % up to 95, the largest 100."


def test_two_series_are_told_apart_in_colour_and_in_words() -> None:
    plot = distribution("Tokens of a call", {"read": column(1000, 2000), "written": column(10, 20)}, "tokens")
    assert plot is not None
    check(plot)
    assert "var(--second)" in plot.svg
    assert {"read", "written"} <= set(re.findall(r">([^<>\n]+)<", plot.svg))
    assert "read: 2 in all" in plot.text
    assert "written: 2 in all" in plot.text


def test_estimate_and_cost_are_bars() -> None:
    plot = compared("Estimate and cost", {"paid": 0.5, "estimate": 0.75}, "The answers cost less.")
    check(plot)
    assert plot.svg.count("var(--second)") == 1


def test_nothing_to_show_is_no_plot() -> None:
    assert rate_plot("Pages per second", column(), times(), column()) is None
    assert distribution("Time to an answer", {"calls": column(None)}, "seconds") is None


amount = st.one_of(st.none(), st.floats(0, 1e9), st.integers(0, 10**9).map(float))


@settings(max_examples=examples(25))
@example([(0.0, 0.0, 0.0)])
@example([(None, 0.0, None)])
@example([(1e9, 1e9, 1e-9), (1e-9, 0.0, 1e9)])
@given(st.lists(st.tuples(amount, st.floats(0, 1e6), amount), min_size=1, max_size=5))
def test_whatever_the_numbers_something_is_drawn(rows: list[tuple[float | None, float, float | None]]) -> None:
    amounts, ends, seconds = zip(*rows, strict=True)
    drawn = rate_plot("Pages per second", column(*amounts), times(*ends), column(*seconds))
    assert drawn is not None
    check(drawn)
    shown = distribution("Tokens of a call", {"read": column(*amounts), "written": column(*seconds)}, "tokens")
    if shown is not None:
        check(shown)


def test_the_same_numbers_give_the_same_bytes_in_any_process() -> None:
    script = (
        "import pyarrow as pa; from flows.ui.plots import distribution;"
        "c = pa.chunked_array([pa.array([1.0, 2.0, 500.0])]);"
        "print(distribution('Tokens', {'read': c, 'written': c}, 'tokens').svg)"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1
