"""Linear blocks against the closed form of their descent."""

import math

import numpy as np
import pandas as pd
import pytest

from resnet_lib.experiments.learning_the_difference import linear

SMALL = linear.Turns(width=4, examples=16)


def by_hand(setting: linear.Turns, seed: int, kind: str, degrees: float, lr: float) -> float:
    """Steps with a fraction by the closed form, each loss from a power of the matrix of one step."""
    drawn = linear.problem(setting, seed)
    turn = linear.single.turn(degrees, drawn.frame).numpy() * setting.scale
    target = turn - np.eye(setting.width) if kind == "residual" else turn
    x, start = drawn.x.numpy(), drawn.start.numpy()
    step = np.eye(setting.width) - 2 * lr / setting.width * x.T @ x / len(x)
    losses = [((x @ ((start - target) @ np.linalg.matrix_power(step, k)).T) ** 2).mean() for k in range(400)]
    k = next(k for k, loss in enumerate(losses) if loss <= setting.tolerance)
    if k == 0:
        return 0.0
    return k - math.log(setting.tolerance / losses[k]) / math.log(losses[k - 1] / losses[k])


def test_steps_are_those_of_the_closed_form():
    seeds = (3, 4)
    table = linear.trial(SMALL, seeds)
    problems = [linear.problem(SMALL, seed) for seed in seeds]
    widest = max(float(np.linalg.norm(each.x.numpy(), 2)) ** 2 / SMALL.examples for each in problems)
    lr = SMALL.rate * SMALL.width / 2 / widest
    for seed in seeds:
        for angle in (0, 45, 180):
            row = table[(table["seed"] == seed) & (table["angle"] == angle)].iloc[0]
            for kind in ("plain", "residual"):
                assert row[kind] == pytest.approx(by_hand(SMALL, seed, kind, angle, lr), abs=1e-6)


def test_inputs_have_unequal_variances_and_mean_square_one():
    drawn = linear.problem(linear.Turns(), 0)
    assert drawn.x.square().mean().item() == pytest.approx(1)
    spectrum = np.linalg.svd(drawn.x.numpy(), compute_uv=False)
    assert spectrum[0] / spectrum[-1] > 2
    assert drawn.start.std().item() == pytest.approx(0.01, rel=0.2)


@pytest.mark.parametrize(("scale", "wanted"), [(1.0, 60.0), (2.0, math.degrees(math.acos(0.25)))])
def test_the_crossing_is_where_theory_has_it(scale: float, wanted: float):
    """From weights of zero: |2 sin(angle / 2)| = 1, and 5 - 4 cos = 4 for a turn that doubles."""
    found = linear.trial(linear.Turns(scale=scale, start=0.0), (0, 1))["crossing"]
    np.testing.assert_allclose(found, wanted, atol=0.1)


def test_twins_remain_one_map_without_decay_and_part_with_it():
    for optimizer in linear.RATES:
        tables = [linear.twins_trial(linear.Twins(optimizer, decay, steps=120), (0, 1)) for decay in (0.0, 0.01)]
        assert (tables[0]["gap"] < 1e-10).all()
        np.testing.assert_allclose(tables[0]["plain"], tables[0]["residual"])
        assert (tables[0]["moved"] > 0.01).all()
        assert (tables[1]["gap"] > 1e-5).all()


def twins() -> pd.DataFrame:
    rows = [
        (optimizer, decay, seed, (1e-16 + decay) * (1 + seed), 1.0, 2.0, 2.0 * (1 - 10 * decay))
        for optimizer in linear.RATES
        for decay in linear.DECAYS
        for seed in range(2)
    ]
    return pd.DataFrame(rows, columns=["optimizer", "decay", "seed", "gap", "moved", "plain", "residual"])


def test_measures_of_the_twins():
    found = linear.same(twins())
    np.testing.assert_allclose(found.values, [1e-16, 2e-16] * 3)
    np.testing.assert_allclose(found.control, [0.01, 0.02] * 3)
    found = linear.decay(twins())
    np.testing.assert_allclose(found.values, [math.log(0.9)] * 6)
    np.testing.assert_allclose(found.control, [0.0] * 6)


def turns() -> pd.DataFrame:
    rows = [
        (scale, angle, seed, 22.0, 22.0 + (angle - 60) / 10, 60.0 * scale + seed)
        for scale in (1.0, 2.0)
        for angle in linear.ANGLES
        for seed in range(3)
    ]
    return pd.DataFrame(rows, columns=["scale", "angle", "seed", "plain", "residual", "crossing"])


def test_measures_of_the_turns():
    found = linear.crossing(turns())
    assert found.values.tolist() == [60, 61, 62]
    assert found.control.tolist() == [120, 121, 122]
    found = linear.half_turn(turns())
    np.testing.assert_allclose(found.values, [12] * 3)
    np.testing.assert_allclose(found.control, [-6] * 3)
