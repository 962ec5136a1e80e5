"""Measures of the blocks that learn turns, on a table whose values are known."""

import numpy as np
import pandas as pd

from resnet_lib.experiments.learning_the_difference import turning

STEPS = {"plain": 99.0, "residual": 49.0, "shifted": 49.0, "again": 79.0}


def table() -> pd.DataFrame:
    """Steps of each kind, plus those of 10 a degree for the residual ones beyond 60 degrees."""
    rows = []
    for kind, taken in STEPS.items():
        for angle in (0, 30, 90, 120):
            for seed in range(3):
                more = 100.0 if angle == 120 and kind in ("residual", "shifted") else 0.0
                rows.append((kind.replace("again", "plain"), "turn", angle, kind == "again", seed, taken + more))
    return pd.DataFrame(rows, columns=["kind", "target", "angle", "again", "seed", "taken"])


def test_blocks_are_compared_by_the_logarithm_of_one_plus_their_steps():
    for measure in (turning.identity, turning.near):
        np.testing.assert_allclose(measure(table()).values, [np.log(0.5)] * 3)
    np.testing.assert_allclose(turning.far(table()).values, [np.log(1.5)] * 3)
    np.testing.assert_allclose(turning.identity(table()).control, [np.log(0.8)] * 3)


def test_at_an_angle_the_control_is_the_block_that_learns_the_difference():
    changed = table()
    changed.loc[changed["kind"] == "shifted", "taken"] += 50.0
    np.testing.assert_allclose(turning.near(table()).control, [0] * 3, atol=1e-12)
    np.testing.assert_allclose(turning.near(changed).control, [-np.log(2)] * 3)
    np.testing.assert_allclose(turning.far(changed).control, [np.log(150 / 200)] * 3)


def test_the_identity_is_compared_with_a_quarter_turn():
    changed = table()
    changed.loc[(changed["angle"] == 0) & (changed["kind"] == "plain") & ~changed["again"], "taken"] = 199.0
    np.testing.assert_allclose(turning.hard(changed).values, [np.log(2)] * 3)
    np.testing.assert_allclose(turning.hard(changed).control, [np.log(0.4)] * 3)


def test_the_exchange_is_a_distance_at_two_angles():
    found = turning.exchange(table())
    np.testing.assert_allclose(found.values, [0] * 6, atol=1e-12)
    np.testing.assert_allclose(found.control, [np.log(2)] * 3 + [np.log(1.5)] * 3)


def targets() -> pd.DataFrame:
    rows = [
        (kind, target, seed, share + seed / 1000, 0.99 + seed / 1000, 0.1 * seed)
        for kind, target, share in (("residual", "swirl", 0.995), ("post", "swirl", 0.4), ("residual", "turn", 0.9))
        for seed in range(3)
    ]
    return pd.DataFrame(rows, columns=["kind", "target", "seed", "explained", "cosine", "cosine_start"])


def test_measures_of_the_targets():
    found = turning.fits(targets())
    np.testing.assert_allclose(found.values, [0.995, 0.996, 0.997])
    np.testing.assert_allclose(found.control, [0.4, 0.401, 0.402])
    found = turning.block(targets())
    np.testing.assert_allclose(found.values, [0.99, 0.991, 0.992])
    np.testing.assert_allclose(found.control, [0, 0.1, 0.2])


def test_other_choices_have_the_blocks_that_are_compared():
    for way in turning.CHOICES.ways.values():
        compared = {(kind, angle) for kind in ("plain", "residual") for angle in (0, 30, 90, 120)}
        assert {(each.kind, each.angle) for each in way} == compared | {("shifted", 30), ("shifted", 120)}
