"""Prices of the configured models: which are known, and what a call costs."""

import pytest

from flows.model.check import check
from flows.model.prices import Prices
from flows.settings import load_settings


def test_a_price_of_zero_is_a_known_price() -> None:
    prices = Prices(load_settings(model="own", api_key="k", price_in=0.0, price_out=0.0))
    assert prices.are_known
    assert prices.cost_nusd(1_000_000, 1_000_000) == 0
    assert prices.cost_usd(0) == 0.0


@pytest.mark.parametrize("price", [{"price_in": 1.0}, {"price_out": 1.0}, {}], ids=["in alone", "out alone", "none"])
def test_a_price_of_one_direction_is_no_price(price: dict) -> None:
    prices = Prices(load_settings(model="own", api_key="k", **price))
    assert not prices.are_known
    assert prices.cost_nusd(1, 1) is None
    assert prices.cost_usd(1) is None


def test_a_set_price_is_of_the_first_model_and_of_those_that_the_table_lacks() -> None:
    first, listed = "own", "mistralai/mistral-small-3.2-24b-instruct"
    prices = Prices(load_settings(model=f"{first},{listed},other", api_key="k", price_in=2.0, price_out=3.0))
    assert prices.usd_per_million(first) == (2.0, 3.0)
    assert prices.usd_per_million(listed) == (0.07, 0.20)
    assert prices.usd_per_million("other") == (2.0, 3.0)


def test_check_tells_a_price_of_zero() -> None:
    findings = {finding.name: finding for finding in check(load_settings(model="offline")).findings}
    assert (findings["price"].status, findings["price"].text) == ("ok", "$0 in, $0 out per million tokens")
