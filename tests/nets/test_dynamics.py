"""Blocks that are steps of an ordinary differential equation, against matrices, the solver and invariants."""

# Parts of modules are reached by name, which the checker cannot follow.
# pyright: reportAttributeAccessIssue=false, reportCallIssue=false, reportOperatorIssue=false
# pyright: reportOptionalMemberAccess=false, reportIndexIssue=false, reportArgumentType=false

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from resnet_lib import ode, runtime
from resnet_lib.nets import dynamics, initialisation
from tests.flows import X, net, tied


@given(st.integers(0, 2**32), st.floats(-0.5, 0.5))
def test_antisymmetric_eigenvalues_have_the_real_part_of_the_damping(seed, gamma):
    layer = initialisation.initialise(dynamics.Antisymmetric(5, gamma=gamma), runtime.stream(seed, "a")).double()
    values = torch.linalg.eigvals(layer.matrix().detach())
    np.testing.assert_allclose(values.real, -gamma, atol=1e-10)
    x = torch.randn(3, 5, generator=runtime.stream(seed, "x"), dtype=torch.float64)
    torch.testing.assert_close(layer(x), x @ layer.matrix().T + layer.bias)


@given(st.integers(0, 2**32), st.floats(0.1, 20))
def test_a_bound_holds_and_touches_nothing_below_it(seed, bound):
    free, bound_ = (
        initialisation.initialise(dynamics.Antisymmetric(6, bound=b), runtime.stream(seed, "a"))
        .double()
        .matrix()
        .detach()
        for b in (None, bound)
    )
    assert torch.linalg.matrix_norm(bound_, 2) <= bound * (1 + 1e-9)
    size = free.norm() / 2**0.5
    torch.testing.assert_close(bound_, free if size <= bound else free * bound / size)


def test_an_antisymmetric_block_is_an_euler_step_of_its_field():
    block = initialisation.initialise(dynamics.antisymmetric_block(5, 0.3, gamma=0.1), runtime.stream(0, "a")).double()
    matrix, bias = block.branch[0].matrix(), block.branch[0].bias
    x = torch.randn(5, generator=runtime.stream(0, "x"), dtype=torch.float64)
    step = ode.solve(lambda t, y: torch.tanh(matrix @ y + bias), x, (0.0, 0.3), method="euler", steps=1).end
    torch.testing.assert_close(block(x), step)


@given(st.integers(0, 2**32), st.floats(0.01, 2))
def test_a_hamiltonian_block_keeps_volumes_and_the_symplectic_form(seed, h):
    block = initialisation.initialise(dynamics.hamiltonian_block(6, h), runtime.stream(seed, "h")).double()
    x = torch.randn(6, generator=runtime.stream(seed, "x"), dtype=torch.float64)
    jacobian = torch.func.jacrev(block)(x).detach()
    form = torch.zeros(6, 6, dtype=torch.float64)
    form[:3, 3:], form[3:, :3] = torch.eye(3), -torch.eye(3)
    torch.testing.assert_close(jacobian.T @ form @ jacobian, form, rtol=0, atol=1e-9)
    assert torch.linalg.det(jacobian).item() == pytest.approx(1, abs=1e-9)


def test_a_hamiltonian_block_is_the_solvers_symplectic_euler():
    block = initialisation.initialise(dynamics.hamiltonian_block(4, 0.2), runtime.stream(0, "h")).double()
    first, second = block[0].branch.inner, block[1].branch.inner
    field = ode.SplitField(
        velocity=lambda p: torch.tanh(second(p)) @ second.weight, force=lambda q: -torch.tanh(first(q)) @ first.weight
    )
    x = torch.randn(4, generator=runtime.stream(0, "x"), dtype=torch.float64)
    step = ode.solve(field, x, (0.0, 0.2), method="symplectic-euler", steps=1).end
    torch.testing.assert_close(block(x), step)


def test_a_repeated_block_shares_its_weights():
    stack = tied()
    assert sum(p.numel() for p in stack.parameters()) == sum(p.numel() for p in net(depth=1).parameters())
    state = stack.stem(X)
    for _ in range(4):
        state = stack.blocks[0].block(state)
    torch.testing.assert_close(stack(X), stack.head(state))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dynamics.Repeat(nn.Identity(), 0), "times=0 must be at least 1"),
        (lambda: dynamics.Shear(3, moves="p"), "width=3 of a Hamiltonian block must be even"),
        (lambda: dynamics.Shear(4, moves="x"), "moves='x' is unknown; use 'p' or 'q'"),
        (lambda: dynamics.euler_block(nn.Identity(), math.nan), "h=nan must be finite"),
        (lambda: dynamics.scale(0, 1.0), "depth=0 must be at least 1"),
    ],
)
def test_wrong_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_scale_is_a_power_of_the_depth():
    assert [dynamics.scale(16, p) for p in (0, 0.25, 0.5, 1)] == [1, 0.5, 0.25, 1 / 16]
