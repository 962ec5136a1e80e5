"""Departure from normality, pseudospectra, numerical range and growth rates, against closed forms."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from resnet_lib import linalg, nets, runtime
from resnet_lib.analysis import jacobian
from resnet_lib.linalg import Operator
from resnet_lib.nets import Unit

SEEDS = st.integers(0, 2**32)


def gaussian(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=runtime.stream(seed, "test"), dtype=torch.float64)


def jordan(d: int, off: float, value: float = 0.0) -> Tensor:
    return value * torch.eye(d, dtype=torch.float64) + off * torch.diag(torch.ones(d - 1, dtype=torch.float64), 1)


@given(SEEDS, st.integers(1, 8))
def test_normal_matrices_depart_by_nothing(seed, d):
    a = gaussian(seed, d, d)
    rotation = torch.linalg.qr(a).Q
    for matrix in (a + a.T, a - a.T, rotation, torch.eye(d, dtype=torch.float64) + a - a.T, torch.zeros_like(a)):
        assert linalg.departure(matrix) < 1e-14


@given(SEEDS, st.integers(2, 8), st.floats(0.1, 10))
def test_departure_is_that_of_its_formula_and_does_not_depend_on_size_or_basis(seed, d, size):
    a, rotation = gaussian(seed, d, d), torch.linalg.qr(gaussian(seed + 1, d, d)).Q
    expected = (a @ a.T - a.T @ a).square().sum().sqrt() / a.square().sum()
    torch.testing.assert_close(linalg.departure(torch.stack([a, size * rotation @ a @ rotation.T])), expected.expand(2))
    assert expected <= math.sqrt(2)


def test_a_single_nilpotent_entry_departs_the_most():
    assert linalg.departure(jordan(2, 3.0)).item() == pytest.approx(math.sqrt(2))


@given(SEEDS, st.integers(3, 12))
def test_the_estimate_lies_within_its_error(seed, d):
    a = gaussian(seed, d, d)
    found = linalg.estimate_departure(Operator.dense(a), samples=200, generator=runtime.stream(seed))
    assert abs(found.value - linalg.departure(a).item()) < 6 * found.error + 1e-12
    assert found.products == 800


def test_the_estimate_is_exact_for_a_multiple_of_a_rotation():
    rotation = torch.linalg.qr(gaussian(0, 6, 6)).Q
    found = linalg.estimate_departure(Operator.dense(rotation), generator=runtime.stream(0))
    assert found.value < 1e-14


@given(SEEDS, st.integers(1, 8))
def test_the_pseudospectrum_of_a_normal_matrix_is_the_distance_to_its_spectrum(seed, d):
    a = gaussian(seed, d, d)
    points = torch.complex(gaussian(seed + 1, 5, 4), gaussian(seed + 2, 5, 4))
    for matrix in (a + a.T, a - a.T):
        distance = (points[..., None] - torch.linalg.eigvals(matrix)).abs().amin(-1)
        torch.testing.assert_close(linalg.pseudospectrum(matrix, points), distance, rtol=1e-9, atol=1e-9)


def test_the_pseudospectrum_of_a_jordan_block_is_that_of_a_nilpotent_two_by_two():
    # z - [[0, c], [0, 0]]: the product of the singular values is |z|^2, the sum of their squares 2 |z|^2 + c^2.
    z, c = 0.3, 2.0
    total, product = 2 * z**2 + c**2, z**2
    smallest = math.sqrt((total - math.sqrt(total**2 - 4 * product**2)) / 2)
    found = linalg.pseudospectrum(jordan(2, c), torch.tensor([z, z * 1j], dtype=torch.complex128))
    torch.testing.assert_close(found, torch.full((2,), smallest, dtype=torch.float64))


def test_the_numerical_range_of_a_jordan_block_is_a_disc():
    d, angles = 5, torch.linspace(0, 6, 13, dtype=torch.float64)
    points = linalg.numerical_range(jordan(d, 1.0, 0.5), angles)
    radius = math.cos(math.pi / (d + 1))
    torch.testing.assert_close(points, 0.5 + radius * torch.exp(1j * angles))
    op = Operator.dense(jordan(d, 1.0, 0.5))
    for angle in (0.0, 1.0, 2.5):
        found = linalg.range_support(op, angle, tol=1e-10, generator=runtime.stream(0))
        assert found.converged
        assert found.value == pytest.approx(0.5 * math.cos(angle) + radius, rel=1e-8)


@given(SEEDS, st.integers(2, 6), st.floats(0, 6.2))
def test_the_numerical_range_reaches_as_far_as_is_said(seed, d, angle):
    a, v = gaussian(seed, d, d), torch.complex(gaussian(seed + 1, 50, d), gaussian(seed + 2, 50, d))
    inside = (v.conj() * (v @ a.to(v.dtype).mT)).sum(-1) / v.abs().square().sum(-1)
    turned = torch.exp(torch.tensor(-1j * angle, dtype=torch.complex128))
    (point,) = linalg.numerical_range(a, torch.tensor([angle], dtype=torch.float64))
    farthest = (turned * point).real.item()
    assert (turned * inside).real.max().item() <= farthest + 1e-12
    assert (turned * torch.linalg.eigvals(a)).real.max().item() <= farthest + 1e-12
    found = linalg.range_support(Operator.dense(a), angle, tol=1e-10, generator=runtime.stream(seed))
    assert found.value == pytest.approx(farthest, rel=1e-7, abs=1e-9)


def test_growth_rates_of_a_diagonal_product_are_its_logs():
    factor = torch.diag(torch.tensor([0.5, 3.0, 1.0], dtype=torch.float64))
    found = linalg.lyapunov([factor] * 300, 3, 3, generator=runtime.stream(0))
    expected = torch.tensor([3.0, 1.0, 0.5], dtype=torch.float64).log()
    torch.testing.assert_close(found.logs[100:].mean(0), expected, atol=1e-6, rtol=0)
    assert found.steps == 300
    torch.testing.assert_close(found.values, expected, atol=0.02, rtol=0)


@given(SEEDS, st.integers(1, 5), st.integers(1, 12))
def test_growth_rates_add_up_to_the_determinant(seed, d, steps):
    factors = [gaussian(seed + i, d, d) for i in range(steps)]
    found = linalg.lyapunov(factors, d, d, generator=runtime.stream(seed))
    expected = sum(f.det().abs().log() for f in factors)
    assert found.logs.sum().item() == pytest.approx(float(expected), abs=1e-8)


def test_gaussian_matrices_grow_as_newman_says():
    # Independent Gaussian factors of variance 1: lambda_i = (log 2 + digamma((d - i + 1) / 2)) / 2 (newman1986).
    d, steps = 4, 4000
    factors = gaussian(3, steps, d, d)
    found = linalg.lyapunov(factors, d, d, generator=runtime.stream(0))
    orders = torch.arange(d, 0, -1, dtype=torch.float64) / 2
    expected = (math.log(2) + torch.digamma(orders)) / 2
    assert ((found.values - expected).abs() < 5 * found.errors).all()


def test_growth_rates_through_a_network_are_those_of_its_jacobians():
    unit = Unit(order="inside", norm="none")
    stack = nets.mlp(6, 5, unit=unit, in_features=5, generator=runtime.stream(0)).double().eval()
    x = gaussian(0, 5)
    found = jacobian.lyapunov(stack, x, 3, generator=runtime.stream(1))
    factors = [j[0] for j in jacobian.along(stack, x[None])]
    expected = linalg.lyapunov(factors, 5, 3, generator=runtime.stream(1))
    torch.testing.assert_close(found.logs, expected.logs)
    torch.testing.assert_close(
        jacobian.departure(stack.blocks[0], stack.states(x[None])[0]), linalg.departure(factors[0])[None]
    )


def test_what_has_no_spectrum_is_refused_with_the_way_out(unchecked):
    generator = runtime.stream(0)
    wide = Operator.dense(gaussian(0, 2, 3))
    with pytest.raises(ValueError, match=r"matrices has shape \(2, 3\); .*use singular_values"):
        linalg.departure(gaussian(0, 2, 3))
    with pytest.raises(ValueError, match=r"op\.shape=\(2, 3\) is not square, so it cannot be normal"):
        linalg.estimate_departure(wide, generator=generator)
    with pytest.raises(ValueError, match=r"op\.shape=\(2, 3\) is not square, so it has no numerical range"):
        linalg.range_support(wide, 0.0, generator=generator)
    with pytest.raises(ValueError, match=r"maps 3 coordinates to 2, .* has no eigenvalues; use singular_values"):
        jacobian.departure(nn.Linear(3, 2), torch.ones(1, 3))
    with pytest.raises(ValueError, match=r"op is zero, and so is its departure"):
        linalg.estimate_departure(Operator.dense(torch.zeros(3, 3)), generator=generator)
    with pytest.raises(ValueError, match=r"samples=1 must be at least 2"):
        linalg.estimate_departure(Operator.dense(torch.eye(3)), samples=1, generator=generator)
    with pytest.raises(ValueError, match=r"k=4 must lie between 1 and the dimension 3"):
        linalg.lyapunov([torch.eye(3)], 3, 4, generator=generator)
    with pytest.raises(ValueError, match=r"factor 1 has shape \(2, 2\); expected \(3, 3\)"):
        linalg.lyapunov([torch.eye(3), torch.eye(2)], 3, 1, generator=generator)
    with pytest.raises(ValueError, match=r"factor 0 gave NaN"):
        linalg.lyapunov([torch.full((3, 3), math.nan)], 3, 1, generator=generator)
    with pytest.raises(ValueError, match=r"factor 0 sends one of 2 directions to zero, .* use a smaller k"):
        linalg.lyapunov([torch.zeros(3, 3)], 3, 2, generator=generator)
    with pytest.raises(ValueError, match="factors is empty"):
        linalg.lyapunov([], 3, 1, generator=generator)
    op = Operator((3, 3), torch.float64, torch.device("cpu"), lambda v: v)
    with pytest.raises(ValueError, match=r"op\.rmatvec is None"):
        linalg.estimate_departure(op, generator=generator)
    with pytest.raises(ValueError, match=r"op\.rmatvec is None"):
        linalg.range_support(op, 0.0, generator=generator)


def test_blocks_that_change_shape_have_no_growth_rate():
    net = nets.cifar_resnet(8, width=2, generator=runtime.stream(0)).double().eval()
    with pytest.raises(ValueError, match=r"block 1 maps 128 coordinates to 64; take a network of one stage"):
        jacobian.lyapunov(net, gaussian(0, 3, 8, 8), 1, generator=runtime.stream(0))


@settings(max_examples=5)
@given(SEEDS)
def test_float32_products_are_taken_in_their_precision(seed):
    a = gaussian(seed, 4, 4).float()
    found = linalg.range_support(Operator.dense(a), 0.0, tol=1e-5, generator=runtime.stream(seed))
    assert found.value == pytest.approx(torch.linalg.eigvalsh((a + a.T) / 2)[-1].item(), rel=1e-4, abs=1e-5)
