"""The chapter's figures, drawn from tables whose values are known."""

import numpy as np
import pandas as pd

from resnet_lib.experiments.stability_of_the_step import drawings, methods


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
