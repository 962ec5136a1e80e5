"""The chapter's measures against closed forms and tables whose answer is known, and its choices."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from resnet_lib import data, runtime
from resnet_lib.experiments.stability_of_the_step import drawings, linear, methods, networks
from resnet_lib.nets import dynamics
from resnet_lib.ode import tableaus

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def one_thread():
    with runtime.numerics(flush_denormal=False):
        yield


def test_growth_by_taking_steps_agrees_with_the_eigenvalues():
    turn = torch.tensor([[-0.1, -1.0], [1.0, -0.1]], dtype=torch.float64)
    limit = tableaus.largest_step("heun", complex(-0.1, 1)).value
    scaled = torch.stack([0.999 * limit * turn, 1.001 * limit * turn])
    assert linear.grows("heun", scaled).tolist() == [False, True]


def test_random_fields_have_the_spectra_they_are_named_after():
    damped = torch.linalg.eigvals(linear.fields(linear.Threshold("euler", "damped"), (0, 1)))
    assert (damped.real <= -0.2 + 1e-9).all()
    turning = torch.linalg.eigvals(linear.fields(linear.Threshold("euler", "turning"), (0, 1)))
    assert turning.real.abs().max() < 1e-12
    swinging = torch.linalg.eigvals(linear.fields(linear.Threshold("euler", "oscillating"), (0, 1)))
    ratio = swinging.imag.abs() / -swinging.real
    assert ((ratio > 0.49) & (ratio < 3.01)).all()


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


def test_comparison_counts_stages_and_caps_the_unlimited():
    table = methods.comparison_trial(methods.Comparison("oscillation"), (0,)).set_index("method")
    assert table.loc["implicit-midpoint", "limit"] == methods.CAP
    assert table.loc["rk4", "limit"] == pytest.approx(8**0.5)
    assert table.loc["dormand-prince", "stages"] == 6
    assert "leapfrog" not in methods.comparison_trial(methods.Comparison("damped"), (0,))["method"].tolist()


def test_against_is_one_where_both_have_no_step():
    table = pd.DataFrame({"method": ["euler", "heun", "rk4"], "field": "x", "limit": [0.0, 0.0, 2.8]})
    assert methods._against(table, "euler").tolist() == [1.0, 0.0]


def test_boundaries_of_the_pictures_lie_on_the_curve():
    for name in ("euler", "rk4", "implicit-euler"):
        method = tableaus.method(name)
        assert isinstance(method, tableaus.Tableau)
        for angle in (0.3, 2.0, 4.0):
            x, y = methods._boundary(method, angle)
            assert abs(complex(method.stability(complex(x, y)))) == pytest.approx(1, abs=1e-6)


def test_costs_are_paired_by_seed():
    accuracies = {1.0: (0.9, 0.8), 0.95: (0.5, 0.7), 0.9999: (0.9, 0.7), 0.5: (0.1, 0.1)}
    rows = [(factor, seed, value) for factor, both in accuracies.items() for seed, value in enumerate(both)]
    table = pd.DataFrame(rows, columns=["factor", "seed", "test_accuracy"])
    np.testing.assert_allclose(networks.mild(table).values, [40, 10])
    np.testing.assert_allclose(networks.mild(table).control, [0, 10])
    np.testing.assert_allclose(networks.strong(table).values, [80, 70])


def test_the_charts_hold_what_their_inputs_choose():
    parts = [methods.explorer_trial(methods.Explorer(m, step=1.0), (0,)).assign(method=m) for m in methods.SHOWN]
    table = pd.concat(parts)
    spec = drawings.explorer(table).to_dict()
    assert {p["name"] for p in spec["params"]} >= {"h", "method"}
    assert drawings.regions(table) is not None


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


def test_methods_are_compared_with_euler_and_with_a_layer_without_shortcut():
    limits = {"euler": 2.0, "rk4": 2.8, "implicit-euler": methods.CAP}
    table = pd.DataFrame({"method": list(limits), "field": "damped", "limit": list(limits.values())})
    np.testing.assert_allclose(methods.largest(table).values, [2 / 2.8, 2 / methods.CAP])
    np.testing.assert_allclose(methods.largest(table).control, [methods.CAP / 2, methods.CAP / 2.8])
    table = pd.DataFrame(
        {
            "field": ["damped", "damped", "damped", "oscillation"],
            "at_minus_3": [2.0, 0.25, 1.375, 9.0],
            "from_identity": [0.0, 5.0, 1e-16, 7.0],
        }
    )
    assert methods.plus_one(table).values.tolist() == [0.0, 1e-16]
    assert methods.plus_one(table).control.tolist() == [1.0, 1.0]


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


def test_the_contracting_trial_measures_the_layers_of_its_network():
    """Untrained, by hand in float64: a hundred layers of the antisymmetric branch, from the stem's output."""
    setting = networks.Contracting(0.9, 0.0, width=4, epochs=1)
    with runtime.numerics():
        table = networks.contracting_trial(setting, (3, 4))
        net = networks.fit(setting, (3, 4)).net(3).double()
    digits = data.load("digits", flat=True)
    layer = net.get_submodule("blocks.0.block.branch.0")
    assert isinstance(layer, dynamics.Antisymmetric)
    with torch.no_grad():
        x = net.get_submodule("stem")(digits.test.x.double())
        start = x.norm(dim=1).mean()
        matrix = layer.matrix()
        assert torch.equal(matrix, -matrix.T)
        for _ in range(100):
            x = 0.9 * x + 0.05 * torch.tanh(x @ matrix.T + layer.bias)
    row = table[table["seed"] == 3].to_dict("records")[0]
    assert row["start"] == pytest.approx(float(start))
    assert row["end"] == pytest.approx(float(x.norm(dim=1).mean()))
    step = 0.9 * torch.eye(4) + 0.05 * matrix.float()  # biases start at zero
    assert row["radius"] == pytest.approx(float(torch.linalg.eigvals(step).abs().max()))
    assert row["test_accuracy"] < 0.4
    assert not row["diverged"]


def test_a_contracting_network_that_diverged_guesses():
    with runtime.numerics():
        (row,) = networks.contracting_trial(networks.Contracting(1.0, 1e30, width=4, epochs=1), (0,)).to_dict("records")
    assert row["diverged"]
    assert row["test_accuracy"] == pytest.approx(0.1)
    assert np.isnan([row["start"], row["end"]]).all()
