"""The chapter's figures, drawn from tables whose values are known."""

import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle

from resnet_lib.analysis import paths
from resnet_lib.experiments.counting_paths import drawings
from tests.experiments.artists import drawn, line
from tests.experiments.counting_paths.made_tables import flow_table


def test_chart_has_its_slider():
    table = drawings.by_length(pd.concat([flow_table(0.25), flow_table(1.0, "orthogonal")]))
    spec = drawings.gain(table).to_dict()
    assert [p["name"] for p in spec["params"] if "bind" in p] == ["factor"]


def test_the_flow_is_drawn_by_length():
    """A path loses a quarter a branch: the shares of its lengths are a binomial law of mean 16 / 5."""
    kinds = {"residual": 0.25, "scaled": 0.25, "orthogonal": 1.0}
    table = drawings.by_length(pd.concat([flow_table(factor, kind) for kind, factor in kinds.items()]))
    many, along, shares = drawn(drawings.flows, table).axes
    assert [axis.get_ylabel() for axis in (many, along, shares)] == [
        "share of the paths",
        "gradient along one path",
        "share of the gradient",
    ]
    assert shares.get_xlabel() == "branches that a path enters, of 16"
    heights = [bar.get_height() for bar in many.patches if isinstance(bar, Rectangle)]
    np.testing.assert_allclose(heights, np.array(paths.counts(16), dtype=float) / 2**16)
    x, y = line(along, "residual, batch norm")
    np.testing.assert_allclose(y, 0.25**x)
    x, y = line(shares, "residual, batch norm")
    np.testing.assert_allclose([y.sum(), x @ y], [1, 16 / 5])


def test_the_average_of_members_is_drawn_in_points_over_the_network():
    rows = [(seed, kept, 0.9 + kept / 100, 0.5, 0.95, 10) for seed in (0, 1) for kept in (1, 5, 8)]
    table = pd.DataFrame(rows, columns=["seed", "kept", "average", "single", "whole", "members"])
    (axis,) = drawn(drawings.shares, drawings.shares_by_seed(table)).axes
    assert axis.get_xlabel() == "blocks that a member keeps, of 10"
    assert axis.get_ylabel() == "points of accuracy over the network"
    assert axis.get_xticks().tolist() == [1, 5, 8]
    for label, values in (("average of all", [-4, 0, 3]), ("one of them", [-45] * 3)):
        x, y = line(axis, label)
        assert x.tolist() == [1, 5, 8]
        np.testing.assert_allclose(y, values, atol=1e-9)
