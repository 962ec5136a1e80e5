"""The chapter's figures, drawn from tables whose values are known."""

import numpy as np
import pandas as pd

from resnet_lib.experiments.stability_of_the_step import drawings, methods
from tests.experiments.artists import drawn, line, lines


def test_the_charts_hold_what_their_inputs_choose():
    parts = [methods.explorer_trial(methods.Explorer(m, step=1.0), (0,)).assign(method=m) for m in methods.SHOWN]
    table = pd.concat(parts)
    spec = drawings.explorer(table).to_dict()
    assert {p["name"] for p in spec["params"]} >= {"h", "method"}
    assert drawings.regions(table) is not None


def test_rates_are_shown_times_what_the_layers_leave():
    rows = [(0.5, 2.0**100, seed, 0.5 + seed) for seed in (0, 0.2)] + [(1.0, 0.25, seed, 0.9) for seed in (0, 0.2)]
    table = pd.DataFrame(rows, columns=["factor", "rate", "seed", "validation_accuracy"])
    shown = drawings.by_rate(table)
    assert shown["left"].tolist() == [1.0, 0.25]
    np.testing.assert_allclose(shown["validation_accuracy"], [0.6, 0.9])
    (axis,) = drawings.rates(shown).axes
    assert axis.get_legend_handles_labels()[1] == [
        "0.5 a layer: best near 1.3e+30",
        "1 a layer: best near 0.25",
    ]


def test_growth_is_drawn_beside_the_formula():
    rows = [(angle, seed, (1 + angle**2) ** 50, 1.0) for angle in (0.05, 0.1, 0.2) for seed in (0, 1)]
    table = pd.DataFrame(rows, columns=["angle", "seed", "euler", "midpoint"]).assign(predicted=1.0)
    (axis,) = drawn(drawings.growth, drawings.growth_by_step(table)).axes
    assert (axis.get_xlabel(), axis.get_ylabel()) == (r"$h\omega$", r"$\log_{10}$ growth after 100 layers")
    x, y = line(axis, "Euler")
    assert x.tolist() == [0.05, 0.1, 0.2]
    law = line(axis, r"$(1+h^2\omega^2)^{50}$")
    np.testing.assert_allclose(y, np.interp(x, *law), rtol=1e-3)
    np.testing.assert_allclose(line(axis, "implicit midpoint")[1], 0, atol=1e-12)


def test_accuracies_are_drawn_by_the_factor_of_the_shortcut():
    rows = [(factor, seed, share + seed / 50) for factor, share in ((1.0, 0.9), (0.5, 0.1)) for seed in (0, 1)]
    table = pd.DataFrame(rows, columns=["factor", "seed", "test_accuracy"]).assign(radius=1.0)
    (axis,) = drawn(drawings.contraction, drawings.accuracies(table)).axes
    assert axis.get_xlabel() == "factor a layer, and what 100 layers leave"
    assert axis.get_ylabel() == "test accuracy (%)"
    assert [text.get_text() for text in axis.get_xticklabels()] == ["0.5\n7.9e-31", "1\n1"]
    means, (_, seeds), _ = lines(axis)  # and where nothing is lost
    np.testing.assert_allclose(means, [[0, 1], [11, 91]])
    np.testing.assert_allclose(np.sort(seeds), [10, 12, 90, 92])
