"""A contracting block is undone to within the bound that its certificate says, and what cannot be undone is refused."""

import math

import pytest
import torch
from torch import nn

from resnet_lib import linalg, nets, runtime
from resnet_lib.analysis import inverses
from resnet_lib.nets.blocks import Block, linear_block
from resnet_lib.nets.initialisation import initialise
from resnet_lib.nets.merges import Add, Scaled


def linear(matrix: torch.Tensor, merge: nn.Module | None = None) -> Block:
    """The block `s x + b A x` of a matrix."""
    layer = nn.Linear(len(matrix), len(matrix), bias=False, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(matrix)
    return Block(layer, nn.Identity(), merge or Add()).eval()


def drawn(constant: float, order: str = "inside", **unit: float) -> Block:
    recipe = nets.Unit(order=order, norm="none", **unit)  # pyright: ignore[reportArgumentType]
    block = initialise(linear_block(recipe, 6), runtime.stream(0, "block")).double().eval()
    return inverses.contracting(block, constant)


@pytest.mark.parametrize("merge", [Add(), Scaled(0.5, 1.0), Scaled(-2.0, 0.7)])
def test_a_linear_block_is_undone_as_a_linear_system(merge):
    a = torch.randn(5, 5, generator=runtime.stream(0, "a"), dtype=torch.float64)
    a = 0.4 * a / linalg.spectral_norms(a)
    skip, branch = merge.formula().skip, merge.formula().branch
    y = torch.randn(3, 5, generator=runtime.stream(0, "y"), dtype=torch.float64)
    exact = torch.linalg.solve(skip * torch.eye(5, dtype=torch.float64) + branch * a, y.mT).mT
    found = inverses.invert(linear(a, merge), y)
    torch.testing.assert_close(found.value, exact, rtol=1e-11, atol=1e-11)
    assert found.converged
    assert found.constant == pytest.approx(abs(branch / skip) * 0.4)
    assert found.observed <= found.constant * (1 + 1e-6)


@pytest.mark.parametrize("times", [1, 2, 5, 9])
def test_a_shrinking_branch_attains_the_bound(times):
    """With `F = -c x` the error after `k` steps is `c^(k+1) |x|`, and both bounds say so."""
    c, x = 0.6, torch.tensor([[3.0, 4.0]], dtype=torch.float64)
    found = inverses.invert(linear(-c * torch.eye(2, dtype=torch.float64)), (1 - c) * x, tol=0, iterations=times)
    assert found.iterations == times
    assert float((found.value - x).norm()) == pytest.approx(5 * c ** (times + 1))
    assert found.bound.item() == pytest.approx(5 * c ** (times + 1))
    assert found.residual.item() == pytest.approx((1 - c) * 5 * c ** (times + 1) / (1 + 2.0))
    assert not found.converged
    assert math.isnan(found.observed) if times == 1 else found.observed == pytest.approx(c)


def test_a_relu_block_is_undone_within_its_bound():
    block = drawn(0.8)
    x = 5 * torch.randn(20, 6, generator=runtime.stream(1, "x"), dtype=torch.float64)
    with torch.no_grad():
        y = block(x)
    for times in (1, 3, 6):
        found = inverses.invert(block, y, tol=0, iterations=times)
        assert ((found.value - x).norm(dim=1) <= found.bound + 1e-12).all()
    last = inverses.invert(block, y)
    assert last.converged
    torch.testing.assert_close(last.value, x, rtol=1e-10, atol=1e-10)


def test_the_constant_of_a_contracting_block_is_the_product_of_its_layers_norms():
    block = drawn(0.49)
    for layer in (block.branch.weight1, block.branch.weight2):
        assert linalg.spectral_norms(layer.weight.detach()).item() == pytest.approx(0.7)  # pyright: ignore[reportArgumentType, reportAttributeAccessIssue, reportCallIssue]
    assert inverses.contraction(block, (6,)) == pytest.approx(0.49)
    assert inverses.contraction(drawn(0.49, alpha=0.5, beta=0.5), (6,)) == pytest.approx(0.49)


def test_where_the_constant_is_not_below_one_nothing_is_certified():
    found = inverses.invert(linear(-2 * torch.eye(1, dtype=torch.float64)), torch.ones(1, 1).double(), iterations=30)
    assert found.bound.item() == math.inf
    assert not found.converged
    assert found.observed == pytest.approx(2)
    expanding = inverses.invert(linear(2 * torch.eye(1, dtype=torch.float64)), torch.ones(1, 1).double(), constant=0.5)
    assert not expanding.converged


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: inverses.invert(drawn(0.5, "post"), torch.ones(1, 6).double()), "a layer behind the addition"),
        (lambda: inverses.invert(linear(torch.eye(2).double()), torch.ones(2).double()), "expected a batch"),
        (lambda: inverses.invert(linear(torch.eye(2).double()), torch.ones(1, 2).double(), iterations=0), "at least 1"),
        (lambda: inverses.contracting(drawn(0.5), 0.0), "constant=0.0 must be positive"),
        (lambda: inverses.contracting(Block(nn.ReLU(), nn.Identity(), Add()), 0.5), "no linear layer"),
    ],
)
def test_what_has_no_inverse_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
