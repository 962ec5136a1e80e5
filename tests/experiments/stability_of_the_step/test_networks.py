"""Contracting networks: the trial against layers by hand, the costs paired by seed."""

import numpy as np
import pandas as pd
import pytest
import torch

from resnet_lib import data, runtime
from resnet_lib.experiments.stability_of_the_step import networks
from resnet_lib.nets import dynamics


def test_costs_are_paired_by_seed():
    accuracies = {1.0: (0.9, 0.8), 0.95: (0.5, 0.7), 0.9999: (0.9, 0.7), 0.5: (0.1, 0.1)}
    rows = [(factor, seed, value) for factor, both in accuracies.items() for seed, value in enumerate(both)]
    table = pd.DataFrame(rows, columns=["factor", "seed", "test_accuracy"])
    np.testing.assert_allclose(networks.mild(table).values, [40, 10])
    np.testing.assert_allclose(networks.mild(table).control, [0, 10])
    np.testing.assert_allclose(networks.strong(table).values, [80, 70])


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
