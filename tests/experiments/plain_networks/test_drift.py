"""Drift against matrices by hand, and its measures against the exact law of a layer."""

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


def p_value(a: torch.Tensor, b: torch.Tensor) -> float:
    """Of Kolmogorov and Smirnov's test that two samples have one law."""
    return stats.ks_2samp(a.numpy(), b.numpy()).pvalue  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("width", [16, 48])
def test_the_law_is_that_of_real_layers(width: int) -> None:
    seeds = tuple(range(1500))
    real = drift.by_matrices(Drift(width, layers=8, every=8), seeds)
    law = drift.by_law(Drift(width, layers=8, drawn="law", every=8), seeds)[8, "state"]
    for signal in ("state", "direction"):
        assert p_value(real[8, signal], law) > 1e-3
    assert p_value(real[8, "state"], law + 0.5) < 1e-6  # the test can see a difference


def test_moments_of_one_layer() -> None:
    factor = drift.by_law(Drift(32, layers=1, drawn="law", every=1), tuple(range(20_000)))[1, "state"].exp().numpy()
    error = factor.std() / len(factor) ** 0.5
    assert abs(factor.mean() - 1) < 4 * error
    assert factor.var() == pytest.approx(5 / 32, rel=0.06)
    logs = np.log(factor)
    assert abs(logs.mean() - drift.mean_of_layer(32)) < 4 * logs.std() / len(logs) ** 0.5


def test_mean_of_a_layer_tends_to_minus_five_halves_over_the_width() -> None:
    # The next term of the expansion, from the third and fourth moments of relu(g)^2: 5.5 * 8/3 - 3 * 25/4 = -4.083.
    for width in (64, 256, 1024):
        assert width * drift.mean_of_layer(width) == pytest.approx(-2.5 - 4.083 / width, abs=30 / width**2)


def test_the_draws_of_the_slope_decide_it_in_999_of_1000_runs() -> None:
    """From the exact law of a layer: the rule's bounds are far enough from the expected slope for so many draws."""
    depths_, mean, spread = np.arange(25, 101, 25), 0.0, 0.0
    squares = sum(float(((depths_ / width) ** 2).sum()) for width in drift.REAL)
    for width in drift.REAL:
        on = np.arange(1, width + 1)
        chances = stats.binom.pmf(on, width, 0.5) / (1 - 0.5**width)
        logs = special.digamma(on / 2)
        variance = chances @ (special.polygamma(1, on / 2) + logs**2) - (chances @ logs) ** 2
        mean += (depths_ / width) @ depths_ * drift.mean_of_layer(width) / squares
        weights = [(depths_[depths_ >= layer] / width).sum() for layer in range(1, 101)]  # of each layer, in the sum
        spread += variance * np.square(weights).sum() / squares**2
    rule = Rule.parse(statements.load(ROOT / "claims.yml").claim("plain-drift.slope").holds_if)
    errors = min(mean - rule.low, rule.high - mean) / np.sqrt(spread / len(drift.DRIFT.quick.seeds))
    assert mean == pytest.approx(-2.62, abs=0.005)
    assert stats.norm.cdf(errors - stats.norm.isf(0.025)) > 0.999


def test_doubled_weights_add_ln_4_a_layer() -> None:
    for drawn in ("matrices", "law"):
        once, twice = (drift.trial(Drift(16, 50, drawn, gain), (0, 1)) for gain in (1.0, 2.0))
        np.testing.assert_allclose(twice["growth"] - once["growth"], once["layer"] * np.log(4), rtol=1e-6)


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
    assert status("plain-drift.mean", drift.mean(made(0.0))) == "holds"


def test_the_whole_jacobian_has_a_slope_of_its_own() -> None:
    table = made(-2.5)
    table.loc[table["signal"] == "whole", "growth"] *= 2
    np.testing.assert_allclose(drift.frobenius(table).values, -5)
    # Twice ln 4 per layer, and -5 L/n over 100 ln 4: a mean over the widths 32, 64 and 1024.
    drifted = np.mean([-5 * 100 / n for n in (32, 64, 1024)]) / (100 * np.log(4))
    np.testing.assert_allclose(drift.frobenius(table).control, 2 + drifted)


def test_the_variance_is_found_in_units_of_5_L_over_n() -> None:
    np.testing.assert_allclose(drift.variance(made(-2.5, noise=1.0)).values, 1)
    np.testing.assert_allclose(drift.variance(made(-2.5, noise=2.0)).values, 4)
