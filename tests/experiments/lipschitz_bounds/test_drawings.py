"""The chapter's figures, drawn from tables whose values are known."""

import numpy as np
import pandas as pd

from resnet_lib.experiments.lipschitz_bounds import drawings, signals
from tests.experiments.artists import drawn, labels, line, title
from tests.experiments.lipschitz_bounds.made_tables import measured, networks_table


def test_the_chart_has_its_inputs():
    table = measured(signals.signal_trial, [signals.Signal("guaranteed", 0.1, blocks=10)], (0,), "kind", "beta")
    chart = drawings.signal_chart(drawings.signal_rows(table)).to_dict()
    assert {param["name"] for param in chart["params"] if "bind" in param} == {"beta", "scale", "aligned"}


def test_every_rule_has_a_panel_with_its_bounds_by_depth():
    """In the table the product bound is 0.4 decades a block, the semidefinite one 0.25, and 0.2 are found."""
    panels = drawn(drawings.ladder, drawings.ladder_rows(networks_table())).axes
    assert [title(axis) for axis in panels] == [found.title for found in drawings.SHOWN.values()]
    assert panels[0].get_ylabel() == r"$\log_{10}$ Lipschitz constant"
    for axis in panels:
        assert axis.get_xlabel() == "blocks"
        assert labels(axis) == ["product bound", "semidefinite bound", "found by search", "largest at data"]
        for label, each in (("product bound", 0.4), ("semidefinite bound", 0.25), ("found by search", 0.2)):
            x, y = line(axis, label)
            assert set(x) <= {2, 5, 10, 20}
            np.testing.assert_allclose(y, each * x)
    assert line(panels[0], "largest at data")[0].tolist() == [2, 5, 10, 20]


def test_condition_numbers_are_drawn_as_medians():
    kinds = ("gaussian", "symmetric", "positive", "skew", "rotation", "repair")
    rows = [
        (kind, a, seed, 1 + a * (i + seed)) for i, kind in enumerate(kinds) for a in (0.0, 1.0) for seed in (0, 1, 5)
    ]
    table = drawings.condition_rows(pd.DataFrame(rows, columns=["kind", "alpha", "seed", "kappa"]))
    (axis,) = drawn(drawings.condition, table).axes
    assert (axis.get_xlabel(), axis.get_ylabel()) == (r"size of the branch, $\alpha$", "condition number")
    assert len(labels(axis)) == len(kinds)
    for i, label in enumerate(labels(axis)):
        x, y = line(axis, label)
        assert (x.tolist(), y.tolist()) == ([0, 1], [1, 2 + i])
