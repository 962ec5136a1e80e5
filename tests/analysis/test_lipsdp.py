"""The semidefinite bound against all slopes, against another solver, and by its own multipliers."""

import itertools
import math

import cvxpy as cp
import numpy as np
import pytest
import torch
from bounded import ROUNDING, SEEDS, drawn, gaussian, reached
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from resnet_lib import runtime
from resnet_lib.analysis import lipschitz
from resnet_lib.analysis.lipschitz import Normal


def random_normal(seed: int, layers: int, width: int, inputs: int) -> Normal:
    n = layers * width
    mask = torch.block_diag(*[torch.ones(width, width)] * layers) + torch.ones(n, n).triu()
    shapes = {"b": (n, inputs), "c": (2, n), "d": (2, inputs)}
    others = {name: gaussian(seed + i, *shape) for i, (name, shape) in enumerate(shapes.items(), start=1)}
    return Normal(gaussian(seed, n, n) * (mask == 0), **others)


@settings(max_examples=40)
@given(SEEDS, st.integers(1, 4), st.integers(1, 2), st.integers(1, 3))
def test_the_semidefinite_bound_holds_for_all_slopes(seed, layers, width, inputs):
    network = random_normal(seed, layers, width, inputs)
    n = layers * width
    corners = torch.tensor(list(itertools.product([0.0, 1.0], repeat=n)), dtype=torch.float64)
    between = torch.rand(100, n, generator=runtime.stream(seed), dtype=torch.float64)
    worst = torch.linalg.matrix_norm(network.jacobian(torch.cat([corners, between])), ord=2).max().item()
    found = lipschitz.semidefinite(network, tol=1e-6)
    assert worst <= found.value * ROUNDING
    if n == 1:
        # With one neuron no pattern is between the two corners, and the multiplier is exact.
        assert found.value == pytest.approx(worst, rel=1e-5)


@settings(max_examples=12)
@given(SEEDS, st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
def test_the_semidefinite_bound_is_that_of_another_solver(seed, layers, width, inputs):
    network = random_normal(seed, layers, width, inputs)
    a, b, c, d = (getattr(network, name).numpy() for name in "abcd")
    multipliers, rho = cp.Variable(len(a), nonneg=True), cp.Variable()
    weights = cp.diag(multipliers)
    inner, cross = 2 * weights - weights @ a - a.T @ weights - c.T @ c, -weights @ b - c.T @ d
    matrix = cp.bmat([[rho * np.eye(inputs) - d.T @ d, cross.T], [cross, inner]])
    problem = cp.Problem(cp.Minimize(rho), [(matrix + matrix.T) / 2 >> 0])
    problem.solve(solver=cp.CLARABEL)
    found = lipschitz.semidefinite(network, tol=1e-6)
    assert found.converged
    assert found.value == pytest.approx(math.sqrt(float(rho.value)), rel=1e-5)  # pyright: ignore[reportArgumentType]


@settings(max_examples=20)
@given(SEEDS, st.integers(1, 3), st.integers(1, 3))
def test_its_multipliers_prove_it(seed, layers, width):
    network = random_normal(seed, layers, width, 2)
    found = lipschitz.semidefinite(network)
    a, b, c, d, l = network.a, network.b, network.c, network.d, found.multipliers
    assert (l >= 0).all()
    inner = torch.diag(2 * l) - l[:, None] * a - (l[:, None] * a).T - c.T @ c
    cross = -l[:, None] * b - c.T @ d
    matrix = torch.cat(
        [torch.cat([found.value**2 * torch.eye(2).double() - d.T @ d, cross.T], 1), torch.cat([cross, inner], 1)]
    )
    assert torch.linalg.eigvalsh(matrix)[0] >= -1e-9 * matrix.diagonal().max()


def test_a_solver_that_stops_early_still_gives_a_bound_and_says_so():
    network = random_normal(5, 4, 3, 3)
    best = lipschitz.semidefinite(network, tol=1e-6)
    early = lipschitz.semidefinite(network, tol=1e-6, steps=1)
    assert not early.converged
    assert early.gap > 1e-6
    assert early.value >= best.value


@pytest.mark.parametrize(("layers", "width", "most"), [(4, 5, 15), (8, 4, 21)])
def test_the_solver_takes_as_few_steps_as_its_corrector_promises(layers, width, most):
    """9 to 10 and 10 to 14 are usual; without a good predictor it is more than 30."""
    for seed in range(4):
        found = lipschitz.semidefinite(random_normal(seed, layers, width, 3), tol=1e-6, steps=30)
        assert found.converged
        assert found.steps <= most


SMALL = st.integers(1, 4)


@settings(max_examples=25)
@given(SEEDS, SMALL, st.sampled_from(["leaky", "elu", "relu", "tanh"]), st.floats(0, 1))
def test_the_semidefinite_bound_holds_for_every_slope(seed, width, kind, steep):
    act = {"leaky": nn.LeakyReLU(steep), "elu": nn.ELU(steep), "relu": nn.ReLU(), "tanh": nn.Tanh()}[kind]
    net = drawn(nn.Sequential(nn.Linear(2, width), act, nn.Linear(width, 2)), seed)
    proven = lipschitz.semidefinite(lipschitz.normal_form(net, 2)).value
    assert reached(net, (2,), seed) <= proven * ROUNDING


SIZES = (1e-250, 1e-170, 1e-80, 1e-20, 1.0, 1e20, 1e100, 1e200)


@pytest.mark.parametrize("inner", SIZES)
@pytest.mark.parametrize("outer", SIZES)
def test_the_semidefinite_bound_holds_at_every_size(inner, outer):
    """Products of squares underflow long before the bound does, which must not become 0 then."""
    b, c, d = gaussian(0, 3, 2), gaussian(1, 2, 3), gaussian(2, 2, 2)
    if not 1e-300 < inner * outer < 1e300:
        return
    form = lipschitz.Normal(torch.zeros(3, 3).double(), inner * b, outer * c, inner * outer * d)
    corners = torch.tensor(list(itertools.product([0.0, 1.0], repeat=3)), dtype=torch.float64)
    worst = torch.linalg.matrix_norm(form.jacobian(corners) / (inner * outer), ord=2).max().item()
    found = lipschitz.semidefinite(form, tol=1e-4)
    assert found.converged
    assert worst <= found.value / inner / outer * ROUNDING
    assert found.value / inner / outer <= 1.2 * worst


def test_a_direction_that_is_small_beside_others_is_not_left_out():
    eye, zero = torch.eye(2).double(), torch.zeros(1, 1).double()
    beside = lipschitz.Normal(zero, eye[:1], 1e-20 * eye[:1, :1], 1e-15 * eye[1:])
    assert lipschitz.semidefinite(beside).value >= 1e-15
    seen = lipschitz.Normal(torch.zeros(2, 2).double(), torch.diag(torch.tensor([1.0, 1e-15], dtype=torch.float64)),
                            torch.tensor([[0.0, 1e15]], dtype=torch.float64), torch.zeros(1, 2).double())  # fmt: skip
    assert lipschitz.semidefinite(seen).value >= 1 - 1e-9
    huge = lipschitz.Normal(1e200 * torch.ones(3, 3).double().tril(-1), torch.ones(3, 1).double(),
                            torch.ones(1, 3).double(), zero)  # fmt: skip
    with pytest.raises(ValueError, match="weights so large that products of their squares overflow"):
        lipschitz.semidefinite(huge)
