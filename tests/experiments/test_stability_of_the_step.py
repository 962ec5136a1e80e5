"""The chapter's measures against closed forms and tables whose answer is known, and its choices."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from resnet_lib import data, runtime, sweep, training
from resnet_lib.evidence.choices import SAME
from resnet_lib.experiments.stability_of_the_step import drawings, linear, methods, networks
from resnet_lib.nets import dynamics
from resnet_lib.ode import tableaus
from tests.experiments import chapter

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


NAME = "19_stability_of_the_step"


def test_what_the_page_tells_of_contracting_networks_is_in_the_stored_tables():
    words, stored, tuned = chapter.words(NAME), sweep.stored(networks.CONTRACTING, ROOT), networks.RATES.result(ROOT)
    assert stored is not None
    assert tuned is not None
    table, other = stored.table, networks.CHOICES.results(ROOT)
    accuracy: Any = 100 * table.pivot(index="seed", columns="factor", values="test_accuracy")
    assert len(accuracy) == 10
    lost = accuracy.rsub(accuracy[1.0], axis=0)
    assert lost[[0.9, 0.95]].mean().round().tolist() == [2, 2]
    assert "two points of accuracy are lost" in words
    strong = accuracy[0.5].sort_values().to_numpy()
    assert int(table["diverged"].sum()) == 2
    np.testing.assert_allclose(strong[:3], [10, 10, 66], atol=0.5)
    assert (strong[3:].min().round(), strong[3:].max().round()) == (85, 91)
    assert "two overflow, which counts as guessing, seven end between 85 and 91%, and one at 66%" in words
    twice: Any = other["twice the epochs"].table.pivot(index="seed", columns="factor", values="test_accuracy")
    assert "the five that we tried end between 94 and 96%, two points below" in words
    assert (len(twice), round(100 * twice[0.5].min()), round(100 * twice[0.5].max())) == (5, 94, 96)
    assert round(100 * (twice[1.0] - twice[0.5]).mean()) == 2
    same: Any = 100 * other[SAME].table.pivot(index="seed", columns="factor", values="test_accuracy").mean()
    assert "At the rate of the neutral network 0.95 ends at 26%, and the other two guess" in words
    np.testing.assert_allclose(same[[0.5, 0.9, 0.95]], [10, 10, 26], atol=0.2)
    assert same[1.0] - same[0.95] == pytest.approx(70, abs=2)
    left = {factor: rate * factor**100 for factor, rate in networks.BEST.items()}
    shown = drawings.by_rate(tuned.table)
    tops = shown.loc[shown.groupby("factor")["validation_accuracy"].idxmax(), "left"]
    assert 0.05 <= min(*left.values(), *tops) < max(*left.values(), *tops) < 0.3
    assert np.log10(networks.BEST[0.5] / networks.BEST[1.0]) == pytest.approx(30.7, abs=0.1)
    assert (shown["left"].min(), shown["left"].max()) == (pytest.approx(0.05 / 3, rel=0.1), pytest.approx(0.5, rel=0.1))
    neutral = shown[shown["factor"] > 0.99].groupby("factor")["left"].max()
    np.testing.assert_allclose(neutral, 0.16, atol=0.002)
    states: Any = table.groupby("factor")[["start", "end"]].mean()
    grown = states["start"] / states.loc[1.0, "start"] * np.array([factor**100 for factor in states.index])
    assert 1 / 3 < grown.min() < grown.max() < 3
    behind = states["end"] / states.loc[1.0, "end"]
    assert 1 / 3 < behind.min() < behind.max() < 3
    assert table[table["factor"] == 0.95]["radius"].max() < 0.955 < 0.95 * 1.01


def test_the_page_says_that_a_contracting_network_is_a_linear_classifier():
    """With the mean of what its branches add up to as a constant in their place; the neutral network is none."""
    digits = data.load("digits", flat=True)
    images, labels = digits.test.x.double(), digits.test.y
    for factor, share, changed in ((0.95, 0.015, 0.003), (0.9, 3e-4, 0.003), (1.0, 2.0, 0.9)):
        first, shift, weight, bias, last, offset = (each.double() for each in alone(digits, factor))
        start = images @ first.T + shift
        end = passed(start, factor, weight, bias)
        added = end - factor**networks.DEPTH * start
        varied = (added - added.mean(0)).norm(dim=1).mean() / (end - end.mean(0)).norm(dim=1).mean()
        assert share / 5 < varied < share
        outputs = [each @ last.T + offset for each in (end, end - added + added.mean(0))]
        found, constant = (float((each.argmax(1) == labels).double().mean()) for each in outputs)
        assert abs(found - constant) < changed
        if factor == 0.9:
            assert 1e5 < float(outputs[0].abs().max()) < 1e6  # "several 100,000"
        if factor == 1:
            assert found > 0.96 > constant + 0.5


def test_the_page_says_that_rounding_helps_a_contraction_of_one_half():
    """The best of some seeds, since one training in five overflows, and which one is another machine's rounding."""
    digits = data.load("digits", flat=True)
    for dtype, noise, seeds, low, high in (
        (torch.float32, 0.0, 3, 0.8, 0.95),
        (torch.float64, 0.0, 1, 0.15, 0.5),
        (torch.float64, 1e-7, 3, 0.8, 0.95),
    ):
        found = []
        for seed in range(seeds):
            first, shift, weight, bias, last, offset = alone(digits, 0.5, dtype, noise, seed)
            end = passed(digits.test.x.to(dtype) @ first.T + shift, 0.5, weight, bias)
            found.append(float(((end @ last.T + offset).argmax(1) == digits.test.y).double().mean()))
        assert low < max(found) < high


def test_the_page_says_what_a_network_without_branches_reaches():
    """Two linear layers at the neutral rate: most of what a contraction costs is that they bend nothing."""
    digits = data.load("digits", flat=True)
    found = []
    for seed in range(3):
        first, shift, weight, bias, last, offset = alone(digits, 1.0, seed=seed, step=0.0)
        end = passed(digits.test.x @ first.T + shift, 1.0, weight, bias, step=0.0)
        found.append(float(((end @ last.T + offset).argmax(1) == digits.test.y).double().mean()))
    assert 0.945 < min(found) <= max(found) < 0.97
    assert "three trainings ended between 95.5 and 96.3%" in chapter.words(NAME)


def passed(
    x: torch.Tensor, factor: float, weight: torch.Tensor, bias: torch.Tensor, step: float = networks.STEP
) -> torch.Tensor:
    """States behind the layers, by the page's formula."""
    turn = weight - weight.T
    turn = turn * (networks.BOUND * 2**0.5 / turn.norm()).clamp(max=1)
    for _ in range(networks.DEPTH):
        x = factor * x + step * torch.tanh(x @ turn.T + bias)
    return x


def alone(
    digits: data.Dataset,
    factor: float,
    dtype: torch.dtype = torch.float32,
    noise: float = 0.0,
    seed: int = 0,
    step: float = networks.STEP,
) -> list[torch.Tensor]:
    """Weights of the page's network at the page's rate, by a program that shares the schedule alone with the library.

    `noise` is that share of each gradient, at random, that is added to it.
    """
    generator, other = (torch.Generator().manual_seed(each) for each in (seed, 99))
    first, weight, last = (torch.randn(o, i, generator=generator) / i**0.5 for o, i in ((32, 64), (32, 32), (10, 32)))
    drawn = (first, torch.zeros(32), weight, torch.zeros(32), last, torch.zeros(10))
    params = [each.to(dtype).requires_grad_() for each in drawn]
    velocities = [torch.zeros_like(each) for each in params]
    recipe = training.Recipe(epochs=8, lr=networks.BEST[factor])
    for epoch in range(8):
        for batch, rows in enumerate(torch.randperm(1000, generator=generator).split(50)):
            first, shift, weight, bias, last, offset = params
            end = passed(digits.train.x[rows].to(dtype) @ first.T + shift, factor, weight, bias, step)
            loss = torch.nn.functional.cross_entropy(end @ last.T + offset, digits.train.y[rows])
            rate = recipe.rate(20 * epoch + batch, 160)
            with torch.no_grad():
                for each, velocity, gradient in zip(params, velocities, torch.autograd.grad(loss, params), strict=True):
                    chance = torch.randn(each.shape, generator=other, dtype=dtype)
                    velocity.mul_(0.9).add_(gradient * (1 + noise * chance))
                    each.sub_(rate * velocity)
    return [each.detach() for each in params]
