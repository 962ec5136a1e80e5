"""Drift against matrices by hand, and its measures against the exact law of a layer."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import special, stats

from resnet_lib import runtime
from resnet_lib.evidence import statements
from resnet_lib.evidence.rules import Rule
from resnet_lib.experiments.plain_networks import drift
from resnet_lib.experiments.plain_networks.drift import Drift
from tests.experiments.plain_networks.made_tables import made
from tests.experiments.verdicts import status

ROOT = Path(__file__).parents[3]


def test_growth_through_matrices_is_that_of_the_dense_product() -> None:
    setting = Drift(8, layers=6, whole=True, every=3)
    table = drift.trial(setting, (3,)).set_index(["layer", "signal"])["growth"]
    stream = runtime.stream(3, "drift", 8)
    h, u, v = torch.randn(8, 3, generator=stream).double().numpy().T
    start, jacobian = h, np.eye(8)
    for layer in range(1, 7):
        weight = torch.randn(8, 8, generator=stream).double().numpy() / 2  # sqrt(2 / 8)
        pre = weight @ h
        h, jacobian = np.maximum(pre, 0), np.diag(pre > 0) @ weight @ jacobian
        if layer in (3, 6):
            expected = {
                "state": h @ h / (start @ start),
                "direction": np.sum((jacobian @ u) ** 2) / (u @ u),
                "backward": np.sum((jacobian.T @ v) ** 2) / (v @ v),
                "whole": np.sum(jacobian**2) / 8,
            }
            for name, value in expected.items():
                assert table[layer, name] == pytest.approx(np.log(value), abs=1e-4), name
    np.testing.assert_allclose(jacobian @ start, h)  # the network is positively homogeneous


@pytest.mark.parametrize("kind", ["linear", "reflected"])
def test_growth_through_layers_without_relu_is_that_of_the_dense_product(kind: str) -> None:
    setting, stream = Drift(8, layers=6, kind=kind, whole=True, every=3), runtime.stream(3, "drift", 8)
    table = drift.trial(setting, (3,)).set_index(["layer", "signal"])["growth"]
    h, u, v = torch.randn(8, 3, generator=stream).double().numpy().T
    jacobian = np.eye(8)
    for layer in range(1, 7):
        if kind == "linear":
            weight = torch.randn(8, 8, generator=stream).double().numpy() / 8**0.5
        else:
            mirror, gaussians = torch.randn(8, 2, generator=stream).double().numpy().T
            factor = 2 * np.mean(np.maximum(gaussians, 0) ** 2)
            weight = factor**0.5 * (np.eye(8) - 2 * np.outer(mirror, mirror) / (mirror @ mirror))
            np.testing.assert_allclose(weight @ weight.T, factor * np.eye(8), atol=1e-12)  # all directions alike
        jacobian = weight @ jacobian
        if layer in (3, 6):
            expected = {
                "state": np.sum((jacobian @ h) ** 2) / (h @ h),
                "direction": np.sum((jacobian @ u) ** 2) / (u @ u),
                "backward": np.sum((jacobian.T @ v) ** 2) / (v @ v),
                "whole": np.sum(jacobian**2) / 8,
            }
            for name, value in expected.items():
                assert table[layer, name] == pytest.approx(np.log(value), abs=1e-4), name


def p_value(a: torch.Tensor, b: torch.Tensor) -> float:
    """Of Kolmogorov and Smirnov's test that two samples have one law."""
    return stats.ks_2samp(a.numpy(), b.numpy()).pvalue  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(("kind", "width"), [("relu", 16), ("relu", 48), ("linear", 16)])
def test_the_law_is_that_of_real_layers(kind: str, width: int) -> None:
    seeds = tuple(range(1500))
    real = drift.by_matrices(Drift(width, layers=8, kind=kind, every=8), seeds)
    law = drift.by_law(Drift(width, layers=8, drawn="law", kind=kind, every=8), seeds)[8, "state"]
    for signal in ("state", "direction"):
        assert p_value(real[8, signal], law) > 1e-3
    assert p_value(real[8, "state"], law + 0.5) < 1e-6  # the test can see a difference


@pytest.mark.parametrize(
    ("kind", "variance", "mean"),
    [("relu", 5 / 32, drift.mean_of_layer(32)), ("linear", 2 / 32, drift.mean_of_linear_layer(32))],
)
def test_moments_of_one_layer(kind: str, variance: float, mean: float) -> None:
    setting = Drift(32, layers=1, drawn="law", kind=kind, every=1)
    factor = drift.by_law(setting, tuple(range(20_000)))[1, "state"].exp().numpy()
    error = factor.std() / len(factor) ** 0.5
    assert abs(factor.mean() - 1) < 4 * error
    assert factor.var() == pytest.approx(variance, rel=0.06)
    logs = np.log(factor)
    assert abs(logs.mean() - mean) < 4 * logs.std() / len(logs) ** 0.5


def test_mean_of_a_layer_tends_to_minus_five_halves_over_the_width() -> None:
    # The next term of the expansion, from the third and fourth moments of relu(g)^2: 5.5 * 8/3 - 3 * 25/4 = -4.083.
    for width in (64, 256, 1024):
        assert width * drift.mean_of_layer(width) == pytest.approx(-2.5 - 4.083 / width, abs=30 / width**2)
        # Without ReLU, from digamma(x) - ln(x) = -1/(2x) - 1/(12 x^2) + O(x^-4).
        assert width * drift.mean_of_linear_layer(width) == pytest.approx(-1 - 1 / (3 * width), abs=1 / width**2)


def rule(name: str, *, control: bool = False) -> Rule:
    """The rule of a claim of this section, or what its control must be."""
    claim = statements.load(ROOT / "claims.yml").claim(f"plain-drift.{name}")
    return Rule.parse(claim.control.must if control else claim.holds_if)


def relu_layer(width: int) -> tuple[float, float]:
    """Mean and variance of the logarithm of a ReLU layer's factor, exactly."""
    on = np.arange(1, width + 1)
    chances = stats.binom.pmf(on, width, 0.5) / (1 - 0.5**width)
    logs = special.digamma(on / 2)
    variance = chances @ (special.polygamma(1, on / 2) + logs**2) - (chances @ logs) ** 2
    return drift.mean_of_layer(width), float(variance)


def linear_layer(width: int) -> tuple[float, float]:
    """The same of a linear layer's factor, which is that of chi-squared."""
    return drift.mean_of_linear_layer(width), special.polygamma(1, width / 2).item()


def slope_by_law(layer: Callable[[int], tuple[float, float]], widths: tuple[int, ...]) -> tuple[float, float]:
    """Mean and deviation of one draw's slope, exactly."""
    depths_, mean, spread = np.arange(25, 101, 25), 0.0, 0.0
    squares = sum(float(((depths_ / width) ** 2).sum()) for width in widths)
    for width in widths:
        own, variance = layer(width)
        mean += (depths_ / width) @ depths_ * own / squares
        weights = [(depths_[depths_ >= at] / width).sum() for at in range(1, 101)]  # of each layer, in the sum
        spread += variance * np.square(weights).sum() / squares**2
    return float(mean), float(spread) ** 0.5


def power(rule: Rule, mean: float, deviation: float, draws: int) -> float:
    """The chance that the interval of the mean of so many draws lies inside."""
    error = deviation / draws**0.5
    above, below = (stats.norm.cdf(room / error - 1.96) for room in (mean - rule.low, rule.high - mean))
    return float(above + below - 1)


def test_the_draws_of_the_slope_decide_it_in_999_of_1000_runs() -> None:
    """From the exact law of a layer: the rule's bounds are far enough from the expected slope for so many draws."""
    mean, deviation = slope_by_law(relu_layer, drift.REAL)
    assert mean == pytest.approx(-2.62, abs=0.005)
    assert power(rule("slope"), mean, deviation, len(drift.DRIFT.quick.seeds)) > 0.999


def test_the_draws_decide_every_control_in_99_of_100_runs() -> None:
    """From exact laws, before any measurement; what claims.yml says of the expected values is said of these."""
    draws, whole = len(drift.DRIFT.quick.seeds), len(drift.JACOBIANS.quick.seeds)
    mean, deviation = slope_by_law(linear_layer, drift.LINEAR)
    assert mean == pytest.approx(-1.01, abs=0.005)
    for name in ("slope", "jacobian", "backward"):
        assert power(rule(name, control=True), mean, deviation, draws) > 0.999
    mean, deviation = slope_by_law(relu_layer, (32, 64, 128))
    assert mean == pytest.approx(-2.62, abs=0.005)
    assert power(rule("frobenius", control=True), mean, deviation, whole) > 0.99
    mean, variance = (100 * moment for moment in linear_layer(32))
    assert mean == pytest.approx(-3.16, abs=0.005)
    for name in ("narrow", "wide"):
        assert power(rule(name, control=True), mean, variance**0.5, draws) > 0.999
    typical, deviation = np.exp(100 * drift.mean_of_linear_layer(256)), ((1 + 2 / 256) ** 100 - 1) ** 0.5
    assert typical == pytest.approx(0.68, abs=0.005)
    assert power(rule("mean", control=True), 1.0, deviation, draws) > 0.999
    widths = [width for width in drift.WIDTHS if width >= 64]
    moments = [(100 * linear_layer(width)[0] + 100 / width, 100 * linear_layer(width)[1]) for width in widths]
    squares = [(variance + mean**2) * width / 200 for (mean, variance), width in zip(moments, widths, strict=True)]
    assert np.mean(squares) == pytest.approx(1.005, abs=0.001)
    deviation = (2 * np.square(squares).sum()) ** 0.5 / len(widths)  # of squares of nearly Gaussian numbers
    assert power(rule("variance", control=True), float(np.mean(squares)), deviation, draws) > 0.999


def test_controls_notice_a_wrong_slope_and_the_typical_value_in_place_of_the_mean() -> None:
    for name, measure in (("slope", drift.slope), ("jacobian", drift.jacobian), ("backward", drift.gradient)):
        for rate in (-0.8, -1.2):
            assert status(f"plain-drift.{name}", measure(made(-2.5, linear=rate))) == "invalid"
    for name, measure in (("narrow", drift.narrow), ("wide", drift.wide)):
        for rate in (-0.8, -1.2):
            assert status(f"plain-drift.{name}", measure(made(-2.5, linear=rate))) == "invalid"
    assert status("plain-drift.frobenius", drift.frobenius(made(-1.75, reflected=-1.75))) == "invalid"
    assert status("plain-drift.frobenius", drift.frobenius(made(-1.75))) == "fails"
    assert status("plain-drift.mean", drift.mean(made(0.0, linear=0.0))) == "holds"
    assert status("plain-drift.mean", drift.mean(made(0.0))) == "invalid"


def test_the_slopes_find_the_rate_and_their_verdicts_turn_with_it() -> None:
    table = made(-2.5)
    np.testing.assert_allclose(drift.slope(table).values, -2.5)
    np.testing.assert_allclose(drift.wide(table).values, -2.5 * 100 / 1024)
    measures = {"slope": drift.slope, "jacobian": drift.jacobian, "backward": drift.gradient}
    for name, measure in measures.items():
        assert [status(f"plain-drift.{name}", measure(made(rate))) for rate in (-2.5, -1.5, -4)] == [
            "holds",
            "fails",
            "fails",
        ]
    assert status("plain-drift.narrow", drift.narrow(table)) == "holds"
    assert status("plain-drift.wide", drift.wide(table)) == "fails"
    assert status("plain-drift.wide", drift.wide(made(-25))) == "holds"


def test_the_whole_jacobian_has_a_slope_of_its_own() -> None:
    table = made(-2.5)
    table.loc[table["signal"] == "whole", "growth"] *= 2
    np.testing.assert_allclose(drift.frobenius(table).values, -5)
    np.testing.assert_allclose(drift.frobenius(made(-1.75)).control, -2.5)  # reflections


def test_the_variance_is_found_in_units_of_5_L_over_n_and_of_2_L_over_n_without_relu() -> None:
    for noise in (1.0, 2.0):
        found = drift.variance(made(-2.5, noise=noise))
        np.testing.assert_allclose(found.values, noise**2)
        np.testing.assert_allclose(found.control, noise**2)
