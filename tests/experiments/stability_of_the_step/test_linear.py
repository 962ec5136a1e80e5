"""Thresholds, oscillators and layers against closed forms."""

import numpy as np
import pandas as pd
import torch

from resnet_lib.experiments.stability_of_the_step import linear
from resnet_lib.ode import tableaus


def test_growth_by_taking_steps_agrees_with_the_eigenvalues():
    turn = torch.tensor([[-0.1, -1.0], [1.0, -0.1]], dtype=torch.float64)
    limit = tableaus.largest_step("heun", complex(-0.1, 1)).value
    scaled = torch.stack([0.999 * limit * turn, 1.001 * limit * turn])
    assert linear.grows("heun", scaled).tolist() == [False, True]


def test_thresholds_are_found_and_another_prediction_is_not_taken_for_them():
    settings = [linear.Threshold("rk4", "oscillating", 4), linear.Threshold("euler", "damped", 4)]
    settings.append(linear.Threshold("euler", "turning", 4))
    tables = [linear.threshold_trial(s, (0, 1)).assign(method=s.method, field=s.field) for s in settings]
    table = pd.concat(tables)
    found = linear.method_thresholds(table)
    np.testing.assert_allclose(found.values, 1, atol=0.01)
    assert found.control.min() > 1.01
    euler = linear.euler_threshold(table)
    np.testing.assert_allclose(euler.values, 1, atol=0.01)
    assert euler.control.max() < 0.01


def test_oscillator_trial_against_the_formula():
    table = linear.oscillator_trial(linear.Oscillator(0.5, 100), (0, 1, 2))
    np.testing.assert_allclose(table["euler"], 1.25**50, rtol=1e-9)
    assert table["midpoint_change"].max() < 1e-12
    evidence = linear.oscillator_growth(table.assign(angle=0.5))
    np.testing.assert_allclose(evidence.values, 1, rtol=1e-9)
    assert evidence.control.max() < 0.1


def test_layers_trial_against_closed_forms():
    table = linear.layers_trial(linear.Layers(width=16), (0, 1))
    np.testing.assert_allclose(table["euler_norm"], 50 * np.log10(1.25), rtol=1e-6)
    assert table["midpoint_norm"].abs().max() < 1e-9
    assert (table["damped_distance"] <= 100 * np.log10(0.95) + 1e-9).all()
    assert (table["gradient"] < 1e-10).all()
    assert (table["gradient_control"] > 0.01).all()
    # sum of squares of (0.9 I + 3 u v^T)^100 by its two terms: 0.9^100 (I + 100/0.3 u v^T)
    tied = np.log10(0.9**100 * np.sqrt((16 + (100 * 3 / 0.9) ** 2) / 16))
    np.testing.assert_allclose(table["tied"], tied, rtol=1e-9)
    assert (table["untied"] > 0).all()
    assert (table["small"] < 0.01 * 100 * np.log10(np.e) + 1e-9).all()


def test_measures_that_are_columns_of_their_table():
    names = ("gradient", "untied", "euler_norm", "damped_distance", "small")
    controls = ("gradient_control", "tied", "midpoint_norm", "midpoint_distance", "large")
    table = pd.DataFrame({name: [i, i + 0.5] for i, name in enumerate((*names, *controls))})
    found = (linear.gradient, linear.untied, linear.antisymmetric, linear.distinct, linear.small)
    for i, measure in enumerate(found):
        assert measure(table).values.tolist() == [i, i + 0.5]
        assert measure(table).control.tolist() == [i + 5, i + 5.5]


def test_the_midpoint_rule_is_read_after_10000_steps():
    table = pd.DataFrame(
        {"steps": [100, 10_000, 10_000], "midpoint_change": [7.0, 1e-12, 2e-12], "euler_change": [8, 3, 4]}
    )
    assert linear.oscillator_midpoint(table).values.tolist() == [1e-12, 2e-12]
    assert linear.oscillator_midpoint(table).control.tolist() == [3, 4]
