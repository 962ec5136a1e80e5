"""The interactive figures: their inputs, and what their sentences compute."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from resnet_lib.evidence import charts as evidence
from resnet_lib.evidence import style
from resnet_lib.experiments.one_number_twenty_layers import charts, defaults


def told(spec: dict) -> str:
    (found,) = (param["expr"] for param in spec["params"] if param["name"] == "told")
    return found


def test_the_tents_have_sliders_for_depth_and_spread():
    with style.style():
        spec = evidence.specification("scal-tents", charts.tents(pd.DataFrame()))
    inputs = evidence.inputs(spec)
    assert (inputs["layers"]["max"], inputs["size"]["max"]) == (200, 1)
    assert "cumulativeNormal(+1 * pow(10, 1 / layers) - 1, 0, size)" in told(spec)  # of the residual chain
    assert "cumulativeNormal(+1 * pow(10, 1 / layers) - 0, 0, size)" in told(spec)  # of the plain one


def test_shares_of_independent_slopes_are_those_of_drawn_chains():
    for size in (0.2, 0.5, 1.0):
        mean, deviation, skewness = charts.moments(size)
        ends = [(sign * math.log(10) - 20 * mean) / (deviation * math.sqrt(20)) for sign in (1, -1)]
        below = [stats.norm.cdf(x) - stats.norm.pdf(x) * skewness * (x * x - 1) / (6 * math.sqrt(20)) for x in ends]
        drawn = defaults.trial(defaults.Defaults("residual", 0.0, sizes=(size,), chains=20_000), (0,))["share"][0]
        assert below[0] - below[1] == pytest.approx(drawn, abs=0.015)
    z = np.random.default_rng(0).standard_normal(1_000_000)
    logs = np.log(np.abs(z))
    assert (logs.mean(), logs.std(), stats.skew(logs)) == pytest.approx(charts.PLAIN, abs=0.02)


def test_the_price_has_sliders_for_slope_and_depth_and_shows_what_was_measured():
    table = pd.DataFrame({"layers": [20, 7], "slope": [0.5, 0.1], "larger": [-38 * math.log10(1.5), 0.0], "gain": 0.0})
    with style.style():
        spec = evidence.specification("scal-price", charts.price(table))
    inputs = evidence.inputs(spec)
    assert (inputs["a"]["min"], inputs["a"]["max"], inputs["layers"]["max"]) == (-0.5, 1, 100)
    assert "pow(1 + a, layers)" in told(spec)
    assert "pow(1 + a, (a < 0 ? -1 : 1) * (2 * layers - 2))" in told(spec)
    rows = [row for rows in spec["datasets"].values() for row in rows]
    assert rows == [{"depth": 20, "a": 0.5, "decades": round(-38 * math.log10(1.5), 4)}]
