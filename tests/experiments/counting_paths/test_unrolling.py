"""The sum over paths is exact where branches are linear, and where it breaks."""

import pandas as pd
import pytest

from resnet_lib import runtime
from resnet_lib.experiments.counting_paths import unrolling


@pytest.mark.parametrize(("branch", "exact"), [("linear", True), ("relu", False)])
def test_only_linear_branches_split_over_paths(branch, exact):
    with runtime.numerics():
        table = unrolling.trial(unrolling.Unrolled(branch, blocks=5, width=8), (0, 1))
    assert (table["paths"] < 1e-12).all() == exact
    assert (table["sum"] < 1e-12).all()
    assert (table["gradient"] < 1e-12).all()
    assert (table["elsewhere"] > 0.01).all()


def test_an_activation_behind_the_addition_breaks_the_sum():
    with runtime.numerics():
        table = unrolling.trial(unrolling.Unrolled("original", blocks=5, width=8), (0, 1))
    assert (table["sum"] > 0.01).all()
    assert (table["gradient"] < 1e-12).all()


def test_measures_take_the_right_branches_and_their_controls():
    branches = ("linear", "relu", "original")
    table = pd.DataFrame({"branch": branches, "sum": [1, 2, 3], "paths": [4, 5, 6], "gradient": [7, 8, 9]})
    table["elsewhere"] = [10, 11, 12]
    found = [
        (evidence.values[0], evidence.control[0])
        for evidence in (
            unrolling.unroll_sum(table),
            unrolling.unroll_linear(table),
            unrolling.unroll_relu(table),
            unrolling.unroll_gradient(table),
        )
    ]
    assert found == [(2, 3), (4, 5), (5, 4), (8, 11)]
