"""The chapter's figures, drawn from tables whose values are known."""

import numpy as np

from resnet_lib.experiments.euler_and_its_limit import drawings, limits, trained
from tests.experiments.artists import drawn, labels, line
from tests.experiments.euler_and_its_limit.made_tables import rows_of, table_of


def test_the_chart_holds_what_its_inputs_choose():
    settings = [limits.Trajectory(p, length, depth=64) for p in (0.25, 1.0) for length in (0.0, 0.5)]
    spec = drawings.path_explorer(table_of(limits.trajectory_trial, settings, (0,))).to_dict()
    assert {p["name"] for p in spec["params"]} >= {"p", "length"}


def test_accuracies_are_drawn_by_the_number_of_sub_steps():
    values = {(kind, power, 16, "substeps", k): 0.95 - k / 100 for kind, power in drawings.SHOWN for k in (1, 8)}
    values |= {("mlp", 0.0, 4, "substeps", k): 0.1 for k in (1, 8)}  # of another depth
    (axis,) = drawn(drawings.substeps, drawings.accuracy_by_substeps(rows_of(values))).axes
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("sub-steps of each block", "test accuracy (%)")
    assert labels(axis) == [found.title for found in drawings.SHOWN.values()]
    x, y = line(axis, "residual, unscaled")
    assert x.tolist() == [1, 8]
    np.testing.assert_allclose(y, [94, 87])


def test_lengths_of_paths_are_drawn_beside_both_readings():
    values = {("mlp", power, d, "path", 1): 2 * d**0.5 for power in (0.0, 1.0) for d in trained.DEPTHS}
    values |= {("tied", 1.0, d, "path", 1): 9.0 for d in trained.DEPTHS}
    (axis,) = drawn(drawings.lengths, drawings.lengths_by_depth(rows_of(values))).axes
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("blocks $L$", "length of the path")
    depths = np.array(trained.DEPTHS)
    for label, expected in (
        ("residual, unscaled", 2 * depths**0.5),
        ("residual, $1/L$", 2 * depths**0.5),
        ("depth is time", 4.0 * depths / 4),
        ("depth is accuracy", 4.0 + 0 * depths),
    ):
        x, y = line(axis, label)
        assert x.tolist() == list(trained.DEPTHS)
        np.testing.assert_allclose(y, expected)
