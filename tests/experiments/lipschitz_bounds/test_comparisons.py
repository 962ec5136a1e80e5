"""The gentle and the released network are what they are compared as, seed by seed."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from resnet_lib import linalg, runtime
from resnet_lib.analysis import lipschitz
from resnet_lib.experiments.lipschitz_bounds import comparisons, stacks
from tests.experiments.lipschitz_bounds.made_tables import measured


def test_the_gentle_guarantee_is_one_and_loses_little_signal():
    setting = comparisons.Compared("gentle", blocks=50, lr=0.1, width=6)
    net = lipschitz.release(comparisons.make_net(setting, runtime.stream(0))).double().eval()
    layers = [m for m in net.blocks.modules() if isinstance(m, nn.Linear)]
    norms = [float(torch.linalg.matrix_norm(m.weight.detach(), 2)) for m in layers]
    np.testing.assert_allclose(norms, 1, rtol=1e-6)
    assert lipschitz.product_bound(nn.Sequential(*net.blocks), (6,)).value == pytest.approx(1, abs=1e-5)
    x, y = torch.randn(9, 64, generator=runtime.stream(1), dtype=torch.float64), torch.arange(9)
    # Between the bare skip, (1 - beta)^49, and a branch aligned with it.
    assert 49 * math.log10(1 - comparisons.GENTLE) < stacks.signal_of(net, x, y) < 0


def test_the_released_network_starts_where_the_bounded_one_starts_and_has_no_bound():
    setting = comparisons.Compared("released", blocks=4, lr=0.1, width=6)
    released = comparisons.make_net(setting, runtime.stream(0))
    bounded = lipschitz.release(stacks.make_net(stacks.Trained("bounded", 4, 0.1, width=6), runtime.stream(0)))
    for name, value in bounded.state_dict().items():
        torch.testing.assert_close(released.state_dict()[name], value)
    with torch.no_grad():
        for parameter in released.parameters():
            parameter.mul_(10)
    largest = [linalg.spectral_norms(m.weight) for m in released.blocks.modules() if isinstance(m, nn.Linear)]
    assert min(largest) > 1 > stacks.BETA**0.5
    assert all(m.bias is None for m in released.blocks.modules() if isinstance(m, nn.Linear))


def test_the_comparisons_measure_what_they_train():
    settings = [comparisons.Compared(*rule, 0.1, width=6, epochs=1) for rule in (("gentle", 50), ("silent", 50))]
    with runtime.numerics():
        table = measured(comparisons.compared_trial, settings, (0, 1), "rule", "blocks")
    gradient = comparisons.gentle_gradient(table)
    assert gradient.values.min() > 49 * math.log10(0.98) > -2 > gradient.control.max()
    np.testing.assert_allclose(gradient.control, -15 * 49 / 50)
    diverged = comparisons.compared_trial(comparisons.Compared("residual", 2, 1e6, width=6, epochs=1), (0,))
    assert diverged["test_accuracy"].tolist() == [0.1]


def test_comparisons_are_paired_by_seed():
    accuracy = {"gentle": 0.97, "residual": 0.95, "bounded": 0.9, "released": 0.96, "silent": 0.1}
    rows = [
        {"rule": rule, "blocks": blocks, "seed": seed, "test_accuracy": share + seed / 100, "gradient": -0.4}
        for rule, share in accuracy.items() for blocks in (10, 50) for seed in (1, 0)
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    np.testing.assert_allclose(comparisons.gentle_accuracy(table).values, 2)
    np.testing.assert_allclose(comparisons.gentle_accuracy(table).control, -85)
    np.testing.assert_allclose(comparisons.weights_cost(table).values, -6)
    np.testing.assert_allclose(comparisons.weights_cost(table).control, -86)
