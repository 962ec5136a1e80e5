"""Spectra of branches against dense Jacobians, and their measures on a known table."""

import pandas as pd
import pytest
import torch

from resnet_lib import data, nets
from resnet_lib.analysis import jacobian
from resnet_lib.experiments.published_networks import spectra
from resnet_lib.nets import Stack
from tests.experiments.published_networks.small_network import parts, values


def test_a_spectrum_is_that_of_the_dense_jacobian(images: data.Split, net: Stack):
    net = net.double()
    with torch.no_grad():
        states = net.states(images.x.double())
    assert list(spectra.chosen(net, (0, 2))) == [(0, 0), (0, 1), (2, 5)]
    block, x = parts(net)[5], states[5][:1]
    dense = jacobian.dense(block.branch, x)[0]
    values = torch.linalg.eigvals(dense)
    found = spectra.measured(block, x, 0)
    size = x.numel()
    assert found["near"] == float((values.abs() < 0.5).sum()) / size
    assert found["exact"] == float((values.abs() < 1e-4).sum()) / size
    assert found["alone"] == float(((values - 1).abs() < 0.5).sum()) / size
    assert found["radius"] == pytest.approx(float((1 + values).abs().max()), rel=1e-6)
    assert found["norm"] == pytest.approx(float(torch.linalg.matrix_norm(dense, 2)), rel=1e-2)
    assert found["identity"] == pytest.approx(1)
    matrix = spectra.hidden(block, x)
    largest = torch.linalg.eigvals(matrix).abs().max()
    assert float(largest) == pytest.approx(float(values.abs().max()), rel=1e-6)


def test_a_branch_that_is_off_has_no_eigenvalue_but_zero(net: Stack):
    block = parts(net)[0]
    block.branch.get_parameter("norm1.bias").data.fill_(-1e6)
    assert spectra.hidden(block, torch.zeros(1, 4, 8, 8)).shape == (0, 0)
    (pre,) = parts(nets.mlp(1, 4, unit="pre", generator=torch.Generator().manual_seed(0)).eval())
    with pytest.raises(ValueError, match="the branch is not of the form affine, ReLU, affine"):
        spectra.hidden(pre, torch.zeros(1, 4))


def test_a_trial_of_spectra_has_a_row_for_each_block_and_image(images: data.Split):
    table = spectra.trial(spectra.Spectra(20, stages=(2,)), (0, 3))
    assert table[["seed", "stage", "block"]].to_numpy().tolist() == [[0, 2, 5], [3, 2, 5]]


def test_spectra_are_those_of_the_median_block():
    rows = [(56, 0, 0.9, 0.7, 0.1, 2.0), (56, 0, 0.8, 0.6, 0.3, 1.0), (56, 0, 0.7, 0.5, 0.2, 3.0), (20, 0, 0, 0, 0, 0)]
    last = pd.DataFrame(rows, columns=["depth", "seed", "near", "exact", "alone", "norm"]).assign(identity=1.0, stage=2)
    table = pd.concat([last, last.assign(stage=1, near=0.0, exact=0.0, norm=0.0)])
    assert values(spectra.near(table)) == ([0.8], [0.2])
    assert values(spectra.exact(table)) == ([0.6], [0.2])
    assert values(spectra.small(table)) == ([2.0], [1.0])
