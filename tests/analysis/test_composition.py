"""Bounds by composition are what closed forms say, of blocks, of chains and of paths of different shapes."""

import math
from dataclasses import replace

import pytest
import torch
from bounded import INSIDE, ROUNDING, drawn, gaussian, reached
from torch import nn

from resnet_lib import runtime
from resnet_lib.analysis import lipschitz
from resnet_lib.nets import Block, blocks, initialisation, merges
from resnet_lib.nets.merges import Add, Scaled


@pytest.mark.parametrize("shape", [(2, 2), (2, 3)])
def test_a_normalisation_of_another_axis_is_not_folded_into_a_linear_layer(shape):
    channels, features = shape
    for seed in range(5):
        net = drawn(nn.Sequential(nn.Linear(features, 4), nn.BatchNorm1d(channels)), seed)
        assert reached(net, shape, seed) <= lipschitz.product_bound(net, shape).value * ROUNDING
    norm, first = nn.BatchNorm1d(2).eval(), nn.Linear(2, 2, bias=False)
    norm.weight.data, first.weight.data = torch.tensor([0.1, 10.0]), torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    found = lipschitz.product_bound(nn.Sequential(first, norm).eval(), (2, 2)).value
    assert found == pytest.approx(10 / math.sqrt(1 + 1e-5), rel=1e-6)


def test_paths_of_different_shapes_are_not_added():
    """Torch repeats the one that is smaller, which multiplies its constant."""
    for wide in (
        Block(nn.Linear(1, 4), nn.Identity(), Add()),
        Block(nn.Identity(), nn.Linear(1, 4), Scaled(1.0, 2.0)),
    ):
        with pytest.raises(ValueError, match=r"so that the sum repeats one of them; use paths of one shape"):
            lipschitz.product_bound(wide, (1,))
        with pytest.raises(ValueError, match=r"so that the sum repeats one of them; use paths of one shape"):
            lipschitz.normal_form(wide, 1)


def test_a_branch_that_overwrites_what_the_shortcut_reads_is_refused():
    steep = nn.LeakyReLU(3.0, inplace=True)
    for path in (steep, nn.Sequential(steep, nn.Linear(2, 2)), nn.Sequential(nn.Identity(), nn.Sequential(steep))):
        with pytest.raises(ValueError, match=r"branch begins with LeakyReLU.*use inplace=False"):
            Block(path, nn.Identity(), Add())
        with pytest.raises(ValueError, match=r"shortcut begins with LeakyReLU.*use inplace=False"):
            Block(nn.Linear(2, 2), path, Add())
    block = Block(nn.Sequential(nn.LeakyReLU(3.0), nn.Linear(2, 2)), nn.Identity(), Add())
    assert isinstance(block.branch, nn.Sequential)
    block.branch[0] = steep  # later on
    hidden = Block(
        nn.Sequential(Block(nn.Identity(), blocks.Absent(), merges.BranchOnly()), nn.Identity()), nn.Identity(), Add()
    )
    assert isinstance(hidden.branch, nn.Sequential)
    hidden.branch[1] = steep
    for changed in (block, hidden):
        for call in (lambda m: lipschitz.product_bound(m, (2,)), lambda m: lipschitz.normal_form(m, 2)):
            with pytest.raises(ValueError, match=r"works in place on the input of a block"):
                call(changed)
    harmless = Block(nn.Sequential(nn.Linear(2, 2), nn.ReLU(inplace=True)), nn.Identity(), Add())
    norm = float(torch.linalg.matrix_norm(harmless.branch[0].weight.detach(), 2))  # pyright: ignore
    assert lipschitz.product_bound(harmless, (2,)).value == pytest.approx(1 + norm, rel=1e-6)


def test_a_product_that_underflows_is_rounded_up():
    layers = []
    for size in (1e-200, 1e-200, 1e300):
        layer = nn.Linear(1, 1, bias=False).double()
        layer.weight.data.fill_(size)
        layers.append(layer)
    assert lipschitz.product_bound(nn.Sequential(*layers), (1,)).value >= 1e-100
    layers[0].weight.data.zero_()
    assert lipschitz.product_bound(nn.Sequential(*layers), (1,)).value == 0


def test_a_linear_network_has_the_norm_of_its_product():
    first, last = nn.Linear(5, 7).double().requires_grad_(False), nn.Linear(7, 3).double().requires_grad_(False)
    net = nn.Sequential(first, last)
    exact = float(torch.linalg.matrix_norm(last.weight @ first.weight, 2))
    found = lipschitz.search(net, gaussian(0, 2, 5), rounds=1, steps=1, generator=runtime.stream(0))
    assert found.value == pytest.approx(exact)
    assert found.residual < 1e-9
    assert lipschitz.semidefinite(lipschitz.normal_form(net, 5)).value == pytest.approx(exact)
    parts = [float(torch.linalg.matrix_norm(layer.weight, 2)) for layer in (first, last)]
    bound = lipschitz.product_bound(net, (5,))
    assert bound.value == pytest.approx(math.prod(parts))
    assert [value for _, value in bound.parts] == pytest.approx(parts)


def test_the_constant_of_a_block_is_one_plus_k():
    block = initialisation.initialise(
        blocks.linear_block(replace(INSIDE, alpha=0.3, beta=0.25), 4), runtime.stream(0)
    ).double()
    k = math.prod(
        float(torch.linalg.matrix_norm(w.weight.detach(), 2))
        for w in block.branch.children()
        if isinstance(w, nn.Linear)
    )
    assert lipschitz.product_bound(block, (4,)).value == pytest.approx(0.75 + 0.3 * k)
    for unit, constant in ((INSIDE, 1 + k), (INSIDE.plain(), k)):
        block = initialisation.initialise(blocks.linear_block(unit, 4), runtime.stream(0)).double()
        assert lipschitz.product_bound(block, (4,)).value == pytest.approx(constant)


def test_a_batch_normalisation_behind_a_layer_is_folded_into_it():
    layer, norm = nn.Linear(3, 3, bias=False).double(), nn.BatchNorm1d(3).double().eval()
    layer.weight.data = torch.diag(torch.tensor([4.0, 1.0, 0.5]).double())
    norm.weight.data = torch.tensor([0.25, 1.0, 2.0]).double()
    folded = lipschitz.product_bound(nn.Sequential(layer, norm), (3,)).value
    assert folded == pytest.approx(1 / math.sqrt(1 + 1e-5))
    apart = lipschitz.product_bound(nn.Sequential(layer, nn.Identity(), norm), (3,)).value
    assert apart == pytest.approx(8 / math.sqrt(1 + 1e-5))
