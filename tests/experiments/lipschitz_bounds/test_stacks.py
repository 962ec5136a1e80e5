"""Networks under rules are what the rules say, and their measures are what is in the table."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from resnet_lib import runtime
from resnet_lib.analysis import lipschitz
from resnet_lib.experiments.lipschitz_bounds import drawings, stacks
from tests.experiments.lipschitz_bounds.made_tables import networks_table


@pytest.mark.parametrize(
    "rule", ["residual", "constrained", "plain", "guaranteed", "bounded", "biased", "free", "silent"]
)
def test_a_rule_is_what_it_says(rule):
    setting = stacks.Trained(rule, blocks=4, lr=0.1, width=6)
    net = lipschitz.release(stacks.make_net(setting, runtime.stream(0))).double().eval()
    layers = [m for m in net.blocks.modules() if isinstance(m, nn.Linear)]
    norms = [float(torch.linalg.matrix_norm(m.weight.detach(), 2)) for m in layers]
    limit = {"constrained": 0.5, "guaranteed": 1.0, "bounded": 0.1**0.5, "biased": 0.1**0.5}.get(rule, math.inf)
    assert max(norms) <= limit * (1 + 1e-6)
    if rule == "guaranteed":
        assert min(norms) == pytest.approx(1, rel=1e-6)
    assert all((m.bias is None) == (rule in ("bounded", "free")) for m in layers)
    blocks = lipschitz.product_bound(nn.Sequential(*net.blocks), (6,)).value
    if rule in ("guaranteed", "bounded", "biased", "silent"):
        assert blocks <= 1 + 1e-9
    if rule == "constrained":
        assert blocks <= math.e
    if rule == "silent":
        assert blocks < 1e-10


def test_without_activations_a_network_is_linear():
    net = stacks.make_net(stacks.Trained("residual", blocks=2, lr=0.1, width=4), runtime.stream(0)).double().eval()
    values = stacks.bounds_of(
        net, 64, torch.randn(40, 64, generator=runtime.stream(1), dtype=torch.float64), 0, certify=True
    )
    assert values["found"] <= values["certified"] <= values["product"]
    assert values["at_data"] <= values["found"] + 1e-9
    assert values["linear_found"] == pytest.approx(values["linear_certified"], abs=1e-6)
    assert not any(isinstance(m, nn.ReLU) for m in net.modules())


def test_the_trial_measures_trained_networks():
    setting = stacks.Trained("bounded", blocks=3, lr=0.1, width=6, epochs=2, bounds=False)
    with runtime.numerics():
        table = stacks.trained_trial(setting, (0, 1))
        biased = stacks.trained_trial(stacks.Trained("biased", 3, 0.1, width=6, epochs=2, bounds=False), (0,))
    assert (table["growth"] < 1e-10).all()
    assert table["product"].isna().all()
    assert (biased["excess"] < 1e-10).all()
    ladder = stacks.trained_trial(stacks.Trained("scalar", blocks=5, lr=0.0), (0,))
    np.testing.assert_allclose(ladder[["product", "found"]], 5 * math.log10(1.3), rtol=1e-6)


def test_the_gradient_ratio_of_a_linear_shrinking_stack_is_known():
    net = stacks.scalar_net(4, 6)
    for block in net.blocks:
        block.branch.weight.data = -0.5 * torch.eye(6)  # pyright: ignore
    x, y = torch.randn(5, 6, generator=runtime.stream(0)), torch.tensor([0, 1, 2, 3, 4])
    assert stacks.signal_of(net, x, y) == pytest.approx(3 * math.log10(0.5), abs=1e-5)


def test_measures_say_what_is_in_the_table():
    table = networks_table()
    assert stacks.product_bound(table).values.max() < 0 < stacks.product_bound(table).control.min()
    np.testing.assert_allclose(stacks.product_estimate(table).values, 2)
    np.testing.assert_allclose(stacks.product_growth(table).values, 0.5)
    np.testing.assert_allclose(stacks.product_slack(table).values, 0.75)
    np.testing.assert_allclose(stacks.product_slack(table).control, 1)
    np.testing.assert_allclose(stacks.signal_gradient(table).values, -3)
    np.testing.assert_allclose(stacks.signal_accuracy(table).values, 0, atol=1e-9)
    np.testing.assert_allclose(stacks.signal_accuracy(table).control, -80)
    np.testing.assert_allclose(stacks.weights_monotone(table).values, -0.1)
    np.testing.assert_allclose(stacks.weights_monotone(table).control, 0.5)
    np.testing.assert_allclose(stacks.weights_biases(table).control, -0.2)
    assert set(drawings.ladder_rows(table)["rule"]) == {"residual", "plain", "constrained"}


def test_a_network_that_diverged_guesses_and_has_no_bounds():
    table = stacks.trained_trial(stacks.Trained("residual", 2, 1e6, width=6, epochs=1), (0,))
    (row,) = table.to_dict("records")
    assert row["test_accuracy"] == pytest.approx(0.1)
    assert np.isfinite(row["gradient"])  # taken before training
    assert np.isnan([row[name] for name in ("growth", "excess", *stacks.COLUMNS)]).all()
