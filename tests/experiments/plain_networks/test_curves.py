"""The chapter's figures of drift and signals, drawn from tables whose values are known."""

import numpy as np
import pandas as pd
import pytest

from resnet_lib.experiments.plain_networks import curves, signals
from tests.experiments.artists import drawn, line
from tests.experiments.plain_networks.made_tables import made


def test_charts_have_their_sliders() -> None:
    table = made(-2.5, noise=1.0)
    # `plain-drift` follows the state alone through the law, and three signals through layers.
    table = table[(table["signal"] == "state") | ((table["drawn"] == "matrices") & (table["signal"] != "whole"))]
    spec = curves.drift_chart(curves.growth_by_depth(table)).to_dict()
    assert [parameter["name"] for parameter in spec["params"] if "bind" in parameter] == ["n"]
    points = signals.trial(signals.Signal("bare", blocks=5, width=8, images=4), (0, 1))
    grid = points.assign(variant="bare", power=0.5, blocks=5, enlarged=False)
    grid = pd.concat([grid, grid.assign(value=100.0, enlarged=True)])  # the control is in no figure
    drawn = curves.signals_by_block(grid)
    spec = curves.scale_chart(drawn).to_dict()
    assert [parameter["name"] for parameter in spec["params"] if "bind" in parameter] == ["p"]
    square = drawn[drawn["measure"] == "square"].set_index("block")["decades"]
    by_hand = np.log10(points[(points["measure"] == "square") & (points["block"] == 5)]["value"]).mean()
    assert square[5] == pytest.approx(by_hand, abs=1e-4)


def test_growth_is_drawn_against_depth_and_against_depth_over_width() -> None:
    left, middle, right = drawn(curves.collapse, curves.growth_by_depth(made(-2.5))).axes
    for width in (32, 64, 1024):
        x, y = line(left, f"$n={width}$")
        assert x.tolist()[:2] == [50, 100]
        np.testing.assert_allclose(y, -2.5 * x / width, atol=1e-4)
        x, y = line(middle, f"$n={width}$")
        np.testing.assert_allclose(y, -2.5 * x, atol=1e-4)
    for title, _ in curves.SIGNALS.values():
        x, y = line(right, title)
        np.testing.assert_allclose(y, -2.5 * x, atol=1e-4)
