"""The laws of the limit on tables that follow them and on others, and the trials that follow them."""

import itertools

import numpy as np
import pandas as pd
import pytest

from resnet_lib.experiments.euler_and_its_limit import limits, points
from tests.experiments.euler_and_its_limit.made_tables import table_of


def synthetic(displacement, difference) -> pd.DataFrame:
    rows = [
        {"weights": w, "power": p, "seed": s, "depth": d, "displacement": displacement(w, p, d)}
        | {"difference": difference(w, p, d)}
        for w, p in itertools.product(("smooth", "independent"), limits.POWERS)
        for s, d in itertools.product((0, 1), (64, 128, 256))
    ]
    return pd.DataFrame(rows)


def test_the_laws_of_the_limit_are_recognised_and_others_are_not():
    top = {"smooth": 1.0, "independent": 0.5}
    right = synthetic(lambda w, p, d: d ** (top[w] - p), lambda w, p, d: d**-1.0)
    np.testing.assert_allclose(limits.laws(right).values, 0, atol=1e-9)
    np.testing.assert_allclose(limits.laws(right).control, 0.5, atol=1e-9)
    np.testing.assert_allclose(limits.smooth(right).values, -1)
    np.testing.assert_allclose(limits.independent(right).values, -0.5)
    np.testing.assert_allclose(limits.larger(right).values, 0.25)
    wrong = synthetic(lambda w, p, d: 3.0, lambda w, p, d: d**-0.5)
    assert limits.laws(wrong).values.min() > 0.1
    np.testing.assert_allclose(limits.diffusion(wrong).values, -0.5)


def test_limit_trial_moves_as_a_random_walk_and_as_a_drift():
    depths = (32, 128)
    table = table_of(
        limits.limit_trial,
        [limits.Limit(w, 1.0, depths=depths) for w in ("smooth", "independent")],
        tuple(range(4)),
    )
    found = limits.exponents(table, "displacement").groupby("weights").mean()
    assert found["smooth"] == pytest.approx(0, abs=0.05)
    assert found["independent"] == pytest.approx(-0.5, abs=0.05)


def test_trajectories_are_smoother_the_longer_their_weights_are_alike():
    rough, smooth = (
        limits.trajectory_trial(limits.Trajectory(0.5, length), (0,)).sort_values(["coordinate", "moment"])
        for length in (0.0, 0.5)
    )
    assert len(rough) == 33 * 6

    def roughness(table: pd.DataFrame) -> float:
        return float(np.mean([np.abs(np.diff(x, 2)).sum() / np.ptp(x) for _, x in table.groupby("coordinate")["x"]]))

    assert roughness(rough) > 2 * roughness(smooth)


def test_smooth_weights_keep_moving_and_untied_blocks_have_no_common_fixed_point():
    table = synthetic(
        lambda w, p, d: d ** (0.1 if w == "smooth" else -0.4) if p == 1.0 else 7.0, lambda w, p, d: 1.0 * d
    )
    np.testing.assert_allclose(limits.smooth_moves(table).values, 0.1)
    np.testing.assert_allclose(limits.smooth_moves(table).control, -0.4)
    table = pd.DataFrame({"untied": [0.5, 0.25], "tied": [1e-9, 2e-9]})
    assert points.fixed_untied(table).values.tolist() == [0.5, 0.25]
    assert points.fixed_untied(table).control.tolist() == [1e-9, 2e-9]
