"""Degradation, gradients, rescue: the measures on tables whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from resnet_lib.experiments.plain_networks import measures
from tests.experiments import verdicts


def table(errors: dict[tuple[str, int, bool], float], measure: str = "train_error", **fields) -> pd.DataFrame:
    """Rows like the trial's: the error of each (variant, layers, rescaled), and a tenth of the seed more."""
    rows = [
        {"variant": v, "layers": n, "rescaled": r, "seed": seed, "value": error + seed / 10}
        for (v, n, r), error in errors.items()
        for seed in range(5)
    ]
    return pd.DataFrame(rows).assign(measure=measure, epoch=10, layer=0, **fields)


ERRORS = {
    ("plain", 8, False): 5.0,
    ("plain", 20, False): 3.0,
    ("plain", 50, False): 50.0,
    ("plain", 50, True): 45.0,
    ("mirrored", 50, False): 6.0,
    ("original", 8, False): 4.5,
    ("original", 20, False): 2.0,
    ("original", 50, False): 5.0,
    ("pre", 8, False): 4.0,
    ("pre", 20, False): 2.0,
    ("pre", 50, False): 2.2,
    ("sigmoid", 8, False): 90.0,
    ("sigmoid", 8, True): 22.0,
    ("bare", 8, False): 1.0,
    ("bare", 8, True): 2.0,
    ("bare", 50, False): 45.0,
    ("bare", 50, True): 40.0,
}


def test_the_rise_is_from_the_best_depth_to_the_deepest_seed_by_seed():
    made = table(ERRORS)
    np.testing.assert_allclose(measures.degrade_plain(made).values, 47)
    np.testing.assert_allclose(measures.degrade_plain(made).control, 0.5)
    np.testing.assert_allclose(measures.degrade_original(made).values, 3)
    np.testing.assert_allclose(measures.degrade_pre(made).values, 0.2)
    for measure in (measures.degrade_original, measures.degrade_pre):
        np.testing.assert_allclose(measure(made).control, 47)


def test_what_rescaling_recovers_is_a_part_of_the_gap():
    made = table(ERRORS)
    np.testing.assert_allclose(measures.rescale(made).values, 5 / 45)
    np.testing.assert_allclose(measures.rescale(made).control, 68 / 85)
    np.testing.assert_allclose(measures.rescale_bare(made).values, 5 / 40)
    np.testing.assert_allclose(measures.fails_normalised(made).values, 1)
    np.testing.assert_allclose(measures.fails_normalised(made).control, 45)
    np.testing.assert_allclose(measures.sigmoid(made).values, 68)
    np.testing.assert_allclose(measures.sigmoid(made).control, -1)


def test_a_plain_network_is_compared_with_the_residual_one_of_its_depth():
    errors = {
        ("scaled", 8, False): 1.0,
        ("bare", 8, False): 2.0,
        ("scaled", 100, False): 3.0,
        ("bare", 100, False): 80.0,
    }
    errors |= {("identity", 100, False): 3.5, ("looks-linear", 100, False): 2.5}
    made = pd.concat([table(errors), table({key: 2 * e for key, e in errors.items()}, "test_error")])
    np.testing.assert_allclose(measures.fails_he(made).values, 77)
    np.testing.assert_allclose(measures.fails_he(made).control, 1)
    np.testing.assert_allclose(measures.fails_identity(made).values, 0.5)
    np.testing.assert_allclose(measures.fails_looks_linear(made).values, -0.5)
    np.testing.assert_allclose(measures.fails_test(made).values, -1)
    np.testing.assert_allclose(measures.degrade_bare(made).values, 78)
    np.testing.assert_allclose(measures.degrade_bare(made).control, 2)


@pytest.mark.parametrize(
    ("id", "measure", "key", "value", "status"),
    [
        ("plain-degrade.plain", measures.degrade_plain, ("plain", 50, False), 50.0, "holds"),
        ("plain-degrade.plain", measures.degrade_plain, ("plain", 50, False), 3.0, "fails"),
        ("plain-degrade.plain", measures.degrade_plain, ("original", 8, False), 1.0, "invalid"),
        ("degrade-cause.rescale", measures.rescale, ("plain", 50, True), 45.0, "fails"),
        ("degrade-cause.rescale", measures.rescale, ("plain", 50, True), 10.0, "holds"),
        ("degrade-cause.rescale", measures.rescale, ("sigmoid", 8, True), 80.0, "invalid"),
        ("degrade-cause.sigmoid", measures.sigmoid, ("bare", 8, False), 20.0, "invalid"),
    ],
)
def test_verdicts_turn_with_what_was_measured(id, measure, key, value, status):
    assert verdicts.status(id, measure(table(ERRORS | {key: value}))) == status


def watched(**first: list[float]) -> pd.DataFrame:
    """Ratios of five seeds by variant, one number per epoch 0, 1, ..."""
    made = [
        {"variant": v, "seed": s, "epoch": e, "value": value, "measure": "ratio", "rescaled": False, "layer": 0}
        for v, values in first.items()
        for s in range(5)
        for e, value in enumerate(values)
    ]
    return pd.DataFrame(made)


def test_vanishing_is_looked_for_before_and_during_training():
    made = watched(plain=[4.0, 1.0, -0.5], sigmoid=[-3.2, -3.0, -2.9])
    assert measures.vanish(made).values.tolist() == [4.0] * 5
    assert measures.vanish_training(made).values.tolist() == [-0.5] * 5
    assert measures.vanish_training(made).control.tolist() == [-3.2] * 5


def test_the_rate_is_that_of_the_widest_untrained_networks():
    rows = [
        {"variant": v, "width": width, "seed": s, "layer": layer, "gradient": (base + s) ** (4 - layer) * width}
        for v, base in (("bare", 2.0), ("plain", 5.0))
        for width in (8, 16)
        for s in range(2)
        for layer in (3, 1, 2)
    ]
    made = pd.DataFrame(rows)
    made.loc[(made["width"] == 8) & (made["layer"] == 1), "gradient"] = 1.0  # of another width, which does not count
    np.testing.assert_allclose(measures.rate_bare(made).values, [2, 3])
    np.testing.assert_allclose(measures.rate_bare(made).control, [5, 6])


def test_direction_and_slope_are_read_where_the_rules_say():
    layers = np.arange(1, 7)
    parts = [
        pd.DataFrame({"variant": v, "seed": s, "epoch": e, "layer": layers, "value": layers + 10 * e + off})
        for v, off in (("plain", 0.0), ("sigmoid", 0.5))
        for s in range(5)
        for e in (0, 1)
    ]
    made = pd.concat(parts).assign(measure="agreement", rescaled=False)
    assert measures.direction(made).values.tolist() == [3.0] * 5
    assert measures.direction(made).control.tolist() == [3.5] * 5
    slopes = [
        (v, e, value)
        for v, e, value in (("looks-linear", 0, 0.1), ("looks-linear", 10, -0.5), ("orthogonal", 0, -15.0))
    ]
    made = pd.DataFrame([{"variant": v, "epoch": e, "seed": s, "value": x} for v, e, x in slopes for s in range(5)])
    evidence = measures.fails_slope(made.assign(layers=100, rescaled=False, measure="slope"))
    assert (evidence.values.tolist(), evidence.control.tolist()) == ([0.5] * 5, [15.0] * 5)
